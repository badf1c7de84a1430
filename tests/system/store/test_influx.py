"""What only the InfluxDB store promises, against a real server that is killed and misused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from services.config import StoreSettings
from services.store import open_store, schema
from services.store.counting import DAY_NS
from services.store.influx.points import LAYOUT, MEASUREMENTS, STATES_NS
from services.store.influx.session import Session
from services.store.influx.store import InfluxStore
from services.store.protocol import Commit, Filters, StoreError
from tests.influxd import Influxd
from tests.unit.store.rows import SECOND, T0, body, filled, source, table, weld, welds

pytestmark = pytest.mark.system

RELEASED = Path(__file__).resolve().parents[2] / "data" / "released"
EVERYTHING = "points() |> range(start: 1970-01-01T00:00:00Z, stop: 2250-01-01T00:00:00Z)"


@pytest.fixture
def own_influxd(influxd: Influxd, tmp_path: Path) -> Iterator[Influxd]:
    """A server of the test's own, to be killed. (`influxd` is asked for because it skips where there is none.)"""
    server = Influxd(tmp_path / "influxd")
    server.start()
    yield server
    server.kill()


def bit(number: int) -> Commit:
    made = welds([weld(10 * number + k, spot=f"SP{k}") for k in range(10)])
    states = made.select(schema.SPOT_STATE.names)
    account = table([source("weld", 10 * number)], schema.SOURCE)
    return Commit(cursor=number, welds=made, spots=states, sources=account, sources_at_ns=T0 + number * SECOND)


def test_a_commit_succeeds_when_tried_again_after_the_server_was_killed(own_influxd: Influxd) -> None:
    store = open_store(own_influxd.settings("first"), Path())
    store.commit(bit(1))
    own_influxd.kill()
    with pytest.raises(StoreError, match=f"InfluxDB at {own_influxd.url}"):
        store.commit(bit(2))
    with pytest.raises(StoreError, match=f"InfluxDB at {own_influxd.url}"):
        store.welds(Filters(), 1)
    own_influxd.start()
    assert store.cursor() == 1
    store.commit(bit(2))
    assert store.cursor() == 2
    assert store.welds(Filters(), 100).to_pylist() == [weld(k, spot=f"SP{k % 10}") for k in range(29, 9, -1)]
    store.close()


def test_the_cursor_never_claims_what_could_not_be_written(influxd: Influxd) -> None:
    settings = influxd.settings()
    store = InfluxStore(settings)
    store.commit(bit(1))
    session = Session(settings)
    session.write([f'event,site=x note=1i,row="[]" {T0}'])  # of another type than we write
    event = table([filled(schema.EVENT, 1, time_ns=T0)], schema.EVENT)
    with pytest.raises(StoreError, match=r"field type conflict: input field \"note\" on measurement \"event\""):
        store.commit(Commit(cursor=2, events=event, welds=welds([weld(99)])))
    assert store.cursor() == 1
    session.close()
    store.close()


def test_a_missing_bucket_is_made_without_an_end_to_its_retention(influxd: Influxd) -> None:
    settings = influxd.settings()
    store = InfluxStore(settings)
    store.commit(bit(1))
    [bucket] = influxd.api("GET", f"buckets?name={settings.bucket}").json()["buckets"]
    assert [rule["everySeconds"] for rule in bucket["retentionRules"]] == [0]
    store.close()


def test_a_token_that_may_not_make_the_bucket_is_told_so(influxd: Influxd) -> None:
    bucket_id = influxd.api("GET", "buckets?name=first").json()["buckets"][0]["id"]
    org_id = influxd.org_id()
    rights = [
        {"action": action, "resource": {"type": "buckets", "id": bucket_id, "orgID": org_id}}
        for action in ("read", "write")
    ]
    made = influxd.api("POST", "authorizations", {"orgID": org_id, "permissions": rights})
    settings = influxd.settings("first")
    limited = msgspec.structs.replace(settings, token=made.json()["token"])
    store = InfluxStore(limited)
    store.commit(bit(1))  # into the bucket that it may write to
    assert store.cursor() == 1
    store.close()
    store = InfluxStore(msgspec.structs.replace(limited, bucket="another"))
    with pytest.raises(StoreError, match="organisation 'lineside' has no bucket 'another' that this token may see"):
        store.commit(bit(1))
    store.close()


def test_a_wrong_token_is_told_so_and_not_shown(influxd: Influxd) -> None:
    store = InfluxStore(msgspec.structs.replace(influxd.settings(), token="a-secret"))
    with pytest.raises(StoreError, match="answered 401: unauthorized") as caught:
        store.cursor()
    assert "a-secret" not in str(caught.value)
    store.close()


def test_no_token_is_an_error_before_anything_is_asked() -> None:
    with pytest.raises(StoreError, match="LINESIDE_STORE_TOKEN"):
        open_store(StoreSettings(backend="influxdb"), Path())


def test_a_bucket_with_retention_drops_old_welds_and_keeps_states_and_cursor(influxd: Influxd) -> None:
    """A weld older than the retention must not hold the line up for ever."""
    settings = influxd.settings()
    retention = {"type": "expire", "everySeconds": 86_400}
    made = influxd.api(
        "POST", "buckets", {"orgID": influxd.org_id(), "name": settings.bucket, "retentionRules": [retention]}
    )
    assert made.status_code == 201
    now = time.time_ns()
    store = InfluxStore(settings)
    old, new = weld(1, time_ns=now - 3 * 86_400 * SECOND), weld(2, time_ns=now)
    store.commit(
        Commit(cursor=7, welds=welds([old, new]), spots=welds([new]).select(schema.SPOT_STATE.names))
    )  # fmt: skip
    assert store.welds(Filters(), 10).to_pylist() == [new]
    assert store.cursor() == 7
    assert len(store.spots(Filters())) == 1
    store.close()


def test_latest_states_do_not_pile_up(influxd: Influxd) -> None:
    settings = influxd.settings()
    store = InfluxStore(settings)
    for number in range(1, 6):
        agvs = table([filled(schema.AGV, number, agv="maker/1")], schema.AGV)
        bodies = table([body(f"B{number}-{k}", T0 + k) for k in range(100)], schema.BODY)
        store.commit(bit(number))
        store.commit(Commit(cursor=number, agvs=agvs, bodies=bodies))
    session = Session(settings)
    for measurement, points in (("spot_state", 10), ("agv", 1), ("source", 1), ("progress", 1)):
        field = "cursor" if measurement == "progress" else "row"
        found = session.query(
            f'{EVERYTHING} |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")'
            "|> group() |> count()"
        )
        assert [int(answer["_value"]) for answer in found] == [points], measurement
    session.close()
    store.close()


def test_what_dashboards_can_name_is_what_is_written(influxd: Influxd) -> None:
    """`MEASUREMENTS` against the tags and fields that InfluxDB has seen; no id is a tag, or each car made a series."""
    settings = influxd.settings()
    store = InfluxStore(settings)
    full = {
        field.name: 1.5 for field in [*schema.WELD, *schema.AGV, *schema.SOURCE] if pa.types.is_floating(field.type)
    }

    def one(columns: pa.Schema, **given: object) -> pa.Table:
        row = filled(columns, 1, **{name: full[name] for name in columns.names if name in full}, **given)
        return table([{name: True if value is None else value for name, value in row.items()}], columns)

    store.commit(
        Commit(
            cursor=1,
            welds=one(schema.WELD, time_ns=T0, verdict="defect"),
            bodies=one(schema.BODY, first_ns=T0),
            spots=one(schema.SPOT_STATE, time_ns=T0),
            agvs=one(schema.AGV),
            events=one(schema.EVENT, time_ns=T0),
            rejects=one(schema.REJECT, seq=1, item=0, received_ns=T0),
            sources=one(schema.SOURCE),
            sources_at_ns=T0,
        )
    )
    for cursor, (after_ns, verdict) in enumerate(((1, "ok"), (2, "unjudged"), (3 * DAY_NS, "ok")), 2):
        store.commit(Commit(cursor, one(schema.WELD, time_ns=T0 + after_ns, verdict=verdict)))
    store.close_hours()
    store.commit(Commit(cursor=5, welds=one(schema.WELD, time_ns=T0, verdict="unjudged")))
    session = Session(settings)
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for answer in session.query(f'{EVERYTHING} |> map(fn: (r) => ({{r with _value: ""}}))'):
        tags, fields = seen.setdefault(answer["_measurement"], (set(), set()))
        tags |= {name for name in answer if name and not name.startswith("_") and name not in {"result", "table"}}
        fields.add(answer["_field"])
    assert not {tag for tags, _ in seen.values() for tag in tags} & {"body", "weld_id", "event_id", "seq", "key"}
    assert seen == {name: (set(tags), set(fields)) for name, (tags, fields) in MEASUREMENTS.items()}
    session.close()
    store.close()


def test_a_bucket_of_the_first_release_is_read_and_written_on(influxd: Influxd) -> None:
    settings = influxd.settings()
    session, store = Session(settings), InfluxStore(settings)
    session.ensure_bucket()
    session.write((RELEASED / "influxdb-1.lp").read_text(encoding="utf-8").splitlines())
    assert store.cursor() == 41

    rows = store.welds(Filters(), 10).to_pylist()
    assert [row["weld_id"] for row in rows] == ["first-2", "first-1", "first-0"]
    first = rows[-1]
    assert (first["energy_j"], first["z_energy_j"]) == (pytest.approx(-31.630016), pytest.approx(78.397545))
    assert (first["risk"], first["by_model"], first["lacks"], first["charge_c"]) == (None, False, "", None)
    assert store.weld("first-1").to_pylist() == rows[1:2]
    assert store.welds(Filters(spot="SP0", verdict="defect"), 10).to_pylist() == rows[1:2]
    [event] = store.events(Filters(), 10).to_pylist()
    assert (event["event_id"], event["kind"], event["by"], event["details"]) == ("E1", "cap_change", "", "")

    new = welds([weld(7, time_ns=T0 + 7 * SECOND, spot="SP0", program="P1", charge_c=2.5)])
    store.commit(Commit(cursor=42, welds=new))
    both = store.welds(Filters(spot="SP0"), 10).to_pylist()
    assert (both[0]["charge_c"], both[1:]) == (2.5, rows)
    session.close()
    store.close()


def test_a_bucket_of_a_later_release_is_left_alone(influxd: Influxd) -> None:
    settings = influxd.settings()
    session, store = Session(settings), InfluxStore(settings)
    session.ensure_bucket()
    session.write([f"progress cursor=9i,sources_at_ns=1i,layout={LAYOUT + 1}i {STATES_NS}"])
    for refused in (store.cursor, lambda: store.commit(bit(1))):
        with pytest.raises(StoreError, match=f"has layout {LAYOUT + 1}; this Lineside reads up to {LAYOUT}"):
            refused()
    assert len(session.query(EVERYTHING)) == 3
    session.close()
    store.close()
