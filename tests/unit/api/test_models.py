"""Models as the API shows them, and what stands in the way of one. The rest is in `tests/system/test_learning.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.plant import EMPTY
from services.api.app import create_app
from services.api.models_use import read_use
from services.config import Broker, Config, Models
from services.evidence_files import FolderEvidence
from services.layout import DataLayout
from services.models_registry import ModelRegistry
from services.store import schema
from services.store.duck.store import DuckStore
from services.store.protocol import Commit
from tests.running import free_port
from tests.unit.api.conftest import Client
from tests.unit.services.labelled import a_card, a_model
from tests.unit.store import rows
from tests.unit.store.rows import SECOND, T0, filled, table

NOW = T0 + 10_000 * SECOND
ORDER = {"by": "M. Weber"}


class Plant:
    """A data folder with models, a store to be told events and welds, and a server over both without a broker."""

    def __init__(self, data: Path, **needs: Any) -> None:
        self.registry = ModelRegistry(DataLayout(data).models)
        self.store = DuckStore(data / "store.duckdb")
        self._cursor = 0
        config = Config(data_dir=str(data), broker=Broker(port=free_port()), models=Models(**needs))
        app = create_app(
            store=self.store, evidence=FolderEvidence(data), plant=EMPTY, config=config, web_root=None,
            clock=lambda: NOW, extra_hosts=["testserver"],
        )  # fmt: skip
        self.client = Client(app)

    def add(self, *ids: str, trained_on: frozenset[str] = frozenset()) -> None:
        for name in ids:
            model = a_model(name, trained_on=trained_on)
            self.registry.add(model, a_card(model))

    def happen(self, *events: tuple[int, str, dict[str, Any]]) -> None:
        """Tell events: when received, seconds after T0; kind; details."""
        made = [
            filled(schema.EVENT, k, event_id=f"{kind}-{at}-{k}", time_ns=T0 + at * SECOND,
                   received_ns=T0 + at * SECOND, kind=kind, details=json.dumps(details))
            for k, (at, kind, details) in enumerate(events)
        ]  # fmt: skip
        self._commit(events=table(made, schema.EVENT))

    def weld(self, welds: list[dict[str, Any]]) -> None:
        self._commit(welds=rows.welds(welds))

    def _commit(self, **what: Any) -> None:
        self._cursor += 1
        self.store.commit(Commit(cursor=self._cursor, **what))

    def ask(self, path: str, status: int) -> dict[str, Any]:
        response = self.client.request("POST", f"/api/v1/models/{path}", json=ORDER)
        assert response.status_code == status, response.text
        body: dict[str, Any] = response.json()
        return body


@pytest.fixture
def make_plant(tmp_path: Path) -> Any:
    made: list[Plant] = []

    def make(**needs: Any) -> Plant:
        data = tmp_path / str(len(made))
        data.mkdir()
        made.append(Plant(data, **needs))
        return made[-1]

    yield make
    for plant in made:
        plant.store.close()


Make = Callable[..., Plant]


def inspected(plant: Plant, *, shadow: float, good: int = 60, bad: int = 20, since: int = 100) -> None:
    """Welds from `since` on with risks of what is in use and of the shadow, `shadow` sigmas better, all inspected."""
    rng = np.random.default_rng(3)
    welds, events = [], []
    for k in range(good + bad):
        faulty = k < bad
        here = rng.normal()
        in_use = 1 / (1 + np.exp(-(faulty * 1.0 + here)))
        better = 1 / (1 + np.exp(-(faulty * (1.0 + shadow) + 0.5 * here + 0.5 * rng.normal())))
        verdict = "expulsion" if in_use > 0.9 else ""
        welds.append(
            rows.weld(since + k, cause=verdict, risk=float(np.float32(in_use)), shadow_risk=float(np.float32(better)))
        )
        events.append((9000 + k, "inspection", {"weld": f"W{since + k}", "result": "stick" if faulty else "ok"}))
    plant.weld(welds)
    plant.happen(*events)


def test_models_are_listed_with_what_is_in_use(make_plant: Make) -> None:
    plant = make_plant()
    assert plant.client.json("/api/v1/models") == {"active": "", "shadow": "", "back_to": None, "items": []}
    plant.add("m1", "m2", "m3")
    plant.happen((10, "model_shadow", {"model": "m1"}), (20, "model_activate", {"model": "m1"}))
    plant.happen((30, "model_shadow", {"model": "m2"}), (40, "model_activate", {"model": "nobody"}))
    plant.weld([rows.weld(k) for k in range(25, 55)])
    found = plant.client.json("/api/v1/models")
    assert (found["active"], found["shadow"], found["back_to"]) == ("m1", "m2", "")
    states = {item["id"]: item for item in found["items"]}
    assert {name: item["state"] for name, item in states.items()} == {"m1": "active", "m2": "shadow", "m3": "idle"}
    assert states["m2"]["shadow_welds"] == 25
    assert states["m2"]["shadow_hours"] == pytest.approx(9970 / 3600, abs=0.01)
    assert states["m3"]["since"] is None
    assert not any(item["problem"] for item in states.values())
    csv = plant.client.request("GET", "/api/v1/models", headers={"accept": "text/csv"}).text
    assert csv.splitlines()[0].startswith("id,created,state,since")
    card = plant.client.json("/api/v1/models/m1")["card"]
    assert card["labels"] == {"ok": 90, "stick": 15, "expulsion": 15}
    assert plant.client.problem("/api/v1/models/m9", 404)["field"] == "model"


def test_orders_take_effect_in_the_order_of_the_journal_whatever_times_they_carry(make_plant: Make) -> None:
    plant = make_plant()
    made = [
        filled(schema.EVENT, k, event_id=f"e{k}", kind="model_activate", details=json.dumps({"model": model}),
               received_ns=T0 + k, time_ns=T0 - k)
        for k, model in enumerate(("a", "b"))
    ]  # fmt: skip
    plant._commit(events=table(made, schema.EVENT))
    assert read_use(plant.store, {"a", "b"}).models.active == "b"


def test_a_model_that_cannot_be_used_is_said(make_plant: Make) -> None:
    plant = make_plant()
    plant.add("m1")
    (plant.registry._folder / "m1.skops").write_bytes(b"x")
    assert "not the file" in plant.client.json("/api/v1/models")["items"][0]["problem"]
    assert "not the file" in plant.ask("m1/shadow", 409)["detail"]
    plant.ask("m9/shadow", 404)


def test_a_model_must_have_been_in_the_shadow_for_long_enough(make_plant: Make) -> None:
    plant = make_plant(min_shadow_welds=100, min_shadow_hours=5)
    plant.add("m1", "m2")
    assert "not in the shadow" in plant.ask("m1/activate", 409)["detail"]
    plant.happen((10, "model_shadow", {"model": "m1"}))
    plant.weld([rows.weld(k) for k in range(20, 119)])
    problem = plant.ask("m1/activate", 409)
    assert problem["came"] == "99 welds and 2.8 hours"
    assert problem["expected"] == "100 welds or 5 hours"
    assert "not in the shadow" in plant.ask("m2/activate", 409)["detail"]
    assert "in the shadow already" in plant.ask("m1/shadow", 409)["detail"]
    plant.weld([rows.weld(119)])
    assert "0 good and 0 faulty welds were inspected" in plant.ask("m1/activate", 409)["detail"]


def test_too_few_inspections_are_said(make_plant: Make) -> None:
    plant = make_plant(min_shadow_welds=1)
    plant.add("m1")
    plant.happen((10, "model_shadow", {"model": "m1"}))
    inspected(plant, shadow=3, good=60, bad=9)
    assert plant.ask("m1/activate", 409)["came"] == "60 good, 9 faulty"


def test_a_model_that_is_not_better_is_refused_with_the_figures(make_plant: Make) -> None:
    plant = make_plant(min_shadow_welds=1)
    plant.add("m1")
    plant.happen((10, "model_shadow", {"model": "m1"}))
    inspected(plant, shadow=-0.5)
    detail = plant.ask("m1/activate", 409)["detail"]
    assert "is not shown to be better" in detail
    assert "on 60 good and 20 faulty welds" in detail
    (comparison,) = plant.client.json("/api/v1/models/m1")["card"]["comparisons"]
    assert comparison["better"] is False
    assert f"AUC is {comparison['auc']:.3f}, that of the references alone {comparison['auc_in_use']:.3f}" in detail


def test_a_better_one_gets_as_far_as_the_broker_and_the_comparison_is_on_its_card(make_plant: Make) -> None:
    plant = make_plant(min_shadow_welds=1)
    plant.add("m1")
    plant.happen((10, "model_shadow", {"model": "m1"}))
    inspected(plant, shadow=3)
    assert "did not acknowledge" in plant.ask("m1/activate", 503)["detail"]
    (comparison,) = plant.client.json("/api/v1/models/m1")["card"]["comparisons"]
    assert comparison["better"] is True
    assert comparison["low"] > 0
    assert (comparison["good"], comparison["faulty"], comparison["against"]) == (60, 20, "")
    assert "| references | 60 | 20 |" in (plant.registry._folder / "m1.md").read_text()


def test_only_welds_that_neither_knew_count(make_plant: Make) -> None:
    plant = make_plant(min_shadow_welds=1)
    plant.add("m0", trained_on=frozenset(f"W{k}" for k in range(100, 115)))  # of the 20 faulty ones
    plant.add("m1", trained_on=frozenset({"W115"}))
    plant.happen((5, "model_activate", {"model": "m0"}), (10, "model_shadow", {"model": "m1"}))
    inspected(plant, shadow=3)
    assert plant.ask("m1/activate", 409)["came"] == "60 good, 4 faulty"
    # Nor do welds from before the shadow began, nor all but the newest inspection of one.
    early = make_plant(min_shadow_welds=0)
    early.add("m1")
    early.happen((110, "model_shadow", {"model": "m1"}))
    inspected(early, shadow=3)
    early.happen((9900, "inspection", {"weld": "W119", "result": "ok"}))
    assert early.ask("m1/activate", 409)["came"] == "61 good, 9 faulty"


def test_back_and_retire_need_something_to_go_back_to(make_plant: Make) -> None:
    plant = make_plant()
    plant.add("m1", "m2")
    assert "nothing judged before" in plant.ask("back", 409)["detail"]
    assert "not in use" in plant.ask("m1/retire", 409)["detail"]
    plant.happen((5, "model_activate", {"model": "m1"}), (10, "model_activate", {"model": "m2"}))
    assert plant.client.json("/api/v1/models")["back_to"] == "m1"
    plant.ask("back", 503)  # as far as the broker
    plant.ask("m2/retire", 503)


def test_who_orders_it_must_be_said(make_plant: Make) -> None:
    plant = make_plant()
    response = plant.client.request("POST", "/api/v1/models/back", json={})
    assert response.status_code == 400
    assert response.json()["detail"] == "by is missing"
