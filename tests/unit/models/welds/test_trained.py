from dataclasses import replace

import numpy as np
import pytest

from models.welds.batch import WeldBatch
from models.welds.causes import DEFECT_CAUSES
from models.welds.judge import JudgeSettings, WeldJudge
from models.welds.trained import RESULTS, Family, TrainedModel, cause_of, is_result, refine
from models.welds.verdicts import CAUSE_CODES, DEFECT, OK, UNJUDGED
from tests.unit.models.welds import making


class ByVoltage:
    """Says stick from the mean voltage of a weld, and nothing of a weld whose voltage is not a number."""

    classes = ("ok", "stick")

    def probabilities(self, batch: WeldBatch) -> np.ndarray:
        sums = np.add.reduceat(batch.voltage_v.astype(float), batch.offsets[:-1])
        stick = np.clip(sums / batch.samples / 2, 0, 1)
        return np.column_stack((1 - stick, stick))


class Always:
    def __init__(self, classes: tuple[str, ...], row: list[float]) -> None:
        self.classes, self._row = classes, row

    def probabilities(self, batch: WeldBatch) -> np.ndarray:
        return np.tile(self._row, (len(batch), 1))


def model(*families: Family, threshold: float = 0.5) -> TrainedModel:
    return TrainedModel("m", families, threshold, frozenset())


def welds(programs: str) -> WeldBatch:
    rng = np.random.default_rng(1)
    return making.batch([making.curve(rng, program=p, time_ns=k) for k, p in enumerate(programs)])


def test_each_programme_is_judged_by_its_family_in_one_table_of_classes() -> None:
    a = Family("a", ("1", "2"), Always(("ok", "stick"), [0.3, 0.7]))
    b = Family("b", ("3",), Always(("expulsion", "ok"), [0.9, 0.1]))
    both = model(a, b)
    assert both.classes == ("ok", "expulsion", "stick")
    said = both.probabilities(welds("1349"))
    np.testing.assert_array_equal(said[:2], [[0.3, 0, 0.7], [0.1, 0.9, 0]])
    assert np.isnan(said[2:]).all()


def test_a_programme_without_labels_is_judged_only_on_demand() -> None:
    one = model(Family("a", ("1",), Always(("ok", "stick"), [0.3, 0.7])))
    assert np.isnan(one.probabilities(welds("2"))).all()
    np.testing.assert_array_equal(replace(one, any_program=True).probabilities(welds("21")), [[0.3, 0.7]] * 2)


def test_what_is_refined_and_what_is_kept() -> None:
    causes = ["", "low_heat", "learning", "shape", "dead_voltage", "conditioning", "no_current", "expulsion"]
    sure = refine(model(Family("a", ("1",), Always(("ok", "stick"), [0.1, 0.9]))), np.tile([0.1, 0.9], (8, 1)), causes)
    assert sure.decides.tolist() == [True, True, True, True, False, False, False, False]
    assert sure.defect.all()
    assert set(sure.cause) == {"low_heat"}
    np.testing.assert_allclose(sure.risk, 0.9)
    # A model that knows expulsion may absolve one; nothing absolves a weld without current.
    knows = model(Family("a", ("1",), Always(("ok", "expulsion"), [0.9, 0.1])))
    calm = refine(knows, np.tile([0.9, 0.1], (8, 1)), causes)
    assert calm.decides.tolist() == [True, True, True, True, False, False, False, True]
    assert not calm.defect.any()


def test_where_the_model_cannot_say_the_references_stand() -> None:
    found = refine(
        model(Family("a", ("1",), Always(("ok", "stick"), [0.5, 0.5]))), np.full((2, 2), np.nan), ["", "shape"]
    )
    assert not found.decides.any()
    assert not found.defect.any()
    assert np.isnan(found.risk).all()


@pytest.mark.parametrize("fault", ["dead_voltage", "no_current", "dead_current"])
def test_a_weld_that_no_sensor_vouches_for_never_becomes_ok(fault: str) -> None:
    rng = np.random.default_rng(2)
    judge = WeldJudge(JudgeSettings(learn_n=8))
    judge.use(model(Family("a", ("7",), Always(("ok", "stick"), [1.0, 0.0]))), None)
    batch = making.batch([making.curve(rng, fault=fault if k > 20 else "", time_ns=k) for k in range(30)])
    verdicts = judge.judge(batch)
    assert OK not in verdicts.verdict[21:]


def test_the_judge_takes_the_models_word_while_it_learns_and_after() -> None:
    rng = np.random.default_rng(3)
    judge = WeldJudge(JudgeSettings(learn_n=8))
    judge.use(model(Family("a", ("7",), Always(("ok", "stick"), [0.2, 0.8]))), None)
    batch = making.batch([making.curve(rng, time_ns=k, program="7" if k % 2 else "8") for k in range(40)])
    verdicts = judge.judge(batch)
    mine = np.arange(40) % 2 == 1
    assert (verdicts.verdict[mine] == DEFECT).all()
    assert {CAUSE_CODES[k] for k in verdicts.cause[mine]} == {"low_heat"}
    np.testing.assert_allclose(verdicts.risk[mine], 0.8, rtol=1e-6)
    assert (verdicts.verdict[~mine][:8] == UNJUDGED).all()  # programme 8 was not taught: learning as ever


def test_any_split_gives_the_same_bits() -> None:
    rng = np.random.default_rng(4)
    batch = making.batch([making.curve(rng, time_ns=k, spot=f"S{k % 3}") for k in range(60)])

    def run(cuts: list[int]) -> list[bytes]:
        judge = WeldJudge(JudgeSettings(learn_n=8))
        judge.use(model(Family("a", ("7",), ByVoltage())), model(Family("a", ("7",), ByVoltage()), threshold=0.1))
        parts = [judge.judge(batch.take(a, b)) for a, b in zip([0, *cuts], [*cuts, 60], strict=True)]
        return [
            np.concatenate([getattr(p, name) for p in parts]).tobytes()
            for name in ("risk", "shadow_risk", "verdict", "cause", "by_model")
        ]

    assert run([]) == run([1, 17, 18, 44])


def test_every_result_has_a_cause_that_can_be_a_verdict() -> None:
    for name in (*RESULTS[1:], *DEFECT_CAUSES, "something_of_ours"):
        assert cause_of(name) in DEFECT_CAUSES
    assert cause_of("stick") == cause_of("undersize") == "low_heat"
    assert is_result("ok")
    assert is_result("edge_weld") == ("edge_weld" in DEFECT_CAUSES)
    assert not is_result("learning")
