"""Models in the running pipeline: they come into use at their place among the welds, and after a restart as well."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.models_registry import ModelRegistry
from services.state import PipelineState
from services.store.protocol import Filters
from tests.unit.services.labelled import T0, S, a_card, a_model, labelled
from tests.unit.services.test_pipeline import EVENTS, TOPIC, Shop

DATA = labelled(96, every=4, spots=4, seed=8)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    registry = ModelRegistry(made.layout.models)
    for name in ("m1", "m2"):
        model = a_model(name, threshold=0.5 if name == "m1" else 0.01)
        registry.add(model, a_card(model))
    yield made
    made.journal.close()


def weld(k: int) -> dict[str, Any]:
    batch, part = DATA.welds, slice(DATA.welds.offsets[k], DATA.welds.offsets[k + 1])
    return {
        "id": f"w{k}", "spot": batch.spot[k], "gun": "G1", "body": f"B{k}", "program": batch.program[k],
        "time": int(batch.time_ns[k]), "dt_us": int(batch.dt_us[k]),
        "current_ka": batch.current_ka[part].tolist(), "voltage_v": batch.voltage_v[part].tolist(),
    }  # fmt: skip


def send(shop: Shop, first: int, last: int) -> None:
    for k in range(first, last):
        shop.send(TOPIC, json.dumps(weld(k)).encode(), T0 + 10**14)


def order(shop: Shop, number: int, kind: str, model: str) -> None:
    event = {"id": f"o{number}", "kind": kind, "model": model, "by": "M. Weber", "time": T0 + number * S}
    shop.send(EVENTS, json.dumps(event).encode(), T0 + 10**14)


def test_a_model_judges_from_its_order_on_and_the_shadow_only_says(shop: Shop) -> None:
    send(shop, 0, 24)
    order(shop, 1, "model_shadow", "m1")
    send(shop, 24, 48)
    order(shop, 2, "model_activate", "m1")
    order(shop, 3, "model_shadow", "m2")
    send(shop, 48, 72)
    order(shop, 4, "model_retire", "m1")
    send(shop, 72, 96)
    shop.run()
    rows = shop.welds()
    assert [row["shadow_risk"] is not None for row in rows] == [False] * 24 + [True] * 72
    assert [row["by_model"] for row in rows] == [False] * 48 + [True] * 24 + [False] * 24
    judged, truth = rows[48:72], DATA.label[48:72]
    right = sum((row["verdict"] == "defect") == (name != "ok") for row, name in zip(judged, truth, strict=True))
    assert right >= 22
    assert {row["cause"] for row in judged} <= {"", "low_heat", "expulsion"}
    assert all((row["risk"] >= 0.5) == (row["verdict"] == "defect") for row in judged)
    audit = shop.ask(lambda store: store.events(Filters(kind="model_activate"), 10))
    assert [(row["by"], json.loads(str(row["details"]))["model"]) for row in audit] == [("M. Weber", "m1")]


def test_after_a_restart_and_after_a_replay_the_same_rows_come(tmp_path: Path, shop: Shop) -> None:
    def feed(to: Shop, stop_in_between: bool) -> list[dict[str, object]]:
        order(to, 1, "model_activate", "m1")
        order(to, 2, "model_shadow", "m2")
        send(to, 0, 40)
        if stop_in_between:
            to.run()
        send(to, 40, 60)
        order(to, 3, "model_activate", "m2")
        send(to, 60, 96)
        to.run()
        return to.welds()

    expected = feed(shop, stop_in_between=False)
    other = Shop(tmp_path / "other")
    for file in shop.layout.models.iterdir():
        other.layout.models.mkdir(parents=True, exist_ok=True)
        (other.layout.models / file.name).write_bytes(file.read_bytes())
    assert feed(other, stop_in_between=True) == expected
    state = PipelineState.load(other.layout.state, other.config, other.plant)
    assert (state.models.active, state.models.shadow, state.models.before) == ("m2", "", ["", "m1"])
    # The snapshot is lost: the whole journal is judged again, and gives the same state.
    other.layout.state.unlink()
    other.run()
    again = PipelineState.load(other.layout.state, other.config, other.plant)
    assert again.models == state.models
    other.journal.close()


@pytest.mark.parametrize("how", ["missing", "foreign"])
def test_a_file_that_cannot_be_used_leaves_the_references_verdict_and_is_told(
    shop: Shop, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    if how == "foreign":
        (shop.layout.models / "m1.skops").write_bytes(b"no model")
    order(shop, 1, "model_activate", "m9" if how == "missing" else "m1")
    send(shop, 0, 30)
    with caplog.at_level(logging.ERROR):
        shop.run()
    assert "is not used" in caplog.text
    assert not any(row["by_model"] for row in shop.welds())
    state = PipelineState.load(shop.layout.state, shop.config, shop.plant)
    assert state.models.active == ""


def test_a_file_that_is_lost_while_in_use_is_told_at_the_start(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    order(shop, 1, "model_activate", "m1")
    send(shop, 0, 10)
    shop.run()
    kept = (shop.layout.models / "m1.skops").read_bytes()
    (shop.layout.models / "m1.skops").unlink()
    send(shop, 10, 20)
    with caplog.at_level(logging.ERROR):
        shop.run()
    assert "m1 is not used" in caplog.text
    (shop.layout.models / "m1.skops").write_bytes(kept)
    send(shop, 20, 30)
    shop.run()
    assert [row["by_model"] for row in shop.welds()] == [True] * 10 + [False] * 10 + [True] * 10
