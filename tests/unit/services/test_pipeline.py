"""The pipeline over a real journal and the real embedded store; only the broker's end is a list."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge.journal import Journal
from edge.plant import EMPTY, Plant
from edge.sources.envelope import count_items
from edge.topics import UNROUTED, TopicError, route
from services.config import Archive, Config, Judge
from services.layout import DataLayout
from services.pipeline import Pipeline
from services.state import StateError
from services.store.duck.store import DuckStore
from services.store.protocol import Commit, Filters, StoreError
from tests.unit.models.welds import making

LOG = logging.getLogger("test")
TOPIC = "lineside/v1/s/a/L1/C1/weld"
EVENTS = "lineside/v1/s/a/L1/C1/event"
T0 = 1_790_000_000 * 10**9
S = 10**9


class Heard:
    """What was published."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, object]] = []

    def publish(self, topic: str, payload: bytes) -> None:
        self.messages.append((topic, json.loads(payload)))

    def verdicts(self) -> list[dict[str, object]]:
        return [item for topic, items in self.messages if topic.endswith("verdict") for item in items]


class Shop:
    """A data folder with a journal, and what it takes to run a pipeline over it."""

    def __init__(self, data: Path, plant: Plant = EMPTY) -> None:
        self.plant = plant
        self.config = Config(data_dir=str(data), judge=Judge(learn_n=8), archive=Archive(good_share=0.5))
        self.layout = DataLayout(data)
        self.heard = Heard()
        self.journal = Journal.open(self.layout.journal, 2**28, 2**20)

    def send(self, topic: str, payload: bytes, received_ns: int = T0 + 3600 * S) -> None:
        try:
            source = route(topic).source
        except TopicError:
            source = UNROUTED
        self.journal.append([(topic, payload, received_ns, source, count_items(payload))])

    def run(self, until: Callable[[DuckStore], bool] | None = None, store: DuckStore | None = None) -> None:
        """Run a pipeline until everything is committed and accounted for, or `until`; then stop it as SIGTERM would."""
        own = store or DuckStore(self.layout.store)
        pipeline = Pipeline(self.config, self.plant, own, self.heard, LOG)
        stop = threading.Event()
        failure: list[BaseException] = []

        def work() -> None:
            try:
                pipeline.run(stop)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall see it
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        limit = time.monotonic() + 30
        while not failure and not (until or self._done)(own) and time.monotonic() < limit:
            time.sleep(0.02)
        stop.set()
        thread.join()
        own.close()
        if failure:
            raise failure[0]

    def _done(self, store: DuckStore) -> bool:
        at_ns, account = store.sources()
        pending = sum(account["pending"].to_pylist())
        received = sum(account["received"].to_pylist())
        return bool(at_ns) and store.cursor() == self.journal.last_seq and pending == 0 and received > 0

    def ask(self, question: Callable[[DuckStore], pa.Table]) -> list[dict[str, object]]:
        store = DuckStore(self.layout.store)
        try:
            return question(store).to_pylist()
        finally:
            store.close()

    def account(self) -> dict[str, int]:
        rows = self.ask(lambda store: store.sources()[1])
        for row in rows:
            assert row["received"] == row["stored"] + row["rejected"] + row["duplicate"] + row["pending"], row
        names = ("received", "stored", "rejected", "duplicate", "pending")
        return {name: sum(row[name] for row in rows) for name in names}

    def welds(self) -> list[dict[str, object]]:
        rows = self.ask(lambda store: store.welds(Filters(), 1000))
        return sorted(rows, key=lambda row: row["ordinal"])


@pytest.fixture
def shop(tmp_path: Path):
    made = Shop(tmp_path)
    yield made
    made.journal.close()


RNG = np.random.default_rng(3)


def weld(k: int, fault: str = "", rng: np.random.Generator = RNG, **changes: object) -> dict[str, object]:
    made = making.curve(rng, fault=fault, samples=150)
    message = {
        "id": f"w{k}",
        "spot": f"S{k % 2}",
        "gun": "G1",
        "body": f"B{k // 2}",
        "program": "7",
        "time": T0 + k * S,
        "dt_us": made.dt_us,
        "current_ka": made.current,
        "voltage_v": made.voltage,
        "force_kn": made.force,
    }
    return {**message, **changes}


def dump(*welds: dict[str, object]) -> bytes:
    return json.dumps(list(welds) if len(welds) > 1 else welds[0]).encode()


NEXT = 60
BAD = {
    "empty": (b"", "rejected"),
    "huge": (b"[" + b" " * 10_000_000 + b"]", "rejected"),
    "broken json": (b'{"id": "x", ', "rejected"),
    "nan": (dump(weld(50)).replace(b'"dt_us": 2000', b'"dt_us": NaN'), "rejected"),
    "infinity": (dump(weld(50, voltage_v=[1.0, float("inf")], current_ka=[1.0, 1.0])), "rejected"),
    "wrong types": (dump(weld(50, current_ka="high")), "rejected"),
    "lengths differ": (dump(weld(50, current_ka=[1.0, 2.0])), "rejected"),
    "zero dt": (dump(weld(50, dt_us=0)), "rejected"),
    "negative dt": (dump(weld(50, dt_us=-5)), "rejected"),
    "1970": (dump(weld(50, time="1970-01-01T00:00:00Z")), "rejected"),
    "next year": (dump(weld(50, time=T0 + 400 * 86400 * S)), "rejected"),
    "duplicate id": (dump(weld(3)), "duplicate"),
    "same moment": (dump(weld(3, id="other")), "rejected"),
    "no current": (dump(weld(50, fault="no_current")), "stored"),
    "gap": (dump(weld(50, fault="dead_voltage")), "stored"),
    "unknown spot": (dump(weld(50, spot="never seen")), "stored"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_accounted_for_and_the_next_weld_is_judged_as_if_nothing_had_happened(
    shop: Shop, name: str
) -> None:
    payload, fate = BAD[name]
    for k in range(40):
        shop.send(TOPIC, dump(weld(k)))
    shop.send(TOPIC, payload)
    shop.send(TOPIC, dump(weld(NEXT)))
    shop.run()
    account = shop.account()
    assert account == {"received": 42, "stored": 41, "rejected": 0, "duplicate": 0, "pending": 0} | {
        "stored": 41 + (fate == "stored"),
        fate: 41 + 1 if fate == "stored" else 1,
    }
    last = shop.welds()[-1]
    assert (last["weld_id"], last["verdict"]) == (f"w{NEXT}", "ok")
    if fate == "rejected":
        [reject] = shop.ask(lambda store: store.rejects("", 10))
        assert reject["came"]
        assert reject["expected"]
        kept = (shop.layout.rejects / f"{reject['seq']:015d}.bin").read_bytes()
        assert kept == payload


def test_a_stopped_plant_leaves_the_account_of_its_last_message(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.pipeline.ACCOUNT_S", 3600.0)
    shop.send(TOPIC, dump(weld(1)))
    sent: list[int] = []

    def has_second(store: DuckStore) -> bool:
        """The first commit had the only account of the hour, and nothing is new in the second."""
        if store.cursor() == 1 and not sent:
            sent.append(1)
            shop.send(TOPIC, dump(weld(3, body="B0")))
        return store.cursor() == 2

    shop.run(has_second)
    assert shop.account() == {"received": 2, "stored": 2, "rejected": 0, "duplicate": 0, "pending": 0}


@pytest.mark.parametrize(
    "topic", ["lineside/v1/s/a/L1/weld", "lineside/v1/s/a/L1/C1/welds", "lineside/v1//a/L1/C1/weld"]
)
def test_a_topic_of_the_wrong_shape_is_a_reject_with_its_reason(shop: Shop, topic: str) -> None:
    shop.send(topic, dump(weld(1), weld(2)))
    shop.run()
    assert shop.account()["rejected"] == 2
    rejects = shop.ask(lambda store: store.rejects(UNROUTED, 10))
    assert {(row["path"], row["topic"]) for row in rejects} == {("topic", topic)}


def test_one_bad_item_does_not_take_its_neighbours_down(shop: Shop) -> None:
    shop.send(TOPIC, dump(weld(1), weld(2, dt_us=0), weld(3)))
    shop.run()
    assert shop.account() == {"received": 3, "stored": 2, "rejected": 1, "duplicate": 0, "pending": 0}
    [reject] = shop.ask(lambda store: store.rejects("", 10))
    assert (reject["item"], reject["path"], reject["came"]) == (1, "$.dt_us", "0")


def test_new_spots_are_shown_as_new_and_the_body_is_kept(shop: Shop) -> None:
    shop.send(TOPIC, dump(weld(1)))
    shop.run()
    [row] = shop.welds()
    assert (row["new_spot"], row["line"], row["cell"], row["body"]) == (True, "L1", "C1", "B0")
    assert [r["body"] for r in shop.ask(lambda store: store.bodies(Filters(), 10))] == ["B0"]


def test_verdicts_are_published_live_and_neither_late_nor_historical_ones(shop: Shop) -> None:
    for k in range(30):
        shop.send(TOPIC, dump(weld(k)))
    shop.send(TOPIC, dump(weld(60, fault="expulsion")))
    shop.send(TOPIC, dump(weld(40)))  # older than what its stream has judged
    shop.send(TOPIC, dump(weld(62, historical=True)))
    shop.run()
    heard = shop.heard.verdicts()
    assert [item["id"] for item in heard] == [*(f"w{k}" for k in range(30)), "w60"]
    assert (heard[-1]["verdict"], heard[-1]["cause"]) == ("defect", "expulsion")
    assert "largest step down of R" in heard[-1]["sentence"]
    assert {row["weld_id"]: row["late"] for row in shop.welds()[-2:]} == {"w40": True, "w62": True}
    status = [message for topic, message in shop.heard.messages if topic.endswith("_/_/_/status")]
    assert status[-1]["pending"] == 0


def test_what_the_pipeline_finds_is_kept_as_an_event_and_told_live_unless_it_is_history(tmp_path: Path) -> None:
    for historical in (False, True):
        shop = Shop(tmp_path / str(historical))
        for k in range(110):
            wear = k % 12 if k < 72 else k - 72
            shop.send(TOPIC, dump(weld(k, wear_count=wear, historical=historical)))
        shop.run()
        shop.journal.close()
        [row] = shop.ask(lambda store: store.events(Filters(kind="wear_warning", gun="G1"), 10))
        source = next(one for one in shop.welds() if one["time_ns"] == row["time_ns"])
        assert row["event_id"] == f"wear_warning-G1-{source['ordinal']}"
        assert (row["site"], row["cell"], row["by"]) == ("s", "C1", "lineside")
        assert row["received_ns"] == source["received_ns"]
        details = json.loads(str(row["details"]))
        assert details == {"limit": "routine", "wear": source["wear_count"] + 1}
        told = [message for _, message in shop.heard.messages if isinstance(message, dict) and "items" in message]
        assert {message["kind"] for message in told} == (set() if historical else {"signals"})
        items = [item for message in told for item in message["items"] if item["kind"] == "wear_warning"]
        assert len(items) == (0 if historical else 1)
        for item in items:
            assert (item["id"], item["note"], item["details"]) == (row["event_id"], row["note"], details)


def test_events_take_effect_in_order_and_only_once(shop: Shop) -> None:
    for k in range(20):
        shop.send(TOPIC, dump(weld(k)))
    change = json.dumps({"id": "e1", "kind": "program_change", "program": "7", "time": T0 + 20 * S}).encode()
    shop.send(EVENTS, change)
    for k in range(20, 40):
        shop.send(TOPIC, dump(weld(k)))
    shop.send(EVENTS, change)
    for k in range(40, 44):
        shop.send(TOPIC, dump(weld(k)))
    shop.run()
    verdicts = [row["verdict"] for row in shop.welds()]
    assert verdicts == ["unjudged"] * 16 + ["ok"] * 4 + ["unjudged"] * 16 + ["ok"] * 8
    assert shop.account()["duplicate"] == 1
    assert [row["kind"] for row in shop.ask(lambda store: store.events(Filters(), 10))] == ["program_change"]


def feed(shop: Shop, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for k in range(120):
        wear = k % 12 if k < 72 else k - 72  # dressed every 12 welds, and then no longer: a signal
        payload = dump(weld(k, "expulsion" if k % 17 == 16 else "", rng, wear_count=wear))
        shop.send(TOPIC, b"{" if k % 29 == 28 else payload)
        if k % 23 == 0:
            shop.send(TOPIC, payload)  # a second delivery


def tables(shop: Shop) -> dict[str, list[dict[str, object]]]:
    account = [
        {name: row[name] for name in ("source", "received", "stored", "rejected", "duplicate", "pending")}
        for row in shop.ask(lambda store: store.sources()[1])
    ]
    return {
        "welds": shop.welds(),
        "bodies": shop.ask(lambda store: store.bodies(Filters(), 1000)),
        "spots": shop.ask(lambda store: store.spots(Filters())),
        "rejects": shop.ask(lambda store: store.rejects("", 1000)),
        "signals": shop.ask(lambda store: store.events(Filters(), 1000)),
        "account": account,
        "curves": [
            row for path in sorted(shop.layout.curves.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
        ],
    }


class Crash(BaseException):
    """Stands for kill -9: nothing that follows it runs."""


class CrashingStore(DuckStore):
    """Dies before or after its n-th commit."""

    def __init__(self, path: Path, after: int, *, committed: bool) -> None:
        super().__init__(path)
        self._left, self._committed = after, committed

    def commit(self, commit: Commit) -> None:
        self._left -= 1
        if self._left <= 0:
            if self._committed:
                super().commit(commit)
            raise Crash
        super().commit(commit)


@pytest.mark.parametrize("seed", [1, 2])
def test_after_crashes_anywhere_the_tables_equal_those_of_an_undisturbed_run(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, crashing = Shop(tmp_path / "a"), Shop(tmp_path / "b")
    for shop in (undisturbed, crashing):
        feed(shop, seed)
    undisturbed.run()
    rng = np.random.default_rng(seed)
    crashes = 0
    for _ in range(14):
        monkeypatch.setattr("services.pipeline.MAX_MESSAGES", int(rng.integers(3, 20)))
        monkeypatch.setattr("services.pipeline.SNAPSHOT_S", float(rng.choice([0.0, 60.0])))
        store = CrashingStore(crashing.layout.store, int(rng.integers(1, 6)), committed=bool(rng.integers(2)))
        try:
            crashing.run(store=store)
        except Crash:
            crashes += 1
    assert crashes >= 3
    crashing.run()
    assert tables(crashing) == tables(undisturbed)
    assert len(tables(undisturbed)["welds"]) == 117
    assert {"wear_warning", "defect_burst"} <= {row["kind"] for row in tables(undisturbed)["signals"]}
    for shop in (undisturbed, crashing):
        shop.journal.close()


class FailingStore(DuckStore):
    """A store that is away for its first commits."""

    left = 3

    def commit(self, commit: Commit) -> None:
        if self.left:
            self.left -= 1
            raise StoreError("connection refused")
        super().commit(commit)


def test_a_store_that_is_away_loses_nothing(shop: Shop) -> None:
    feed(shop, 5)
    shop.run(store=FailingStore(shop.layout.store))
    assert shop.account()["pending"] == 0
    assert len(shop.welds()) == 117


def test_told_to_stop_while_the_store_is_away_it_saves_nothing_that_the_store_lacks(shop: Shop) -> None:
    feed(shop, 6)
    store = FailingStore(shop.layout.store)
    store.left = 10**6
    shop.run(until=lambda _: store.left < 10**6 - 1, store=store)
    assert not shop.layout.state.exists()
    shop.run()
    assert len(shop.welds()) == 117


def test_the_journal_may_be_trimmed_up_to_the_snapshot(shop: Shop) -> None:
    feed(shop, 7)
    shop.run()
    upto = int(shop.layout.cursor.read_text())
    assert upto == shop.journal.last_seq
    while shop.journal.trim(upto):
        pass
    shop.send(TOPIC, dump(weld(200)))
    shop.run()
    assert shop.welds()[-1]["verdict"] == "ok"
    assert shop.account()["pending"] == 0


def test_a_lost_snapshot_is_said_and_nothing_is_guessed(shop: Shop) -> None:
    feed(shop, 8)
    shop.run()
    while shop.journal.trim(shop.journal.last_seq):
        pass
    shop.layout.state.unlink()
    with pytest.raises(StateError, match="Bring the snapshot back"):
        shop.run()


def test_another_journal_is_refused(shop: Shop, tmp_path: Path) -> None:
    feed(shop, 9)
    shop.run()
    other = Shop(tmp_path / "other")
    other.send(TOPIC, dump(weld(1)))
    other.journal.close()
    shop.journal.close()
    for path in shop.layout.root.glob("journal.sqlite*"):
        path.unlink()
    for path in other.layout.root.glob("journal.sqlite*"):
        path.rename(shop.layout.root / path.name)
    shop.journal = Journal.open(shop.layout.journal, 2**28, 2**20)
    with pytest.raises(StateError, match="not the journal"):
        shop.run()
