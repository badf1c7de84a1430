"""Learning from labels: does it find what makes a weld bad, says so in probabilities, and in the same bits always."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import skops.io

from models.scoring import auc
from models.welds.batch import WeldBatch
from models.welds.learned import LearnedModel
from models.welds.learned_kernel import LANDMARKS, RepeatKernel
from models.welds.learned_repeats import USUAL, repeat_sigma
from services.backtest import read_welds, to_batch
from tests.unit.models.welds.making import batch, curve
from tests.unit.models.welds.oracle import Weld

TITANIUM = Path(__file__).resolve().parents[4] / "../shared/data/weld_titanium_dev.parquet"


def swept(n: int, seed: int, doubt: float = 0.0) -> tuple[WeldBatch, list[str]]:
    """Return welds of swept current on sheets of two thicknesses, and what an inspector finds in them.

    Heat per need decides: too little is stick, too much expulsion; `doubt` of the labels are drawn by lot.
    """
    rng = np.random.default_rng(seed)
    welds, labels = [], []
    for k in range(n):
        thick = rng.choice([1.0, 1.4])
        level = rng.uniform(0.6, 1.5)
        weld = curve(rng, samples=int(rng.integers(60, 120)), time_ns=k * 10**9, spot=f"S{k % 12}", force=False)
        current = np.array(weld.current) * level
        voltage = np.array(weld.voltage) * level * thick
        heat = level**2 / thick
        fall = np.linspace(0, 0.15 * (heat - 0.8), len(voltage))
        welds.append(
            Weld(
                spot=weld.spot,
                program=weld.program,
                time_ns=weld.time_ns,
                dt_us=weld.dt_us,
                current=current.tolist(),
                voltage=(voltage * (1 - fall)).tolist(),
                force=None,
                gun=weld.gun,
            )
        )
        found = "stick" if heat < 0.65 else "expulsion" if heat > 1.25 else "ok"
        labels.append(str(rng.choice(["ok", "stick", "expulsion"])) if rng.random() < doubt else found)
    return batch(welds), labels


@pytest.fixture(scope="module")
def trained() -> LearnedModel:
    welds, labels = swept(240, 1)
    return LearnedModel.fit(welds, labels, welds.spot)


def test_it_finds_too_little_and_too_much_heat_in_welds_it_never_saw(trained: LearnedModel) -> None:
    welds, labels = swept(300, 2)
    label = np.array(labels)
    p = trained.probabilities(welds)
    assert trained.classes == ("ok", "expulsion", "stick")
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    for name in ("stick", "expulsion"):
        either = (label == name) | (label == "ok")
        assert auc(1 - p[either, 0], label[either] == name)[0] > 0.97
        assert auc(p[:, trained.classes.index(name)], label == name)[0] > 0.97


def test_labels_by_lot_teach_nothing() -> None:
    welds, labels = swept(240, 3)
    lot = np.random.default_rng(4).permutation(labels).tolist()
    p = LearnedModel.fit(welds, lot, welds.spot).probabilities(swept(300, 5)[0])
    label = np.array(swept(300, 5)[1])
    assert abs(auc(1 - p[:, 0], label != "ok")[0] - 0.5) < 0.2
    assert p.max(axis=1).mean() < 0.65  # and it does not pretend to know


def test_probabilities_are_what_they_say_on_groups_never_seen() -> None:
    welds, labels = swept(300, 6, doubt=0.4)
    model = LearnedModel.fit(welds, labels, welds.spot)
    test, truth = swept(600, 7, doubt=0.4)
    risk = 1 - model.probabilities(test)[:, 0]
    bad = np.array(truth) != "ok"
    assert model.whole.temperature != 1.0
    for low, high in ((0.0, 0.5), (0.5, 1.0)):
        inside = (risk >= low) & (risk < high)
        assert inside.sum() > 100
        assert risk[inside].mean() == pytest.approx(bad[inside].mean(), abs=0.08)


@pytest.mark.parametrize("size", [1, 3, 64])
def test_batching_never_changes_a_probability(trained: LearnedModel, size: int) -> None:
    welds, _ = swept(130, 8)
    whole = trained.probabilities(welds)
    split = [trained.probabilities(welds.take(k, min(k + size, len(welds)))) for k in range(0, len(welds), size)]
    np.testing.assert_array_equal(np.vstack(split), whole)


def test_the_same_welds_give_the_same_model_and_it_survives_storage(trained: LearnedModel) -> None:
    welds, labels = swept(240, 1)
    expected = trained.probabilities(welds)
    np.testing.assert_array_equal(LearnedModel.fit(welds, labels, welds.spot).probabilities(welds), expected)
    stored = skops.io.dumps(trained.state())
    restored = LearnedModel.from_state(skops.io.loads(stored, trusted=["sklearn.tree._tree.Tree"]))
    assert restored.classes == trained.classes
    np.testing.assert_array_equal(restored.probabilities(welds), expected)


def test_what_cannot_be_trusted_gets_what_the_current_says_or_nothing(trained: LearnedModel) -> None:
    rng = np.random.default_rng(9)
    faults = ["no_current", "gap", "dead_current", "dead_voltage", "too_short", ""]
    p = trained.probabilities(batch([curve(rng, fault=name, samples=90) for name in faults]))
    assert np.isnan(p[:3]).all()
    assert np.isfinite(p[3:]).all()
    np.testing.assert_allclose(p[3:].sum(axis=1), 1.0)


def test_a_missing_channel_is_no_obstacle(trained: LearnedModel) -> None:
    rng = np.random.default_rng(10)
    with_force = [curve(rng, samples=90, spot=f"S{k}") for k in range(8)]
    assert np.isfinite(trained.probabilities(batch(with_force))).all()


def test_rare_faults_are_found_among_good_welds_of_many_spots() -> None:
    rng = np.random.default_rng(11)
    fault = ["expulsion" if k % 25 == 3 else "" for k in range(500)]
    welds = batch([curve(rng, fault=name, spot=f"S{k % 20}", time_ns=k) for k, name in enumerate(fault)])
    label = np.array([name or "ok" for name in fault])
    known = np.array([int(spot[1:]) < 12 for spot in welds.spot])
    train = welds.select(known)
    model = LearnedModel.fit(train, label[known].tolist(), train.spot)
    risk = 1 - model.probabilities(welds.select(~known))[:, 0]
    assert model.classes == ("ok", "expulsion")
    assert auc(risk, label[~known] != "ok")[0] > 0.99


def test_unlabelled_welds_are_no_class_and_bad_input_says_what_is_wrong() -> None:
    welds, labels = swept(90, 12)
    half = [label if k % 2 else "" for k, label in enumerate(labels)]
    assert LearnedModel.fit(welds, half, welds.spot).classes == ("ok", "expulsion", "stick")
    with pytest.raises(ValueError, match=re.escape("90 welds, 89 labels and 90 groups")):
        LearnedModel.fit(welds, labels[:-1], welds.spot)
    with pytest.raises(ValueError, match="expected two classes of two at least"):
        LearnedModel.fit(welds, ["ok"] * 90, welds.spot)


def test_the_scatter_of_repeats_is_found_despite_changed_settings() -> None:
    rng = np.random.default_rng(13)
    n = 400
    setting = np.repeat(rng.normal(0, 0.5, n // 4), 4)  # changed every fourth weld
    x = np.column_stack((setting, setting, setting + 0.05 * rng.standard_normal(n)))
    sigma = repeat_sigma(x, [("S", "1")] * n, np.arange(n))
    assert sigma[2] == pytest.approx(0.05, rel=0.15)
    alone = repeat_sigma(x, [(str(k), "1") for k in range(n)], np.arange(n))
    np.testing.assert_array_equal(alone, USUAL)


def test_the_kernel_remembers_a_repeat_and_far_away_only_the_trend_counts() -> None:
    rng = np.random.default_rng(14)
    x = rng.normal(0, 1, (200, 2))
    label = (x[:, 0] > 0).astype(np.int64)
    odd = np.array([[1.5, 1.5]])
    x, label = np.vstack((x, np.repeat(odd, 5, axis=0))), np.r_[label, np.zeros(5, dtype=np.int64)]
    model = RepeatKernel.fit(x, label, np.array([0.05, 0.05]))
    at, beside, far = model.probabilities(np.vstack((odd, odd + 0.5, [[9.0, 0.0]])))[:, 1]
    assert at < 0.5
    assert beside > 0.8
    assert far > 0.95


def test_more_welds_than_landmarks_keep_the_rare_class_whole() -> None:
    rng = np.random.default_rng(15)
    label = (np.arange(3 * LANDMARKS) % 30 == 0).astype(np.int64)
    x = rng.normal(0, 1, (len(label), 2)) + 4 * label[:, None]
    model = RepeatKernel.fit(x, label, np.array([0.1, 0.1]))
    assert len(model.landmarks) == LANDMARKS
    assert {tuple(row) for row in x[label == 1]} <= {tuple(row) for row in model.landmarks}


@pytest.mark.timeout(300)  # five models on a busy machine
@pytest.mark.skipif(not TITANIUM.exists(), reason="the real weld curves are not beside this checkout")
def test_titanium_sticks_are_found_in_blocks_of_time_never_seen() -> None:
    table = read_welds(TITANIUM)
    table = table.filter(np.array([bool(label) for label in table["label"].to_pylist()]))
    welds, label = to_batch(table), np.array(table["label"].to_pylist())
    risk = np.full(len(label), np.nan)
    block = np.array([f"{spot} {k // 8}" for k, spot in enumerate(welds.spot)])
    fold = np.unique(block, return_inverse=True)[1] % 5
    for k in range(5):
        known = welds.select(fold != k)
        model = LearnedModel.fit(known, label[fold != k].tolist(), block[fold != k])
        risk[fold == k] = 1 - model.probabilities(welds.select(fold == k))[:, 0]
    mine = (np.array(welds.program) == "60") & np.isin(label, ["stick", "ok"])  # within a programme, never across
    assert np.isfinite(risk).all()
    assert auc(risk[mine], label[mine] == "stick")[0] > 0.8
