from __future__ import annotations

import sys

import pytest

from services.accounts.limiter import SLOTS, Limiter, network_of


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_one_at_a_time() -> None:
    clock = Seconds()
    limiter = Limiter(3, 60.0, clock)
    assert [limiter.take("anna") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.take("anna") == pytest.approx(60.0)
    clock.now += 45.0
    assert limiter.take("anna") == pytest.approx(15.0)
    clock.now += 15.0
    assert limiter.take("anna") == 0.0
    assert limiter.take("anna") > 0.0


def test_after_long_quiet_there_is_one_burst_and_no_more() -> None:
    clock = Seconds()
    limiter = Limiter(3, 1.0, clock)
    clock.now += 10**6
    assert [limiter.take("x") > 0 for _ in range(5)] == [False, False, False, True, True]


def test_what_was_no_guess_is_given_back() -> None:
    limiter = Limiter(2, 60.0, Seconds())
    for _ in range(20):
        assert limiter.take("anna") == 0.0
        limiter.give_back("anna")
    limiter.give_back("anna")
    assert [limiter.take("anna") > 0 for _ in range(3)] == [False, False, True]


def test_no_flood_of_names_makes_it_grow_or_frees_a_name() -> None:
    limiter = Limiter(2, 1e9, Seconds())
    while limiter.take("anna") == 0.0:
        pass
    before = sys.getsizeof(limiter._left) + sys.getsizeof(limiter._at)
    for k in range(3 * SLOTS):
        limiter.take(f"name {k} \ud800")
    assert sys.getsizeof(limiter._left) + sys.getsizeof(limiter._at) == before
    assert limiter.take("anna") > 0.0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_place(address: str, place: str) -> None:
    assert network_of(address) == place
