from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from edge.plant import EMPTY
from models.welds.features import FEATURES
from models.welds.signal import resistance_uohm
from services.store.duck.store import DuckStore
from services.times import utc
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import AGVS, BODIES, DOOR, EVENTS, NEW, NOW, ODD, PAYLOAD, REJECTS, SOURCES, SPOTS, Shop


def path_of(kind: str, name: str, *, slashes: bool = False) -> str:
    """Return the address of a name, with its slashes encoded or not."""
    return f"/api/v1/{kind}/{quote(name, safe='/' if slashes else '')}"


def about(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-6)


def row_of(shop: Shop, **wanted: Any) -> dict[str, Any]:
    return next(row for row in shop.welds if all(row[k] == v for k, v in wanted.items()))


def test_a_weld_with_its_features_and_sentence(client: Client, shop: Shop) -> None:
    row = row_of(shop, cause="expulsion")
    weld = client.json(path_of("welds", row["weld_id"]))
    same = ("site", "area", "line", "cell", "gun", "spot", "program", "body", "verdict", "cause", "lead", "reference_n")
    assert {name: weld[name] for name in same} == {name: row[name] for name in same}
    assert datetime.fromisoformat(weld["time"]) == utc(row["time_ns"])
    assert datetime.fromisoformat(weld["received"]) == utc(row["received_ns"])
    assert weld["wear_count"] is None
    assert weld["score"] == pytest.approx(row["score"], rel=1e-6)
    assert weld["sentence"].startswith("Molten metal left the joint (expulsion):")
    assert weld["curve_kept"] is True
    assert [feature["name"] for feature in weld["features"]] == list(FEATURES)
    for feature in weld["features"]:
        assert feature["value"] == about(row[feature["name"]])
        assert feature["z"] == about(row[f"z_{feature['name']}"])


def test_an_unjudged_weld_says_why_and_compares_nothing(client: Client, shop: Shop) -> None:
    row = row_of(shop, cause="learning")
    weld = client.json(path_of("welds", row["weld_id"]))
    assert weld["sentence"].startswith("Not judged: the reference is still being learnt")
    assert {feature["z"] for feature in weld["features"]} == {None}
    assert weld["score"] is None


@pytest.mark.parametrize("slashes", [True, False])
@pytest.mark.parametrize("spot", [DOOR, ODD])
def test_names_may_hold_slashes_percent_signs_and_any_script(
    client: Client, shop: Shop, spot: str, slashes: bool
) -> None:
    row = row_of(shop, spot=spot, verdict="defect")
    assert client.json(path_of("welds", row["weld_id"], slashes=slashes))["id"] == row["weld_id"]
    assert client.json(path_of("welds", row["weld_id"], slashes=slashes) + "/curve")["id"] == row["weld_id"]
    assert client.json(path_of("spots", spot, slashes=slashes))["spot"] == spot
    assert client.json(path_of("bodies", row["body"], slashes=slashes))["body"] == row["body"]
    assert client.json("/api/v1/rate", spot=spot)["n"] > 0


def test_the_curve_is_the_weld_that_was_made(client: Client, shop: Shop) -> None:
    row = row_of(shop, verdict="defect", spot=DOOR)
    k = row["ordinal"] - 1
    made = shop.batch.take(k, k + 1)
    curve = client.json(path_of("welds", row["weld_id"]) + "/curve")
    assert curve["dt_us"] == 2000
    for name in ("current_ka", "voltage_v", "force_kn"):
        np.testing.assert_array_equal(np.array(curve[name], dtype=np.float32), getattr(made, name))
    resistance = resistance_uohm(made.current_ka, made.voltage_v)
    assert [x is None for x in curve["resistance_uohm"]] == np.isnan(resistance).tolist()
    assert None in curve["resistance_uohm"]
    flowing = ~np.isnan(resistance)
    np.testing.assert_array_equal(
        np.array(curve["resistance_uohm"], dtype=object)[flowing].astype(np.float32), resistance[flowing]
    )
    assert curve["displacement_mm"] is None


def test_a_weld_without_force_has_none(client: Client, shop: Shop) -> None:
    row = row_of(shop, verdict="defect", spot="S2")
    assert client.json(path_of("welds", row["weld_id"]) + "/curve")["force_kn"] is None


def test_a_curve_that_was_not_kept_says_so(client: Client, shop: Shop) -> None:
    row = next(row for row in shop.welds if row["verdict"] == "ok" and row["ordinal"] % 5)
    assert client.json(path_of("welds", row["weld_id"]))["curve_kept"] is False
    problem = client.problem(path_of("welds", row["weld_id"]) + "/curve", 404)
    assert "archive.good_share" in problem["detail"]


def test_a_known_spot(client: Client, shop: Shop) -> None:
    spot = client.json(path_of("spots", DOOR), limit=7)
    assert spot["known"] is True
    assert (spot["site"], spot["area"], spot["line"], spot["cell"], spot["gun"]) == (
        "wolfsburg",
        "biw",
        "L1",
        "C2",
        "G2",
    )
    assert (spot["x_mm"], spot["y_mm"], spot["z_mm"], spot["stack"]) == (200.0, -20.0, 350.5, "DC04:0.8+DP600:1.2")
    rows = sorted((row for row in shop.welds if row["spot"] == DOOR), key=lambda row: -row["time_ns"])
    assert [weld["id"] for weld in spot["welds"]] == [row["weld_id"] for row in rows[:7]]
    assert [weld["curve_kept"] for weld in spot["welds"]] == [
        row["verdict"] != "ok" or row["ordinal"] % 5 == 0 for row in rows[:7]
    ]
    assert spot["rate"]["n"] == len([row for row in rows if row["verdict"] != "unjudged"])
    (stream,) = spot["streams"]
    reference = shop.evidence.references(DOOR)[0]
    assert (stream["program"], stream["n"], stream["learning"]) == ("7", reference.n, False)
    assert [x["name"] for x in stream["features"]] == list(FEATURES)
    for name, wanted in (("centre", reference.centre), ("sigma", reference.sigma)):
        assert [x[name] for x in stream["features"]] == [about(x) if np.isfinite(x) else None for x in wanted]
    band = stream["band"]
    assert len(band["time_ms"]) == len(band["centre_uohm"]) == len(band["sigma_uohm"]) == len(reference.band_ms)
    assert band["time_ms"][0] == 0.0
    assert band["centre_uohm"] == pytest.approx(reference.band_centre_uohm.tolist(), rel=1e-6)
    assert band["sigma_uohm"] == pytest.approx(reference.band_sigma_uohm.tolist(), rel=1e-6)


def test_a_spot_that_is_only_known_from_the_wire(client: Client) -> None:
    spot = client.json(path_of("spots", NEW))
    assert spot["known"] is False
    assert (spot["line"], spot["cell"], spot["gun"], spot["x_mm"], spot["stack"]) == ("L9", "C9", "G9", None, "")
    assert len(spot["welds"]) == BODIES


def test_a_spot_within_a_window_and_of_a_programme(client: Client, shop: Shop) -> None:
    spot = client.json(path_of("spots", DOOR), since="-5h", program="7")
    since = NOW - 5 * 3600 * 10**9
    assert len(spot["welds"]) == len([r for r in shop.welds if r["spot"] == DOOR and r["time_ns"] >= since])
    other = client.json(path_of("spots", DOOR), program="8")
    assert other["streams"] == other["welds"] == []
    assert other["rate"]["rate"] is None


def test_a_planned_spot_without_welds_is_there(shop: Shop, tmp_path: Any) -> None:
    store = DuckStore(tmp_path / "empty.duckdb")
    spot = client_of(shop, store=store).json(path_of("spots", "S1"))
    assert spot["known"] is True
    assert spot["welds"] == []
    store.close()


def test_the_plant_shows_every_spot_with_its_latest_verdict(client: Client, shop: Shop) -> None:
    plant = client.json("/api/v1/plant")
    assert (plant["site"], plant["area"], plant["name"], plant["timezone"]) == (
        "wolfsburg",
        "biw",
        "Body shop",
        "Asia/Shanghai",
    )
    assert [spot["spot"] for spot in plant["spots"]] == [*SPOTS, NEW]
    for spot in plant["spots"]:
        newest = max((row for row in shop.welds if row["spot"] == spot["spot"]), key=lambda row: row["time_ns"])
        assert (spot["verdict"], spot["cause"], spot["program"]) == (
            newest["verdict"],
            newest["cause"],
            newest["program"],
        )
        assert datetime.fromisoformat(spot["time"]) == utc(newest["time_ns"])
        assert spot["known"] is (spot["spot"] != NEW)
    assert [(line["id"], [cell["id"] for cell in line["cells"]]) for line in plant["lines"]] == [
        ("L1", ["C1", "C2"]),
        ("L2", ["C3"]),
        ("L9", ["C9"]),
    ]
    assert plant["lines"][0]["cells"][0]["floor"] == {"x_m": 0.0, "y_m": 0.0, "width_m": 8.0, "depth_m": 6.0}
    assert plant["lines"][2]["cells"][0] == {"id": "C9", "guns": ["G9"], "floor": None}
    assert plant["shift"] == {
        "name": "late",
        "date": "2026-11-25",
        "start": "2026-11-25T06:00:00Z",
        "end": "2026-11-25T14:00:00Z",
    }


def test_an_empty_plant_shows_what_is_on_the_wire(shop: Shop) -> None:
    plant = client_of(shop, plant=EMPTY).json("/api/v1/plant")
    assert {spot["spot"] for spot in plant["spots"]} == {*SPOTS, NEW}
    assert not any(spot["known"] for spot in plant["spots"])
    assert [line["id"] for line in plant["lines"]] == ["L1", "L2", "L9"]
    assert plant["shift"] is None


def test_bodies_and_what_they_lack(client: Client, shop: Shop) -> None:
    listed = client.json("/api/v1/bodies", limit=1000)["items"]
    rows = {row["body"]: row for row in shop.bodies}
    assert len(listed) == len(rows) == BODIES
    lacking = 0
    for item in listed:
        row = rows[item["body"]]
        for name in ("ok", "defect", "unjudged", "spots", "missing", "complete", "verdict"):
            assert item[name] == row[name]
        lacking += row["missing"]
    assert lacking > 5
    one = next(row for row in shop.bodies if row["missing"] and row["defect"])
    body = client.json(path_of("bodies", one["body"]))
    welded = {row["spot"] for row in shop.welds if row["body"] == one["body"]}
    assert body["missing_spots"] == [spot for spot in SPOTS if spot not in welded]
    assert {weld["id"] for weld in body["welds"]} == {
        row["weld_id"] for row in shop.welds if row["body"] == one["body"] and row["verdict"] != "ok"
    }
    times = [weld["time"] for weld in body["welds"]]
    assert times == sorted(times, reverse=True)


def test_a_body_in_the_shop_lacks_nothing_yet(client: Client, shop: Shop) -> None:
    one = next(row for row in shop.bodies if not row["complete"])
    assert client.json(path_of("bodies", one["body"]))["missing_spots"] == []


def test_bodies_by_verdict(client: Client, shop: Shop) -> None:
    items = client.json("/api/v1/bodies", verdict="ok", limit=1000)["items"]
    assert {item["body"] for item in items} == {row["body"] for row in shop.bodies if row["verdict"] == "ok"}
    assert client.json("/api/v1/bodies", body="K003/红")["items"][0]["body"] == "K003/红"


def test_agvs(client: Client) -> None:
    listed = client.json("/api/v1/agvs")
    assert [item["id"] for item in listed] == sorted(row["agv"] for row in AGVS)
    for item in listed:
        row = next(row for row in AGVS if row["agv"] == item["id"])
        assert client.json(path_of("agvs", item["id"], slashes=True)) == item
        same = set(row) - {"agv", "time_ns", "errors"}
        assert {name: item[name] for name in same} == {name: row[name] for name in same}
    broken = client.json(path_of("agvs", "jungheinrich/车 8/b"))
    assert broken["errors"] == [{"type": "=cmd()", "level": "FATAL", "description": "bumper"}]


def test_sources_say_who_is_silent_and_whose_clock_is_off(client: Client) -> None:
    states = {item["source"]: item["state"] for item in client.json("/api/v1/sources")}
    assert states == {
        "(unrouted)": "live",
        "agv/jungheinrich/0007": "live",
        "agv/jungheinrich/9": "silent",
        "wolfsburg/biw/L1/C1/event": "live",
        "wolfsburg/biw/L1/C1/weld": "live",
        "wolfsburg/biw/L1/C2/weld": "silent",
        "wolfsburg/biw/L2/C3/weld": "clock_off",
    }


def test_the_account_adds_up(client: Client) -> None:
    account = client.json("/api/v1/accounting")
    assert account["at"] == "2026-11-25T11:59:58Z"
    names = ("received", "stored", "rejected", "duplicate", "pending")
    assert account["total"] == {name: sum(row[name] for row in SOURCES) for name in names}
    for entry in (account["total"], *account["sources"]):
        assert entry["received"] == sum(entry[name] for name in names[1:])
    assert [entry["source"] for entry in account["sources"]] == [row["source"] for row in SOURCES]


def test_rejects_and_their_bytes(client: Client) -> None:
    items = client.json("/api/v1/rejects")["items"]
    assert len(items) == len(REJECTS)
    assert items[-1]["reason"] == "item 0: $.dt_us is -5; expected a number above 0"
    assert client.json("/api/v1/rejects", source="nobody")["items"] == []
    payload = client.get("/api/v1/rejects/12/payload")
    assert payload.content == PAYLOAD
    assert payload.headers["content-type"] == "application/octet-stream"
    assert payload.headers["content-disposition"] == 'attachment; filename="reject-12.bin"'
    assert payload.headers["x-content-type-options"] == "nosniff"
    client.problem("/api/v1/rejects/13/payload", 404)


def test_events(client: Client) -> None:
    items = client.json("/api/v1/events")
    assert [item["id"] for item in items] == [row["event_id"] for row in reversed(EVENTS)]
    assert [item["id"] for item in client.json("/api/v1/events", gun="G1", limit=2)] == ["e4", "e2"]
    (found,) = client.json("/api/v1/events", kind="inspection")
    assert (found["by"], found["details"]) == ("lab", {"weld": "w1", "result": "stick", "nugget_mm": 2.5})
    assert client.json("/api/v1/events", kind="inspection", cell="C2") == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/welds/nobody", "weld"),
        ("/api/v1/welds/no/body/curve", "weld"),
        ("/api/v1/spots/车", "spot"),
        ("/api/v1/bodies/x", "body"),
        ("/api/v1/agvs/x/y", "AGV"),
        ("/api/v1/rejects/999/payload", "payload of message"),
    ],
)
def test_what_does_not_exist_is_named(client: Client, path: str, field: str) -> None:
    problem = client.problem(path, 404)
    assert problem["field"] == field
    assert problem["came"] in problem["detail"]
