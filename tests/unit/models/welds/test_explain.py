import math

import pytest

from models.welds.causes import CAUSES, DEFECT_CAUSES, UNJUDGED_CAUSES
from models.welds.explain import NAMES, sentence
from models.welds.features import FEATURES


def say(verdict: str, cause: str, lead: str = "", value: float | None = None, n: int = 50) -> str:
    return sentence(verdict=verdict, cause=cause, lead=lead, value=value, centre=156.0, sigma=5.25, reference_n=n)


def test_a_defect_names_cause_feature_distance_and_reference() -> None:
    assert say("defect", "expulsion", "step_uohm", 200.0) == (
        "Molten metal left the joint (expulsion): largest step down of R is 200 µΩ, "
        "8.4 σ above its reference of 156 ± 5.2 µΩ."
    )


@pytest.mark.parametrize("value", [None, math.nan])
def test_without_numbers_the_cause_stands_alone(value: float | None) -> None:
    assert say("defect", "no_current", "r_beta_uohm", value) == "No welding current flowed."


def test_a_learning_stream_says_how_far_it_is() -> None:
    assert say("unjudged", "learning", n=7) == "Not judged: the reference is still being learnt (7 welds so far)."


def test_ok_never_speaks_of_the_nugget() -> None:
    text = say("ok", "", "r_beta_uohm", 150.0)
    assert text == "Conforms to this spot's reference; R_β is 150 µΩ, 1.1 σ below its reference of 156 ± 5.2 µΩ."
    assert "nugget" not in text


def test_every_feature_has_a_name_and_no_cause_is_both() -> None:
    assert tuple(NAMES) == FEATURES
    assert not DEFECT_CAUSES.keys() & UNJUDGED_CAUSES.keys()
    assert len(CAUSES) == len(DEFECT_CAUSES) + len(UNJUDGED_CAUSES)
