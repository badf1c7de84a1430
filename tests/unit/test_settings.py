"""`lineside.toml` and the environment become frozen settings, or one line that says what to change."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.settings import SettingsError, convert
from services.config import Config, load_config


def written(folder: Path, text: str) -> Path:
    path = folder / "lineside.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_has_its_default() -> None:
    assert load_config(None, {}) == Config()


def test_a_file_sets_some_values_and_leaves_the_others(tmp_path: Path) -> None:
    config = load_config(
        written(tmp_path, 'data_dir = "elsewhere"\n[broker]\nport = 8883\n[judge]\nlimit_sigma = 5\n'), {}
    )
    assert config.data == Path("elsewhere")
    assert (config.broker.port, config.broker.host) == (8883, "127.0.0.1")
    assert config.judge.limit_sigma == 5.0
    assert isinstance(config.judge.limit_sigma, float)
    assert config.store == Config().store


def test_the_environment_overrides_the_file_at_every_depth(tmp_path: Path) -> None:
    path = written(tmp_path, 'data_dir = "file"\n[broker]\nhost = "file"\nport = 1\n[api]\nport = 2\n')
    config = load_config(
        path,
        {
            "LINESIDE_DATA_DIR": "environment",
            "LINESIDE_BROKER_HOST": "broker.plant",
            "LINESIDE_API_PORT": "9000",
            "LINESIDE_ARCHIVE_GOOD_SHARE": "0.5",
            "LINESIDE_JUDGE_MAX_AHEAD_S": "60",
            "HOME": "not ours",
        },
    )
    assert config.data_dir == "environment"
    assert (config.broker.host, config.broker.port) == ("broker.plant", 1)
    assert config.api.port == 9000
    assert config.archive.good_share == 0.5
    assert config.judge.max_ahead_s == 60


@pytest.mark.parametrize("secret", ["12345", "true", "null", "a=b:c d", ""])
def test_a_password_that_looks_like_something_else_stays_text(secret: str) -> None:
    assert load_config(None, {"LINESIDE_BROKER_PASSWORD": secret}).broker.password == secret


def test_every_value_can_be_overridden() -> None:
    config = Config()
    for name in Config.__struct_fields__:
        section = getattr(config, name)
        fields = {f"LINESIDE_{name}": section}
        if isinstance(section, msgspec.Struct):
            fields = {f"LINESIDE_{name}_{key}": getattr(section, key) for key in section.__struct_fields__}
        for variable, value in fields.items():
            assert load_config(None, {variable.upper(): str(value)}) == config, variable


def test_variables_of_the_tests_are_no_settings() -> None:
    environ = {"LINESIDE_INFLUXD": "/usr/bin/influxd", "LINESIDE_REQUIRE_SERVICES": "1", "LINESIDE_CACHE": "/var/cache"}
    assert load_config(None, environ) == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[broker]\nhots = "x"\n', ["unknown key 'broker.hots'", "did you mean 'host'?"]),
        ("[brokr]\nport = 1\n", ["unknown key 'brokr'", "did you mean 'broker'?"]),
        ("zzz = 1\n", ["unknown key 'zzz'"]),
        ('[broker]\nport = "1883"\n', ["broker.port", "'1883'", "`int`"]),
        ("[broker]\nport = 70000\n", ["broker.port", "70000", "65535"]),
        ("[broker]\nport = 0\n", ["broker.port", "0", ">= 1"]),
        ("[archive]\ngood_share = 1.5\n", ["archive.good_share", "1.5", "<= 1"]),
        ('[store]\nbackend = "sqlite"\n', ["store.backend", "'sqlite'"]),
        ("broker = 3\n", ["broker", "3"]),
        ("[broker\n", ["line 1"]),
    ],
)
def test_what_is_wrong_names_the_file_the_key_what_came_and_what_was_expected(
    tmp_path: Path, text: str, says: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_config(path, {})
    message = str(caught.value)
    for part in [str(path), *says]:
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LINESIDE_BROKER_PORT", "mqtt", ["broker.port", "'mqtt'", "`int`"]),
        ("LINESIDE_BROKER_HOTS", "x", ["unknown key 'broker.hots'", "did you mean 'host'?"]),
        ("LINESIDE_BROKR_PORT", "1", ["unknown key 'brokr_port'"]),
        ("LINESIDE_BROKER", "x", ["broker", "'x'"]),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, says: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_config(None, {variable: value})
    for part in [variable, *says]:
        assert part in str(caught.value)


def test_an_error_never_shows_a_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"broker\.password") as caught:
        load_config(written(tmp_path, "[broker]\npassword = 271828\n"), {})
    assert "271828" not in str(caught.value)


def test_secrets_come_from_files_unless_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    given = {
        "LINESIDE_STORE_TOKEN_FILE": str(tmp_path / "secret"),
        "LINESIDE_BROKER_PASSWORD_FILE": str(tmp_path / "secret"),
    }
    assert load_config(None, given).store.token == "from the file"
    config = load_config(None, {**given, "LINESIDE_BROKER_PASSWORD": "given"})
    assert (config.store.token, config.broker.password) == ("from the file", "given")


def test_a_secret_file_or_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(SettingsError, match="absent"):
        load_config(None, {"LINESIDE_STORE_TOKEN_FILE": str(absent)})
    with pytest.raises(SettingsError, match="absent"):
        load_config(absent, {})


def test_bytes_that_are_no_text_are_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lineside.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"lineside\.toml"):
        load_config(path, {})
    path.write_text("[store]", encoding="utf-8")
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="secret"):
        load_config(path, {"LINESIDE_STORE_TOKEN_FILE": str(secret)})


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    width_m: float


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}


def test_what_came_is_found_inside_lists_and_tables() -> None:
    with pytest.raises(SettingsError, match=r"items\[1\]\.width_m.*'wide'"):
        convert({"items": [{"width_m": 1}, {"width_m": "wide"}]}, Outer, "file")
    with pytest.raises(SettingsError, match=r"unknown key 'items\[0\]\.widht_m'; did you mean 'width_m'"):
        convert({"items": [{"widht_m": 1}]}, Outer, "file")
    with pytest.raises(SettingsError, match=r"by_name\[\.\.\.\]\.width_m"):
        convert({"by_name": {"a": {"width_m": "wide"}}}, Outer, "file")


def test_the_example_file_shows_the_defaults() -> None:
    example = Path(__file__).resolve().parents[2] / "lineside.example.toml"
    assert load_config(example, {}) == load_config(None, {})
