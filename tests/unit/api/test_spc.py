"""Change points and control charts over a store with a change that is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.spc.run_length import ewma_limit, shewhart_limit
from models.welds.drift import LAMBDA, WATCHED
from services.config import Config, Spc
from services.store import schema
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import NOW, Shop

MIN = 60 * 10**9
BODIES = 400
GUNS, SPOTS = 6, 5
SINCE = NOW - BODIES * MIN
CHANGE = 250
"""The body from which on gun G4 is bad."""
CHANGED_AT = SINCE + CHANGE * MIN


def weld_rows() -> pa.Table:
    """One weld of thirty spots a minute; gun G4 gets 8 % bad and R_end rises by 1.5 sigmas on it."""
    rng = np.random.default_rng(2)
    n = BODIES * GUNS * SPOTS
    body, spot = np.divmod(np.arange(n), GUNS * SPOTS)
    gun = spot // SPOTS
    bad = (gun == 4) & (body >= CHANGE)
    defect = rng.random(n) < np.where(bad, 0.15, 0.004)
    z = {name: rng.standard_normal(n) for name in WATCHED}
    z["r_end_uohm"] = z["r_end_uohm"] + np.where(bad, 1.5, 0.0)
    columns: dict[str, Any] = {
        "ordinal": np.arange(n),
        "weld_id": [f"w{k}" for k in range(n)],
        "time_ns": SINCE + body * MIN + spot * 10**9,
        "line": [f"L{g // 3}" for g in gun],
        "cell": [f"C{g // 2}" for g in gun],
        "gun": [f"G{g}" for g in gun],
        "spot": [f"S{k}" for k in spot],
        "program": [f"P{k % 2}" for k in spot],
        "verdict": np.where(defect, "defect", "ok"),
        "cause": np.where(defect, "low_heat", ""),
    }
    for name, values in z.items():
        columns[name] = (100 + 3 * values).astype(np.float32)
        columns[f"z_{name}"] = values.astype(np.float32)
    usual = {pa.string(): "x", pa.int64(): 50, pa.bool_(): False, pa.float32(): None}
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns
        else pa.array([usual[field.type]] * n, field.type)
        for field in schema.WELD
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema.WELD)


def events() -> pa.Table:
    def event(name: str, minute: float, **more: str) -> dict[str, Any]:
        fields = {field.name: "" if field.type == pa.string() else 0 for field in schema.EVENT}
        at = {"time_ns": SINCE + int(minute * MIN), "event_id": name, "cell": "C2", "details": "{}"}
        return {**fields, **at, **more}

    rows = [event(f"d{k}", 5 * k + 1, kind="tip_dress", gun="G4") for k in range(70)]
    rows += [event("cap", CHANGE - 4, kind="cap_change", gun="G4", note="=new supplier")]
    rows += [event("other", CHANGE - 2, kind="cap_change", gun="G1")]
    return pa.Table.from_pylist(rows, schema=schema.EVENT)


@pytest.fixture(scope="module")
def changed(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    store = DuckStore(tmp_path_factory.mktemp("changed") / "store.duckdb")
    store.commit(Commit(cursor=1, welds=weld_rows(), events=events()))
    yield client_of(shop, store=store, config=Config(spc=Spc(alarms_per_hour=0.5)))
    store.close()


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def test_what_is_judged_while_a_reference_is_learnt_is_no_change(shop: Shop, tmp_path: Path) -> None:
    """After a cold start only gross defects are called: a rate of 100 %, which then "fell" to what is usual."""
    rows = weld_rows().to_pylist()
    for row in rows:
        if row["time_ns"] < SINCE + 60 * MIN and row["verdict"] == "ok":
            row["verdict"] = "unjudged"
    store = DuckStore(tmp_path / "store.duckdb")
    store.commit(Commit(cursor=1, welds=pa.Table.from_pylist(rows, schema=schema.WELD)))
    client = client_of(shop, store=store)
    [rate] = client.json("/api/v1/changes", only="defect_rate")
    store.close()
    assert (rate["by"], rate["name"]) == ("gun", "G4")


def test_the_rate_changed_because_of_one_gun_after_its_cap_change(changed: Client) -> None:
    rate, *others = changed.json("/api/v1/changes", only="defect_rate")
    assert not others
    assert (rate["kind"], rate["by"], rate["name"], rate["feature"]) == ("defect_rate", "gun", "G4", "")
    assert ns(rate["earliest"]) <= CHANGED_AT <= ns(rate["latest"])
    assert rate["low"] <= 0.146 <= rate["high"]
    assert rate["change"] == pytest.approx(rate["after"] - rate["before"])
    assert rate["share"] > 0.8
    assert set(rate["spots"]) <= {f"S{k}" for k in range(20, 25)}
    assert rate["spots_changed"] == len(rate["spots"])
    [cause] = rate["causes"]
    assert (cause["event"], cause["kind"], cause["gun"], cause["note"]) == ("cap", "cap_change", "G4", "=new supplier")
    assert cause["chance"] < 0.1
    assert rate["sentence"].startswith("The defect rate of gun G4 rose from 0.")
    assert "of the plant's additional defects since then" in rate["sentence"]
    assert "after a cap change of gun G4 (“=new supplier”)" in rate["sentence"]


def test_the_feature_that_moved_is_named_with_its_size(changed: Client) -> None:
    answer = changed.json("/api/v1/changes")
    assert [item["kind"] for item in answer] == ["defect_rate", "feature"]
    feature = answer[1]
    assert (feature["by"], feature["name"], feature["feature"]) == ("gun", "G4", "r_end_uohm")
    assert feature["change"] == pytest.approx(1.5, abs=0.25)
    assert feature["share"] is None
    assert feature["sentence"].startswith("R_end of gun G4 rose by 1.")
    [same] = changed.json("/api/v1/changes", feature="r_end_uohm")
    assert same == feature
    assert changed.json("/api/v1/changes", feature="energy_j") == []


def test_a_window_without_the_change_has_no_finding(changed: Client) -> None:
    assert changed.json("/api/v1/changes", until=f"-{BODIES - CHANGE + 5}m", since="-390m") == []
    assert changed.json("/api/v1/changes", gun="G1") == []


def test_changes_as_a_table(changed: Client) -> None:
    text = changed.request("GET", "/api/v1/changes", headers={"Accept": "text/csv"}).text
    header, first, *_ = text.splitlines()
    assert header.startswith("kind,by,name,feature,also,time,")
    assert first.startswith("defect_rate,gun,G4,")


def test_a_spots_chart_signals_after_the_change_and_not_before(changed: Client) -> None:
    [chart] = changed.json("/api/v1/spc", spot="S21", feature="r_end_uohm", limit=1000)
    assert (chart["spot"], chart["program"], chart["feature"]) == ("S21", "P1", "r_end_uohm")
    points = chart["points"]
    assert len(points) == BODIES
    assert [point["time"] for point in points] == sorted(point["time"] for point in points)
    signals = [k for k, point in enumerate(points) if point["signal"]]
    assert signals
    assert CHANGE < signals[0] < CHANGE + 30
    limits = chart["limits"]
    # Thirty welds a minute of seven features, three charts each, and one false alarm in two hours.
    arl = 60 * GUNS * SPOTS * len(WATCHED) * 3 / 0.5
    assert limits["alarms_per_hour"] == 0.5
    assert limits["average_run_length"] == pytest.approx(arl, rel=0.02)
    assert limits["shewhart"] == pytest.approx(shewhart_limit(arl), abs=0.01)
    assert limits["ewma"] >= ewma_limit(LAMBDA, arl) * np.sqrt(LAMBDA / (2 - LAMBDA)) * 0.99
    moving = 0.0
    for point in points:
        moving += LAMBDA * (min(max(point["z"], -4), 4) - moving)
        assert point["ewma"] == pytest.approx(moving)
        assert point["cusum_high"] >= 0 >= point["cusum_low"]
        assert set(point["rules"]) <= set(range(1, 9))
    assert any(2 in point["rules"] for point in points[CHANGE:])


def test_rules_are_switched_one_by_one(changed: Client) -> None:
    [chart] = changed.json("/api/v1/spc", spot="S21", feature="r_end_uohm", rules="5,2", limit=1000)
    assert {rule for point in chart["points"] for rule in point["rules"]} == {2, 5}


def test_a_spot_without_points_has_no_chart(changed: Client) -> None:
    assert changed.json("/api/v1/spc", spot="nowhere") == []
    assert changed.json("/api/v1/spc", spot="S1", feature="expansion_mm") == []


def test_the_rate_chart_of_the_bad_gun_signals(changed: Client) -> None:
    points = changed.json("/api/v1/spc/rate", by="gun", bucket="20m", since="-400m")
    assert [point["group"]["gun"] for point in points[:2]] == ["G0", "G0"]
    assert {point["group"]["gun"] for point in points if point["signal"]} == {"G4"}
    for point in points:
        assert point["rate"] == pytest.approx(point["defect"] / point["n"])
        assert 0 <= point["low"] <= point["centre"] <= point["high"] <= 1
        assert point["sigma_z"] >= 1
    g4 = [point for point in points if point["group"]["gun"] == "G4"]
    assert sum(point["defect"] for point in g4) / sum(point["n"] for point in g4) == pytest.approx(g4[0]["centre"])
    text = changed.request("GET", "/api/v1/spc/rate?by=cell", headers={"Accept": "text/csv"}).text
    assert text.startswith("cell,start,end,defect,n,rate,centre,low,high,z,sigma_z,rules,signal")


def test_the_real_shop_answers_as_well(client: Client) -> None:
    assert isinstance(client.json("/api/v1/changes", since="-14h"), list)
    assert client.json("/api/v1/spc", spot="S1", since="-14h")[0]["points"]
    assert client.json("/api/v1/spc/rate", since="-14h", by="line")
    assert client.json("/api/v1/changes", since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z") == []
    assert client.json("/api/v1/spc/rate", since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z") == []


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("/api/v1/spc", {}, "spot"),
        ("/api/v1/spc", {"spot": "S1", "feature": "charm"}, "feature"),
        ("/api/v1/spc", {"spot": "S1", "rules": "9"}, "rules"),
        ("/api/v1/changes", {"only": "weather"}, "only"),
        ("/api/v1/changes", {"since": "now", "until": "-1h"}, "since"),
        ("/api/v1/spc/rate", {"by": "body"}, "by"),
        ("/api/v1/spc/rate", {"bucket": "soon"}, "bucket"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(client: Client, path: str, params: dict[str, str], field: str) -> None:
    assert client.problem(path, 400, **params)["field"] == field


def test_too_many_points_are_refused(client: Client) -> None:
    client.problem("/api/v1/spc/rate", 400, bucket="1s", since="-7d")


def test_a_store_that_is_away_is_a_503(shop: Shop, closed_store: DuckStore) -> None:
    away = client_of(shop, store=closed_store)
    for path in ("/api/v1/changes", "/api/v1/spc?spot=S1", "/api/v1/spc/rate"):
        assert away.request("GET", path).status_code == 503
