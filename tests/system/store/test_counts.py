"""Hours that are closed in InfluxDB: what is counted is what a look at every weld would count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from services.store import closing, schema
from services.store.influx.counts import HourCounter, counted
from services.store.influx.store import InfluxStore
from services.store.protocol import Commit, Filters, StoreError
from services.store.spans import FIRST, Span
from tests.influxd import Influxd
from tests.running import wait_until
from tests.unit.store.rows import SECOND, weld, welds
from tests.unit.store.rows import counted as plainly
from tests.unit.store.test_counted import CAUSES, DAY, HOUR, START

pytestmark = pytest.mark.system

BUCKETS = (0, 0, 5 * 60 * SECOND, 7 * 60 * SECOND, HOUR, 2 * HOUR, DAY, 7 * DAY)


def a_moment(draw: Random) -> int:
    """Return a time of five days, often at the edge of a unit."""
    second = draw.choice([0, 1, 299, 300, 1799, 3599, draw.randrange(3600)])
    return START + draw.randint(-1, 3) * DAY + draw.randrange(24) * HOUR + second * SECOND


def a_weld(draw: Random, ordinal: int) -> dict[str, Any]:
    """Some keys come again, with another verdict or body; where a spot is stays (its place makes its series)."""
    spot, cause = draw.choice("ABC"), draw.choice(CAUSES)
    place = {"spot": spot, "program": draw.choice("AB"), "line": "A" if spot == "A" else "B", "cell": spot}
    return weld(ordinal, time_ns=a_moment(draw), weld_id=f"W{ordinal}", cause=cause, body=draw.choice("AB"), **place)


def a_question(draw: Random) -> tuple[Filters, tuple[str, ...], int]:
    def edge() -> int | None:
        width = draw.choice([1, HOUR, DAY])
        return draw.choice([None, a_moment(draw) // width * width])

    filters = Filters(
        line=draw.choice(["", "", "", "A"]),
        spot=draw.choice(["", "", "", "A"]),
        cause=draw.choice(["", "", "", "expulsion", "learning"]),
        verdict=draw.choice(["", "", "", "ok", "defect", "no such verdict"]),
        body=draw.choice(["", "", "", "A"]),
        since_ns=edge(),
        until_ns=edge(),
    )
    return filters, tuple(draw.sample(schema.TALLY_GROUPS, draw.randint(0, 2))), draw.choice(BUCKETS)


@pytest.mark.parametrize("seed", range(10))
def test_any_commits_are_counted_as_if_every_weld_were_looked_at(influxd: Influxd, seed: int) -> None:
    draw, settings = Random(seed), influxd.settings()
    store, kept, ordinal = InfluxStore(settings), {}, 0
    for cursor in range(1, 5):
        made = [a_weld(draw, ordinal + k) for k in range(draw.randint(1, 12))]
        ordinal += len(made)
        store.commit(Commit(cursor, welds(made)))
        kept |= {(row["spot"], row["program"], row["time_ns"]): row for row in made}
        check(store, kept, draw)
        if draw.random() < 0.2:
            store.close()
            store = InfluxStore(settings)
        elif draw.random() < 0.7:
            store.close_hours()
            check(store, kept, draw)
    store.close()


def check(store: InfluxStore, kept: dict[Any, dict[str, Any]], draw: Random) -> None:
    for _ in range(6):
        question = a_question(draw)
        assert store.tally(*question).to_pylist() == plainly(list(kept.values()), *question), question


def hourly(days: int) -> list[dict[str, Any]]:
    """Two welds an hour."""
    return [weld(k, time_ns=START + k * HOUR // 2, cause=CAUSES[k % 5]) for k in range(48 * days)]


def test_closed_hours_are_answered_without_the_welds(influxd: Influxd) -> None:
    """Seen by taking the welds away: what was closed is still counted, what was not is gone."""
    settings, made = influxd.settings(), hourly(3)
    store = InfluxStore(settings)
    store.commit(Commit(1, welds(made)))
    assert store.close_hours() == 3
    everything = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z", "predicate": '_measurement="weld"'}
    answer = influxd.api("POST", f"delete?org={settings.org}&bucket={settings.bucket}", everything)
    assert answer.status_code == 204
    closed = [row for row in made if row["time_ns"] < START + 3 * DAY - HOUR]
    for question in ((Filters(), (), 0), (Filters(), ("cause",), DAY), (Filters(), ("spot",), HOUR)):
        assert store.tally(*question).to_pylist() == plainly(closed, *question)
    store.close()


def test_hours_are_closed_beside_the_commits_and_a_reader_elsewhere_sees_it(
    influxd: Influxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "LOOK_S", 0.0)
    settings = influxd.settings()
    store, reader = InfluxStore(settings), InfluxStore(settings)
    store.commit(Commit(1, welds(hourly(2))))
    wait_until(lambda: counted(reader._session)[0] == START + 2 * DAY - HOUR, 20, "the last hour to be closed")
    assert reader.tally(Filters(), ("cause",)).to_pylist() == plainly(hourly(2), Filters(), ("cause",), 0)
    store.close()
    reader.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "closing hours"]


def test_a_late_weld_reopens_its_hour_until_it_is_counted_again(influxd: Influxd) -> None:
    made = hourly(2)
    store = InfluxStore(influxd.settings())
    store.commit(Commit(1, welds(made)))
    store.close_hours()
    late = weld(900, time_ns=START + 3 * HOUR + 5, cause="expulsion")
    corrected = {**made[12], "verdict": "ok", "cause": ""}  # was the only one of its hour, cell and cause
    store.commit(Commit(2, welds([late, corrected])))
    kept = [*(row for row in made if row is not made[12]), late, corrected]
    hours = sorted({row["time_ns"] // HOUR * HOUR for row in (late, corrected)})
    assert counted(store._session) == (START + 2 * DAY - HOUR, hours)
    for _ in range(2):
        for question in ((Filters(), ("cause",), 0), (Filters(), ("cell", "cause"), HOUR), (Filters(), (), DAY)):
            assert store.tally(*question).to_pylist() == plainly(kept, *question)
        store.close_hours()
        assert counted(store._session) == (START + 2 * DAY - HOUR, [])
    store.close()


def test_a_commit_amid_counting_undoes_it(influxd: Influxd, monkeypatch: pytest.MonkeyPatch) -> None:
    made, late = hourly(1), weld(900, time_ns=START + 5, cause="expulsion")
    store = InfluxStore(influxd.settings())
    store.commit(Commit(1, welds(made)))
    count = HourCounter.count

    def interrupted(self: HourCounter, hours: Span, days: Span) -> Iterator[None]:
        yield from count(self, hours, days)
        store.commit(Commit(2, welds([late])))

    with monkeypatch.context() as patch:
        patch.setattr(HourCounter, "count", interrupted)
        assert store.close_hours() == 0
    assert counted(store._session) == (FIRST, [])
    for _ in range(2):
        assert store.tally(Filters(), ("cause",)).to_pylist() == plainly([*made, late], Filters(), ("cause",), 0)
        store.close_hours()
    store.close()


def test_counting_that_was_cut_off_leaves_nothing_wrong(influxd: Influxd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer ends between the counts and the word that they count; then a weld is corrected."""
    settings, made = influxd.settings(), hourly(1)
    store = InfluxStore(settings)
    store.commit(Commit(1, welds(made)))
    with monkeypatch.context() as patch:
        patch.setattr(HourCounter, "end", lambda *_: (_ for _ in ()).throw(StoreError("cut off")))
        with pytest.raises(StoreError, match="cut off"):
            store.close_hours()
    store.close()
    store = InfluxStore(settings)
    corrected = {**made[2], "verdict": "ok", "cause": ""}
    store.commit(Commit(2, welds([corrected])))
    kept = [*(row for row in made if row is not made[2]), corrected]
    for _ in range(2):
        for question in ((Filters(), ("cause",), 0), (Filters(), ("cell", "cause"), HOUR)):
            assert store.tally(*question).to_pylist() == plainly(kept, *question)
        store.close_hours()
    store.close()
