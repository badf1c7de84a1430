"""Guns over HTTP: what the tracker knows, said in the units of the schema, and the same from a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.topics import Place
from models.welds.wear_trend import INDICATORS
from services import rows
from services.config import Config
from services.evidence_files import FolderEvidence
from services.layout import DataLayout
from services.state import PipelineState
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import PLANT, Shop
from tests.unit.models.welds.wearing import Worn


@pytest.fixture(scope="module")
def worn_client(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An application whose guns are read from a snapshot, as `lineside serve` reads them."""
    data = tmp_path_factory.mktemp("worn")
    state = PipelineState.new(Config(), PLANT)
    batch, verdicts = Worn(bodies=100, dress_bodies=24).judged()
    raised = state.wear.add(batch, verdicts)
    assert raised
    state.save(DataLayout(data).state)
    store = DuckStore(data / "store.duckdb")
    n = len(batch)
    arrival = rows.Arrival(np.arange(n), batch.time_ns, [Place("s", "a", "L1", "C1")] * n, [False] * n)
    signals = rows.place_signals(raised, arrival, np.zeros(n, dtype=np.bool_))
    store.commit(Commit(cursor=1, events=rows.signal_table(signals)))
    yield client_of(shop, store=store, evidence=FolderEvidence(data))
    store.close()


def test_every_gun_is_listed_with_its_wear_and_its_next_dress(worn_client: Client) -> None:
    guns = worn_client.json("/api/v1/guns")
    assert [gun["gun"] for gun in guns] == ["G0", "G1"]
    [_, one] = guns
    assert (one["line"], one["cell"]) == ("L1", "C1")  # of the plant model
    assert (guns[0]["line"], guns[0]["cell"]) == ("", "")
    assert (one["wear"], one["counted"], one["dresses"], one["routine"]) == (80, True, 4, 480.0)
    assert (one["limit"], one["feature"], one["next"]) == ("density", "voltage_rms_v", "tip_dress")
    assert one["low"] < one["remaining"] < one["high"]
    assert one["sentence"].startswith(f"In about {one['remaining']:.0f} welds")
    assert one["check"]["effective"] is True
    assert one["check"]["before"] < -0.05
    assert one["check"]["low"] < one["check"]["recovered"] < one["check"]["high"]
    assert one["caps_changed"] is None


def test_one_gun_shows_its_line_since_the_dress_and_its_signals(worn_client: Client) -> None:
    gun = worn_client.json("/api/v1/guns/G1")
    assert [trend["feature"] for trend in gun["trends"]] == list(INDICATORS)
    assert gun["points"] == [7.5, 23.5, 39.5, 55.5, 71.5]
    for trend in gun["trends"]:
        assert len(trend["change"]) == 5
        assert trend["low"] <= trend["per_100"] <= trend["high"]
        assert trend["now"] == pytest.approx(trend["change"][-1], abs=0.02)
    limits = {trend["feature"]: trend["limit"] for trend in gun["trends"]}
    assert limits["voltage_rms_v"] == -0.06
    assert limits["current_rms_ka"] is None
    assert limits["r_beta_uohm"] < -0.06
    assert len(gun["signals"]) == 4
    assert {signal["kind"] for signal in gun["signals"]} == {"wear_warning"}
    assert {signal["gun"] for signal in gun["signals"]} == {"G1"}
    times = [signal["time"] for signal in gun["signals"]]
    assert times == sorted(times, reverse=True)


def test_guns_that_have_just_begun_say_so(client: Client) -> None:
    for gun in client.json("/api/v1/guns"):
        assert (gun["ready"], gun["remaining"], gun["limit"], gun["sentence"], gun["check"]) == (
            False, None, "", "", None,
        )  # fmt: skip
    assert client.json("/api/v1/guns/G1")["trends"] == []


def test_a_gun_that_never_welded_is_not_there(client: Client) -> None:
    problem = client.problem("/api/v1/guns/nobody", 404)
    assert "nobody" in problem["detail"]
    assert client.problem("/api/v1/guns", 400, wear="1")["field"] == "wear"


def test_guns_come_as_a_table_too(worn_client: Client) -> None:
    response = worn_client.request("GET", "/api/v1/guns", headers={"Accept": "text/csv"})
    header, *lines = response.text.splitlines()
    assert header.split(",")[:3] == ["gun", "line", "cell"]
    assert len(lines) == 2


def test_before_the_first_snapshot_there_are_no_guns(shop: Shop, tmp_path: Path) -> None:
    assert client_of(shop, evidence=FolderEvidence(tmp_path)).json("/api/v1/guns") == []
