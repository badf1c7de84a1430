"""What must hold for any bytes at all, decoder by decoder: raises nothing but what is documented, and says why.

Each function takes bytes, raises `AssertionError` when the decoder does what it must not, and lets any exception that
is not a documented reject escape: both are findings.
"""

from __future__ import annotations

import io
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from edge.plant import EMPTY, load_plant
from edge.settings import SettingsError
from edge.sources import Decoded, Limits, Message, decode
from edge.sources.envelope import count_items
from edge.sources.fields import MAX_NAME
from models.welds.judge import JudgeSettings
from services.api.cursors import decode_cursor
from services.api.inspections import read_items
from services.api.problems import ProblemError
from services.api.query import TrendQuery
from services.backtest import BacktestError, judge_table, read_welds
from services.config import Config, load_config
from services.errors import OperatorError
from services.model_files import dump_model, load_model
from services.state import PipelineState, StateError, load_for_reading
from tests.unit.services.labelled import a_model as trained

NOW_NS = 1_772_366_400 * 10**9
"""2026-03-01T12:00:00Z."""
LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=2**20, max_samples=1000)
CELL = "lineside/v1/ulm/body/FR1/C03"
AGV = "uagv/v2/KIT/AGV-7"
AGV_3 = "vda5050/v3/KIT/AGV-7"
SCRATCH = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())

Property = Callable[[bytes], None]


def _must(holds: object, error: Exception) -> None:
    """Demand something of a documented reject."""
    if not holds:
        raise AssertionError(f"{type(error).__name__} does not say enough: {error}") from error


def weld(payload: bytes) -> None:
    """A weld message."""
    check_message(f"{CELL}/weld", payload)


def event(payload: bytes) -> None:
    """An event message."""
    check_message(f"{CELL}/event", payload)


def vehicle(payload: bytes) -> None:
    """A message of a vehicle, on each topic that is read."""
    for name in (f"{AGV}/state", f"{AGV_3}/visualization", f"{AGV}/connection"):
        check_message(name, payload)


def topic(payload: bytes) -> None:
    """Any topic, with a payload that is good on one of them."""
    name = payload.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    for text in (name, f"lineside/v1/{name}", f"{CELL}/{name}", f"uagv/v2/{name}"):
        check_message(text, b'{"id":"w"}')


def check_message(topic: str, payload: bytes) -> Decoded:
    """Decode one message: every item is accounted for, each reject says why, and what is taken can be stored."""
    items = count_items(payload)
    decoded = decode([Message(1, topic, payload, NOW_NS, items)], LIMITS)
    ignored = sum(count for _, count in decoded.ignored)
    taken = len(decoded.welds) + len(decoded.events) + len(decoded.agvs)
    assert taken + len(decoded.rejects) + ignored == items >= 1
    for placed in decoded.rejects:
        reject = placed.reject
        assert reject.path == "topic" or reject.path.startswith("$"), reject
        assert reject.came, reject
        assert reject.expected, reject
        assert len(reject.path) < 1000, reject
        assert len(reject.came) <= 160, reject
        (reject.path + reject.came + reject.expected + placed.topic + placed.source).encode()
    _check_taken(decoded)
    return decoded


def _check_taken(decoded: Decoded) -> None:
    welds = decoded.welds
    for names in (welds.id, welds.spot, welds.gun, welds.body, welds.program):
        for name in names:
            assert len(name.encode().decode()) <= MAX_NAME
            assert not any(ord(sign) < 0x20 for sign in name)
    assert (welds.samples >= 1).all()
    assert (welds.samples <= LIMITS.max_samples).all()
    assert (welds.dt_us > 0).all()
    assert len(welds.voltage_v) == len(welds.current_ka) == welds.offsets[-1]
    for placed in decoded.events:
        assert len(msgspec.json.encode(placed.details)) < 8000
        f"{placed.id}{placed.gun}{placed.spot}{placed.program}{placed.by}{placed.note}".encode()
    for agv in decoded.agvs:
        update = agv.update
        assert len(update.errors or ()) <= 100
        assert len(msgspec.json.encode(update)) < 2**16


def inspections(payload: bytes) -> None:
    """The body of a request that says what inspections found, as CSV and as JSON."""
    for is_csv in (True, False):
        try:
            items = read_items(payload, is_csv=is_csv, limits=LIMITS, now_ns=NOW_NS)
        except ProblemError as error:
            _must(error.problem.status == 400, error)
            _must(error.problem.detail, error)
            error.response()
            continue
        assert 1 <= len(items) <= 1000
        for item in items:
            assert (item.error is None) == bool(item.event)
            item.weld.encode()
            if item.error is not None:
                item.error.problem.model_dump_json()


def cursor(payload: bytes) -> None:
    """The cursor of a list."""
    text = payload.decode("latin-1")
    kinds: tuple[tuple[str, Any], ...] = (("welds", tuple[int, int]), ("bodies", tuple[int, str]))
    for kind, to in kinds:
        try:
            found = decode_cursor(kind, text, to)
        except ProblemError as error:
            _must(error.problem.status == 400, error)
            _must(error.problem.field == "cursor", error)
        else:
            assert found is not None
            assert all(-(2**63) <= part < 2**63 for part in found if isinstance(part, int))


def query(payload: bytes) -> None:
    """The parameters of a list."""
    text = payload.decode("utf-8", "replace")
    for name in TrendQuery.model_fields:
        try:
            asked = TrendQuery.model_validate({name: text})
            asked.filters(NOW_NS)
        except ValidationError as error:
            _must(error.errors()[0]["msg"], error)
        except ProblemError as error:
            _must(error.problem.status == 400, error)


def settings(payload: bytes) -> None:
    """`lineside.toml`, and `plant.toml` with its spots."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder, "lineside.toml")
        path.write_bytes(payload)
        for read in (lambda path: load_config(path, {}), load_plant):
            try:
                read(path)
            except SettingsError as error:
                _must(folder in str(error), error)


def spots(payload: bytes) -> None:
    """`spots.csv` beside a sound `plant.toml`."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        Path(folder, "plant.toml").write_text(PLANT, encoding="utf-8")
        Path(folder, "spots.csv").write_bytes(payload)
        try:
            load_plant(Path(folder, "plant.toml"))
        except SettingsError as error:
            _must(str(error), error)


PLANT = """\
site = "ulm"
area = "body"
name = "Test"
spots = "spots.csv"
[[lines]]
id = "FR1"
[[lines.cells]]
id = "C03"
guns = ["g1", "g2"]
"""
tomllib.loads(PLANT)


def parquet(payload: bytes) -> None:
    """A Parquet file for `lineside backtest`."""
    _file(payload, ".parquet", _backtest, BacktestError)


def _backtest(path: Path) -> None:
    table = read_welds(path)
    if len(table) and table.nbytes < 2**20:
        judge_table(table.slice(0, 100), JudgeSettings(learn_n=8))


def model(payload: bytes) -> None:
    """A model file."""
    _file(payload, ".skops", load_model, OperatorError)


def snapshot(payload: bytes) -> None:
    """The pipeline's snapshot, which a disk may have damaged."""
    _file(payload, ".npz", load_for_reading, StateError)


def _file(payload: bytes, suffix: str, read: Callable[[Path], object], refused: type[Exception]) -> None:
    with tempfile.NamedTemporaryFile(dir=SCRATCH, suffix=suffix) as file:
        file.write(payload)
        file.flush()
        try:
            read(Path(file.name))
        except refused as error:
            _must(file.name in str(error), error)


def recorded(**changes: Any) -> pa.Table:
    """Return three recorded welds as `lineside backtest` reads them; a change to None leaves the column out."""
    curve = pa.array([[8.0, 9.0, 8.5]] * 3, pa.list_(pa.float32()))
    columns = {
        "weld_id": ["a", "b", "c"],
        "spot": ["s"] * 3,
        "program": ["p"] * 3,
        "time_ns": [1, 2, 3],
        "dt_us": [1000] * 3,
        "current_ka": curve,
        "voltage_v": curve,
        **changes,
    }
    return pa.table({name: column for name, column in columns.items() if column is not None})


def a_parquet() -> bytes:
    """Return a small file for `lineside backtest`."""
    out = io.BytesIO()
    pq.write_table(recorded(), out, compression="zstd")
    return out.getvalue()


def a_model() -> bytes:
    """Return a trained model's file."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder, "m.skops")
        dump_model(trained("welds-1"), path)
        return path.read_bytes()


def a_snapshot() -> bytes:
    """Return the snapshot of a pipeline that has seen nothing."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder, "state.npz")
        PipelineState.new(Config(), EMPTY).save(path)
        return path.read_bytes()
