"""`lineside.toml`, read into frozen typed objects. Every value can be overridden by `LINESIDE_<SECTION>_<KEY>`."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.settings import SettingsError, convert

NO_SETTINGS = frozenset(
    {
        "LINESIDE_CACHE",
        "LINESIDE_INFLUXD",
        "LINESIDE_REQUIRE_SERVICES",
        "LINESIDE_API_TOKEN",
        "LINESIDE_API_TOKEN_FILE",
    }
)
"""Read by the tests and by CI, and by the commands that ask a running plant (`services.plant_client`)."""

Positive = Annotated[int, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """Where messages come from and verdicts go to."""

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: str = "lineside"
    """Stable: the broker keeps this client's session, and what was not acknowledged, under it."""
    username: str = ""
    password: str = ""
    """Better given as LINESIDE_BROKER_PASSWORD, or as a file by `password_file`."""
    password_file: str = ""
    ca_file: str = ""
    """Set to speak TLS: the authority that signed the broker's certificate."""
    cert_file: str = ""
    key_file: str = ""


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """The durable queue between collector and pipeline."""

    max_bytes: Positive = 4 * 2**30
    """Bound on its size; at the bound the collector stops acknowledging until the pipeline has caught up."""
    min_free_bytes: Positive = 256 * 2**20
    """The collector also stops when the disk has less than this left."""


class Judge(Struct, frozen=True, forbid_unknown_fields=True):
    """How welds are judged."""

    learn_n: Annotated[int, Meta(ge=8, le=1000)] = 20
    """Welds of a stream (spot and programme) before it is judged by itself alone."""
    prior_streams: Annotated[int, Meta(ge=3, le=1000)] = 5
    """Streams of a programme that must have learnt before a new one is judged by them; until then its welds are
    `unjudged: learning`."""
    false_alarms_per_1000: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """Good welds of a thousand that may be called defects; limits follow from it and how welds scatter."""
    limit_sigma: Annotated[float, Meta(gt=0)] = 6.0
    """Distance from the reference beyond which a weld is a defect, until that scatter is known."""
    conditioning_n: Annotated[int, Meta(ge=0)] = 40
    """Welds of a gun after a cap change that are `unjudged: conditioning`."""
    max_age_days: Positive = 366
    """A source time older than this is rejected: the clock was never set."""
    max_ahead_s: Positive = 300
    """A source time this far in the future is rejected."""
    max_payload_bytes: Positive = 4 * 2**20
    max_samples: Positive = 20_000
    """Per curve."""
    remember_ids: Positive = 1_000_000
    """How many weld ids are remembered to recognise a second delivery."""


class PlantLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """How much there may be of what is remembered one by one: a device that invents names cannot fill the memory.

    What is beyond is rejected by name; what is known already goes on.
    """

    streams: Positive = 30_000
    """Streams (gun, spot and programme) of the whole plant; each takes some 8 kB of memory."""
    streams_per_source: Positive = 10_000
    """Streams that one source may begin, so that it leaves room for the others."""
    guns: Positive = 1000
    programs: Positive = 1000
    """Each takes some 40 kB of memory."""
    agvs: Positive = 1000
    sources: Positive = 5000
    """Topics that send; further ones are counted together as `(too many sources)`."""


class Spc(Struct, frozen=True, forbid_unknown_fields=True):
    """Statistical process control."""

    alarms_per_hour: Annotated[float, Meta(gt=0)] = 6.0
    """Drift signals that chance alone may raise, over the whole plant; the charts' limits follow from it."""


class Wear(Struct, frozen=True, forbid_unknown_fields=True):
    """When the electrodes of a gun should be dressed."""

    density_loss: Annotated[float, Meta(gt=0, lt=0.5)] = 0.06
    """Share of the current density at the tips (read as voltage) that may be lost since the last dress: what a
    programme in the middle of a narrow weld lobe can lose before its nuggets are too small."""
    warn_welds: Annotated[int, Meta(ge=0)] = 100
    """A gun is warned of when its limit may come within this many welds, and before it is usually dressed."""


class Models(Struct, frozen=True, forbid_unknown_fields=True):
    """When a model learnt from labels may judge."""

    min_shadow_welds: Annotated[int, Meta(ge=0)] = 1000
    """A model is shown beside the verdicts for this many welds before it may be activated ..."""
    min_shadow_hours: Annotated[float, Meta(ge=0)] = 24.0
    """... or for this long, whichever comes first."""


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where results go."""

    backend: Literal["duckdb", "influxdb"] = "duckdb"
    url: str = "http://127.0.0.1:8086"
    org: str = "lineside"
    bucket: str = "lineside"
    token: str = ""
    """Better given as LINESIDE_STORE_TOKEN, or as a file by `token_file`."""
    token_file: str = ""
    memory_mb: Positive = 512
    """Bound on what DuckDB takes: parts of its file that it keeps at hand, and what queries work in."""


class Archive(Struct, frozen=True, forbid_unknown_fields=True):
    """The curve archive."""

    good_share: Share = 0.2
    """Share of the good welds whose curves are kept; those of defects and unjudged welds always are."""
    keep_days: Positive = 90
    max_reject_bytes: Positive = 256 * 2**20
    """Bound on the dead-letter folder; the oldest rejected payloads go first."""


class Api(Struct, frozen=True, forbid_unknown_fields=True):
    """The web address."""

    host: str = "127.0.0.1"
    """Beyond loopback the server starts only when there is an administrator (`lineside user add`)."""
    port: Port = 8800
    cert_file: str = ""
    """Set to speak TLS: the server's certificate with those of its authorities (PEM)."""
    key_file: str = ""
    """Its key, unless that is in `cert_file` too."""
    behind_proxy: str = ""
    """Addresses or networks of the proxy in front, separated by commas, whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed. With a proxy others can reach the server, so that it asks for a login."""

    @property
    def is_reachable(self) -> bool:
        """Whether others than this machine may reach the server: then nobody is let in without a login."""
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = self.host == "localhost"
        return bool(self.behind_proxy) or not loopback


class AccountSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Users and their sessions."""

    folder: str = ""
    """Where users, tokens and the audit log are kept; empty: `accounts` in the data folder."""
    session_idle_h: Annotated[float, Meta(gt=0, le=720)] = 12.0
    """A session ends when no page has been open for so long ..."""
    session_max_h: Annotated[float, Meta(gt=0, le=720)] = 168.0
    """... and in any case so long after the login."""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged to standard error."""

    format: Literal["auto", "json", "text"] = "auto"
    """auto: text on a terminal, else JSON, one object a line."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything."""

    data_dir: str = "data"
    """Journal, state, embedded store and curve archive."""
    plant: str = ""
    """Path of `plant.toml`; empty: every spot is new."""
    broker: Broker = Broker()
    journal: Journal = Journal()
    judge: Judge = Judge()
    limits: PlantLimits = PlantLimits()
    spc: Spc = Spc()
    wear: Wear = Wear()
    models: Models = Models()
    store: StoreSettings = StoreSettings()
    archive: Archive = Archive()
    api: Api = Api()
    accounts: AccountSettings = AccountSettings()
    log: Log = Log()

    @property
    def data(self) -> Path:
        """The data folder as a path."""
        return Path(self.data_dir)


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file (or take the defaults when `path` is None), then the environment, then the secret files.

    Raises `SettingsError`, naming the key or variable, what came and what was expected.
    """
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from None
    config = convert(raw, Config, str(path))
    config = _from_environment(config, os.environ if environ is None else environ)
    broker, store = config.broker, config.store
    return msgspec.structs.replace(
        config,
        broker=msgspec.structs.replace(broker, password=_secret(broker.password, broker.password_file)),
        store=msgspec.structs.replace(store, token=_secret(store.token, store.token_file)),
    )


def _from_environment(config: Config, environ: Mapping[str, str]) -> Config:
    for name in sorted(name for name in environ if name.startswith("LINESIDE_") and name not in NO_SETTINGS):
        key = name.removeprefix("LINESIDE_").lower()
        section, _, rest = key.partition("_")
        if key in Config.__struct_fields__:
            config = convert({**_plain(config), key: environ[name]}, Config, name, strict=False)
        elif section in Config.__struct_fields__ and rest:
            inner = {**_plain(getattr(config, section)), rest: environ[name]}
            config = convert({**_plain(config), section: inner}, Config, name, strict=False)
        else:
            convert({key: environ[name]}, Config, name)
    return config


def _plain(settings: Struct) -> dict[str, Any]:
    return dict(msgspec.to_builtins(settings))


def _secret(value: str, file: str) -> str:
    if value or not file:
        return value
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"secret file {file}: {error}") from None
