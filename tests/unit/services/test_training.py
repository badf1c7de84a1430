from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from models.splits import MIN_FAULT, MIN_GOOD
from models.welds.judge import JudgeSettings
from models.welds.trained import TrainedModel
from services.backtest import judge_table, read_welds, report
from services.cli import app
from services.errors import OperatorError
from services.model_card import ModelCard, render
from services.training import Labelled, TrainingError, data_digest, train
from tests.unit.services.labelled import T0, labelled

NOW = T0 + 10**15


@pytest.fixture(scope="module")
def data() -> Labelled:
    return labelled()


@pytest.fixture(scope="module")
def trained(data: Labelled) -> tuple[TrainedModel, ModelCard]:
    return train(data, 0.01, NOW)


def table_of(data: Labelled) -> pa.Table:
    welds = data.welds
    curves = {
        name: [getattr(welds, name)[a:b].tolist() for a, b in zip(welds.offsets, welds.offsets[1:], strict=False)]
        for name in ("current_ka", "voltage_v")
    }
    return pa.table(
        {
            "weld_id": welds.id, "spot": welds.spot, "program": welds.program, "time_ns": welds.time_ns,
            "dt_us": welds.dt_us, "truth": data.label,
            **{name: pa.array(value, pa.list_(pa.float32())) for name, value in curves.items()},
        }
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_the_card_says_what_was_learnt_from_and_how_well(
    data: Labelled, trained: tuple[TrainedModel, ModelCard]
) -> None:
    model, card = trained
    assert card.labels == {"ok": 210, "stick": 15, "expulsion": 15}
    assert (card.welds, card.left_out, card.data_sha256) == (240, {}, data_digest(data))
    assert model.trained_on == set(data.welds.id)
    (family,) = card.families
    assert set(family.programs) == {"7", "8"}
    assert sum(sum(labels.values()) for labels in family.programs.values()) == 240
    assert [c.label for c in family.classes] == ["expulsion", "stick"]
    for row in family.classes:
        assert row.auc[0] is not None
        assert row.auc[0] > 0.9  # faults as gross as these are seen on spots that were not
        assert row.recall[1] <= row.recall[0] <= row.recall[2]  # type: ignore[operator]  # there are welds
    assert sum(family.confusion["ok"].values()) == 210
    assert family.brier < family.brier_base
    assert sum(b.n for b in family.reliability) == 240
    assert family.forward_n[0] > 0
    assert card.threshold.good == 210
    assert card.threshold.above <= 2  # 1 % of 210
    text = render(card)
    assert "10 false alarms per 1,000 good welds on 210 good welds" in text
    assert json.loads(msgspec.json.encode(card))["families"][0]["unsaid"] == 0


@pytest.mark.timeout(600)
def test_the_trained_model_judges_a_backtest(
    data: Labelled, trained: tuple[TrainedModel, ModelCard], tmp_path: Path
) -> None:
    fresh = labelled(seed=2)
    path = tmp_path / "w.parquet"
    pq.write_table(table_of(fresh), path)
    table = read_welds(path)
    scored = judge_table(table, JudgeSettings(), model=trained[0])
    risk, verdict = scored["risk"].to_numpy(), np.array(scored["verdict"].to_pylist())
    assert "unjudged" not in verdict  # a model needs no reference
    assert ((risk >= trained[0].threshold) == (verdict == "defect")).all()
    found = report(scored, table["truth"])
    assert all(row.auc[0] > 0.9 for row in found.classes)
    causes = set(scored["cause"].to_pylist())
    assert causes <= {"", "low_heat", "expulsion"}


@pytest.mark.timeout(600)
def test_training_again_gives_the_same_model(data: Labelled, trained: tuple[TrainedModel, ModelCard]) -> None:
    again, card = train(data, 0.01, NOW)
    assert again.id == trained[0].id
    assert again.threshold == trained[0].threshold
    assert again.probabilities(data.welds).tobytes() == trained[0].probabilities(data.welds).tobytes()
    assert msgspec.json.encode(card) == msgspec.json.encode(trained[1])


def with_labels(data: Labelled, **count: int) -> Labelled:
    """Keep so many welds of each label."""
    left = dict(count)
    keep = np.zeros(len(data.label), dtype=bool)
    for k, name in enumerate(data.label):
        if left.get(name, 0):
            left[name] -= 1
            keep[k] = True
    label = [name for name, kept in zip(data.label, keep, strict=True) if kept]
    return Labelled(data.welds.select(keep), label, ["all"] * len(label), "made")


@pytest.mark.parametrize("count", [{"ok": 200, "stick": 9}, {"ok": 29, "stick": 15}, {"ok": 100}, {}])
def test_too_few_labels_are_said_with_what_is_needed_and_why(data: Labelled, count: dict[str, int]) -> None:
    with pytest.raises(TrainingError) as caught:
        train(with_labels(data, **count), 0.01, NOW)
    text = str(caught.value)
    if count:
        assert f"expected {MIN_GOOD} ok and {MIN_FAULT} of a fault" in text
        assert "recall of 0.72 or more" in text
        assert "11 % or less" in text
        assert all(f"{n} {name}" in text for name, n in count.items())


@pytest.mark.timeout(600)
def test_rare_faults_are_learnt_together_and_a_family_without_labels_is_left_out(data: Labelled) -> None:
    few = with_labels(data, ok=60, stick=7, expulsion=7)
    extra = dataclasses.replace(few, family=["all"] * 70 + ["thin"] * 4)
    _, card = train(extra, 0.05, NOW)
    assert [family.name for family in card.families] == ["all"]
    assert set(card.labels) == {"ok", "other"}
    assert sum(card.left_out.values()) == 4
    assert card.families[0].classes[0].cause == "shape"


@pytest.mark.timeout(600)
def test_the_commands_write_a_model_use_it_and_say_what_is_wrong(data: Labelled, tmp_path: Path) -> None:
    runner = CliRunner()
    path, folder = tmp_path / "w.parquet", tmp_path / "models"
    pq.write_table(table_of(with_labels(data, ok=60, stick=15)), path)
    done = runner.invoke(app, ["train", str(path), "--labels", "truth", "--out", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)
    assert Path(written["file"]).exists()
    assert {file.suffix for file in folder.iterdir()} == {".skops", ".json", ".md"}
    out = tmp_path / "scored.parquet"
    arguments = ["backtest", str(path), "--labels", "truth", "--model", written["file"], "--out", str(out), "--json"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdicts"]["unjudged"] == 0
    assert pq.read_table(out).column_names == ["id", "verdict", "cause", "risk"]

    # Too few labels: exit 1, one line, nothing written.
    pq.write_table(table_of(with_labels(data, ok=60, stick=5)), path)
    empty = tmp_path / "none"
    done = runner.invoke(app, ["train", str(path), "--labels", "truth", "--out", str(empty)])
    assert done.exit_code == 1
    assert isinstance(done.exception, OperatorError)
    assert not empty.exists()
    with pytest.raises(OperatorError, match="no column 'label'"):
        runner.invoke(app, ["train", str(path), "--labels", "label"], catch_exceptions=False)
    for arguments in (["train"], ["train", str(path)], ["train", str(path), "--url", "http://127.0.0.1:1"]):
        assert runner.invoke(app, arguments).exit_code == 2
    with pytest.raises(OperatorError, match="does not answer"):
        runner.invoke(app, ["train", "--url", "http://127.0.0.1:1", "--out", str(empty)], catch_exceptions=False)
