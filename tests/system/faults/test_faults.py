"""The short round of CI: a running plant is harmed, and its results equal those of an undisturbed run, bit for bit.

`make faults` is the long one. A round that fails tells its order: seed, faults, messages and source time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from tests.influxd import find_influxd
from tests.system.conftest import need
from tests.system.faults.__main__ import order_in
from tests.system.faults.kinds import FAULTS, faults_of
from tests.system.faults.load import HOUR_NS, make_load
from tests.system.faults.outcome import KEYS, Tables, differences
from tests.system.faults.plant import Backend
from tests.system.faults.rounds import Order, Report, can_mount, moments, run_round
from tests.system.mosquitto import find_mosquitto

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROUNDS: dict[Backend, tuple[str, ...]] = {
    "influxdb": (
        "kill collector",
        "clock steps",
        "kill influxd",
        "broker unreachable",
        "kill pipeline",
        "kill broker",
        "store away until the journal is full",
        "store unreachable, then slow",
        "kill api",
        "disk full",
        "journal bit-flipped",
    ),
    "duckdb": ("kill server", "journal truncated", "kill group"),
}


@pytest.mark.parametrize("backend", ["influxdb", "duckdb"])
def test_after_a_round_of_faults_nothing_differs(backend: Backend, tmp_path: Path) -> None:
    need(find_mosquitto(), "mosquitto")
    need(backend == "duckdb" or find_influxd(), "influxd")
    faults = tuple(name for name in ROUNDS[backend] if name != "disk full" or can_mount())
    start_ns = (time.time_ns() // HOUR_NS - 8) * HOUR_NS
    order = Order(7, backend, faults, 300 * len(faults), start_ns, per_s=140)
    report = run_round(order, tmp_path / "round")
    assert report.good, report
    assert [name for name, _ in report.done] == list(faults)
    assert report.looks > 10
    assert report.account["duplicate"] > 0
    assert report.account["rejected"] > 0


def test_a_round_can_be_had_again() -> None:
    order = Order(3, "duckdb", ("kill server",) * 4, 1000, 1_790_000_000 * 10**9)
    assert moments(order) == moments(order)
    assert moments(order) == sorted(moments(order))
    one, two = (make_load(order.seed, 300, order.start_ns) for _ in range(2))
    assert one == two
    assert one != make_load(order.seed + 1, 300, order.start_ns)
    assert len({sent.payload for sent in one}) < len(one)  # some come twice
    written = json.loads(json.dumps(msgspec.to_builtins(Report(order).plain())))
    assert order_in([written], order.seed) == [order]
    assert order_in([written], order.seed + 1) == []


def test_every_fault_of_a_round_exists() -> None:
    for backend, names in ROUNDS.items():
        assert set(names) <= set(faults_of(backend, own_disk=True))
    assert {*faults_of("duckdb", own_disk=True), *faults_of("influxdb", own_disk=True)} == set(FAULTS)


def tables(change: Callable[[dict[str, pa.Table]], object] = lambda _: None) -> Tables:
    rows = {name: pa.table({key: ["a", "b"] for key in keys}) for name, keys in KEYS.items()}
    rows["weld"] = rows["weld"].append_column("score", pa.array([1.5, None], pa.float32()))
    change(rows)
    return rows


def put_score(rows: dict[str, pa.Table], scores: list[float | None]) -> None:
    rows["weld"] = rows["weld"].drop_columns(["score"]).append_column("score", pa.array(scores, pa.float32()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: put_score(rows, [1.5000001, None]), "weld.score: 1 rows differ"),
        (lambda rows: put_score(rows, [1.5, 0.0]), "weld.score: 1 rows differ"),
        (lambda rows: rows.update(body=rows["body"].slice(1)), "body: 1 rows, expected 2; 1 missing"),
        (lambda rows: rows.update(event=pa.concat_tables([rows["event"]] * 2)), "event: 4 rows, expected 2"),
    ],
)
def test_a_difference_of_one_bit_or_row_is_seen(change: Callable[[dict[str, pa.Table]], object], says: str) -> None:
    assert differences(tables(), tables()) == []
    (told,) = differences(tables(), tables(change))
    assert says in told
