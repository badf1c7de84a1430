"""The evidence on a curve, as programs get it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from services.api.wire import weld_detail
from tests.unit.api.conftest import Client
from tests.unit.api.shop import DOOR, Shop


def address(row: dict[str, Any], more: str = "") -> str:
    return f"/api/v1/welds/{quote(row['weld_id'], safe='')}{more}"


def row_of(shop: Shop, **wanted: Any) -> dict[str, Any]:
    return next(row for row in shop.welds if all(row[k] == v for k, v in wanted.items()))


def feature(weld: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in weld["features"] if each["name"] == name)


@pytest.mark.parametrize("cause", ["expulsion", "low_heat"])
def test_marks_are_the_features_and_stand_beside_the_reference(client: Client, shop: Shop, cause: str) -> None:
    row = row_of(shop, cause=cause)
    weld = client.json(address(row))
    evidence = weld["evidence"]
    reference = next(each for each in client.json(f"/api/v1/spots/{quote(row['spot'], safe='')}")["streams"])
    normal = {each["name"]: each for each in reference["features"]}
    marks = {mark["kind"]: mark for mark in evidence["marks"]}
    assert set(marks) == {"alpha", "beta", "step", "end"}
    assert evidence["reference_version"] == reference["version"]
    for mark in marks.values():
        found = feature(weld, mark["feature"])
        measured = mark["step"]["size"] if mark["kind"] == "step" else mark["value"]
        assert measured == pytest.approx(found["value"], rel=1e-6)
        assert mark["z"] == found["z"]
        assert (mark["expected"], mark["sigma"]) == (
            normal[mark["feature"]]["centre"],
            normal[mark["feature"]]["sigma"],
        )
    beta = marks["beta"]
    assert beta["ms"] - evidence["origin_ms"] == pytest.approx(feature(weld, "t_beta_ms")["value"], abs=1e-3)
    assert beta["expected_ms"] - evidence["origin_ms"] == pytest.approx(normal["t_beta_ms"]["centre"], rel=1e-5)
    assert beta["sigma_ms"] == normal["t_beta_ms"]["sigma"]
    assert marks["step"]["step"]["left"] == pytest.approx(feature(weld, "step_left")["value"], rel=1e-6)


def test_the_step_of_an_expulsion_is_seen_in_the_trace_and_as_a_departure(client: Client, shop: Shop) -> None:
    evidence = client.json(address(row_of(shop, cause="expulsion")))["evidence"]
    trace = dict(zip(evidence["trace"]["time_ms"], evidence["trace"]["value"], strict=True))
    step = next(mark for mark in evidence["marks"] if mark["kind"] == "step")
    fall = trace[step["ms"]] - trace[step["step"]["stop_ms"]]
    assert fall == pytest.approx(step["step"]["size"], abs=6)
    assert fall > 15
    assert step["z"] > 6
    last = evidence["departures"][-1]
    assert last["start_ms"] <= step["ms"] + 12
    assert last["sigmas"] < -3
    assert abs(evidence["farthest"]["sigmas"]) >= max(abs(each["sigmas"]) for each in evidence["departures"])


def test_the_band_lies_over_the_main_pulse_of_this_curve(client: Client, shop: Shop) -> None:
    evidence = client.json(address(row_of(shop, cause="low_heat")))["evidence"]
    band, main = evidence["band"], next(phase for phase in evidence["phases"] if phase["kind"] == "main")
    assert [phase["kind"] for phase in evidence["phases"]] == ["preheat", "cool", "main", "hold"]
    assert band["time_ms"][0] == evidence["origin_ms"] >= main["start_ms"]
    assert band["time_ms"][-1] <= main["stop_ms"]
    assert len(band["time_ms"]) == len(band["centre"]) == len(band["sigma"])
    assert min(band["sigma"]) > 0


def test_the_curve_carries_the_same_evidence(client: Client, shop: Shop) -> None:
    row = row_of(shop, cause="expulsion")
    curve = client.json(address(row, "/curve"))
    assert curve["evidence"] == client.json(address(row))["evidence"]
    trace = curve["evidence"]["trace"]["value"]
    assert [x is None for x in trace] == [x is None for x in curve["resistance_uohm"]]
    for judged, raw in zip(trace, curve["resistance_uohm"], strict=True):
        assert judged is None or judged == pytest.approx(raw, rel=1e-6)


def test_a_weld_whose_curve_was_not_kept_has_no_evidence(client: Client, shop: Shop) -> None:
    row = next(row for row in shop.welds if row["verdict"] == "ok" and row["ordinal"] % 5)
    weld = client.json(address(row))
    assert (weld["evidence"], weld["curve_kept"]) == (None, False)


def test_a_dead_pick_up_shows_its_phases_and_what_it_read(client: Client, shop: Shop) -> None:
    evidence = client.json(address(row_of(shop, cause="dead_voltage")))["evidence"]
    assert "main" in [phase["kind"] for phase in evidence["phases"]]
    assert max(abs(x) for x in evidence["trace"]["value"] if x is not None) < 15


def test_a_weld_says_what_it_was_judged_without_and_how_risky_it_is(client: Client, shop: Shop) -> None:
    bad, good = (client.json(address(row_of(shop, spot=DOOR, verdict=each))) for each in ("defect", "ok"))
    assert bad["lacks"] == good["lacks"] == ["displacement"]
    assert client.json(address(row_of(shop, spot="S2", verdict="ok")))["lacks"] == ["force", "displacement"]
    assert 0 <= good["risk"] < 0.5 <= bad["risk"] <= 1
    assert (bad["shadow_risk"], bad["by_model"]) == (None, False)


def test_the_distance_of_the_whole_curve_is_told(shop: Shop) -> None:
    weld = weld_detail({**shop.welds[0], "shape_t2": 0.5, "shape_q": 7.25}, curve_kept=False)
    assert (weld.shape_t2, weld.shape_q) == (0.5, 7.25)


@pytest.mark.parametrize("cause", ["expulsion", "low_heat"])
def test_the_cause_is_the_best_scored(client: Client, shop: Shop, cause: str) -> None:
    scores = client.json(address(row_of(shop, cause=cause)))["cause_scores"]
    assert next(name for name in scores if name != "ok") == cause
    assert sum(scores.values()) == pytest.approx(1, abs=0.01)
    assert client.json(address(row_of(shop, cause="learning")))["cause_scores"] == {}


def test_cause_scores_come_best_first(shop: Shop) -> None:
    scores = {"shape": 0.2, "expulsion": 0.7, "low_heat": 0.1}
    row = {**shop.welds[0], "cause_scores": json.dumps(scores)}
    assert list(weld_detail(row, curve_kept=False).cause_scores.items()) == [
        ("expulsion", 0.7),
        ("shape", 0.2),
        ("low_heat", 0.1),
    ]
    assert weld_detail({**row, "cause_scores": ""}, curve_kept=False).cause_scores == {}
