"""What is found follows from the distances: which cause, how sure, and shown by what."""

import numpy as np
import pytest

from models.welds.causes import DEFECT_CAUSES
from models.welds.features import AT, FEATURES
from models.welds.limits import Limits
from models.welds.noise import Noise
from models.welds.rules import CHECKS, SCORED, Findings, classify, starved
from models.welds.signatures import SIGNATURES, USED, USUAL_SCATTER, directions

CENTRE = np.full(len(FEATURES), 100.0)
LIMIT = 6.0


def find(z: np.ndarray, values: dict[str, float] | None = None, shape: tuple[float, float] = (0.0, 0.0)) -> Findings:
    """Classify welds at distances `z` (n, F) in a plant whose noise is not known yet."""
    n = len(z)
    read = np.tile(CENTRE, (n, 1)) * (1 + 0.01 * np.nan_to_num(z))
    read[:, AT["step_left"]], read[:, AT["current_dip_share"]] = 0.8, 0.01
    for name, value in (values or {}).items():
        read[:, AT[name]] = value
    limits = Limits(len(CHECKS), 5e-5, LIMIT)
    return classify(z, read.astype(np.float32), np.tile(CENTRE, (n, 1)), np.tile(shape, (n, 1)), Noise(), limits)


def at(**distances: float) -> np.ndarray:
    z = np.zeros((1, len(FEATURES)))
    for name, value in distances.items():
        z[0, AT[name]] = value
    return z


@pytest.mark.parametrize("k", range(len(SIGNATURES)))
def test_each_signature_is_recognised_as_its_cause_and_shown_by_one_of_its_features(k: int) -> None:
    along = directions(USUAL_SCATTER)[k]
    z = np.zeros((1, len(FEATURES)))
    z[0, [AT[name] for name in USED]] = 20 * along / np.abs(along).max()
    got = find(z)
    cause, change = SIGNATURES[k]
    assert got.cause[0] == cause
    assert SCORED[1 + np.argmax(got.scores[0, 1:])] == cause
    lead = FEATURES[got.lead[0]]
    assert change[lead] * z[0, got.lead[0]] > 0


def test_a_weld_within_all_limits_is_fine_and_scores_say_how_near_it_came() -> None:
    near, far = find(at(r_beta_uohm=5.9)), find(at(r_beta_uohm=1.0))
    assert near.cause[0] == far.cause[0] == ""
    assert near.ratio[0] == pytest.approx(5.9 / LIMIT)
    assert near.scores[0, 0] == pytest.approx(0.5, abs=0.1)
    assert far.scores[0, 0] > 0.999


def test_scores_are_shares_of_one() -> None:
    z = np.random.default_rng(1).normal(0, 8, size=(300, len(FEATURES)))
    got = find(z)
    np.testing.assert_allclose(got.scores.sum(axis=1), 1.0)
    assert (got.scores >= 0).all()
    assert set(got.cause) <= {"", *DEFECT_CAUSES}
    np.testing.assert_array_equal(got.cause == "", got.ratio < 1)


def test_a_fall_of_resistance_is_an_expulsion_only_where_there_can_be_melt() -> None:
    step = at(step_uohm=9.0)
    late = find(step, {"step_left": 0.3, "step_uohm": 20.0})
    assert (late.cause[0], FEATURES[late.lead[0]]) == ("expulsion", "step_uohm")
    early = find(step, {"step_left": 0.9, "step_uohm": 20.0})
    assert early.cause[0] == "shape"
    assert find(step, {"step_left": 0.3, "step_uohm": 3.0}).cause[0] == ""  # 3 % of R_β is noise of a quiet stream


def test_an_expulsion_shows_by_the_force_or_by_when_the_fall_comes_as_well() -> None:
    """The largest fall of a good weld is an early one: an expulsion of the same size is seen by being late."""
    assert find(at(step_left=-12.0), {"step_left": 0.1, "step_uohm": 6.0}).cause[0] == "expulsion"
    assert find(at(force_step_kn=8.0), {"step_left": 0.1, "step_uohm": 6.0}).cause[0] == "expulsion"
    assert find(at(step_left=12.0), {"step_left": 0.6, "step_uohm": 6.0}).cause[0] == ""


def test_a_dip_of_the_mains_is_one_only_when_it_is_deep() -> None:
    dip = at(current_dip_share=15.0, current_rms_ka=-8.0, energy_j=-10.0)
    deep = find(dip, {"current_dip_share": 0.2})
    assert (deep.cause[0], FEATURES[deep.lead[0]]) == ("mains_dip", "current_dip_share")
    assert find(dip, {"current_dip_share": 0.05}).cause[0] == "low_heat"


def test_what_nothing_explains_is_shape_and_a_curve_alone_can_be_it() -> None:
    assert find(at(), shape=(0.0, 9.0)).cause[0] == "shape"
    zigzag = at(r_alpha_uohm=12.0, r_beta_uohm=-12.0, r_mean_uohm=12.0, r_end_uohm=-12.0)
    assert find(zigzag).cause[0] == "shape"


def test_nothing_compared_is_nothing_found() -> None:
    got = find(np.full((1, len(FEATURES)), np.nan), {"step_uohm": np.nan}, shape=(np.nan, np.nan))
    assert (got.cause[0], got.lead[0]) == ("", -1)
    assert np.isnan(got.ratio[0])
    assert np.isnan(got.scores).all()
    assert len(find(np.empty((0, len(FEATURES)))).cause) == 0


def test_a_voltage_alone_is_judged_on_what_is_there() -> None:
    z = np.full((1, len(FEATURES)), np.nan)
    for name, value in {"weld_time_ms": 0.0, "voltage_rms_v": -9.0, "voltage_end_v": -12.0}.items():
        z[0, AT[name]] = value
    got = find(z)
    assert got.cause[0] in DEFECT_CAUSES
    assert FEATURES[got.lead[0]] in {"voltage_rms_v", "voltage_end_v"}


def test_current_that_is_weak_throughout_makes_no_weld_and_a_short_record_is_none() -> None:
    values = np.tile(CENTRE, (3, 1)).astype(np.float32)
    values[:, AT["charge_c"]] = (40.0, 40.0, 90.0)
    values[:, AT["weld_time_ms"]] = (90.0, 10.0, 90.0)
    assert starved(values, np.tile(CENTRE, (3, 1))).tolist() == [True, False, False]
