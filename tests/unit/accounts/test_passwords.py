from __future__ import annotations

import pytest

from services.accounts import passwords
from services.accounts.model import AccountError
from services.accounts.passwords import MIN_LENGTH, check_password, hash_password, verify_password
from tests.unit.accounts.conftest import PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "correct-battery-Staple!",
        "x9$kQ2#vLp8&mZ4",
        "我们的车间每天早上六点开始工作焊点",
        "tisztító 4 gömb üveg",
    ],
)
def test_long_and_uncommon_ones_are_taken(password: str) -> None:
    check_password(password, "anna")


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * (MIN_LENGTH - 1), "x" * 257, "\u200b"],
)
def test_the_length_is_said_and_not_the_password(password: str) -> None:
    with pytest.raises(AccountError, match=rf"has {len(password)} characters; expected 15 to 256") as caught:
        check_password(password)
    assert caught.value.field == "password"
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "123456789012345678",
        "aaaaaaaaaaaaaaaaaaaa",
        "qwertyuiopasdfghjkl",
        "annameyer annameyer",
        "lineside lineside lineside",
    ],
)
def test_what_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(AccountError, match="too easy"):
        check_password(password, "anna meyer", "anna", "meyer")


def test_a_hash_is_argon2id_with_the_parameters_of_rfc_9106_and_fits_its_password_only() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hash_password(PASSWORD) != stored
    assert verify_password(stored, PASSWORD)
    assert not verify_password(stored, PASSWORD + " ")
    assert not verify_password("broken", PASSWORD)
    assert not verify_password(None, PASSWORD)


def test_what_looks_alike_is_the_same() -> None:
    assert verify_password(hash_password("caf\u00e9 fenster lampe"), "cafe\u0301 fenster lampe")


def test_a_name_unknown_costs_a_hash_of_the_same_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = passwords._HASHER.verify

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored)
            return real(stored, password)

    stored = hash_password(PASSWORD)
    verify_password(None, PASSWORD)
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    verify_password(stored, "wrong")
    verify_password(None, "wrong")
    assert len(verified) == 2
    assert verified[0].rsplit("$", 2)[0] == verified[1].rsplit("$", 2)[0]
