"""Findings about electrodes, in words and figures."""

from __future__ import annotations

import math

from models.signals import Signal
from models.welds.explain import NAMES
from models.welds.wear_state import DressCheck, Forecast


def sentence(forecast: Forecast) -> str:
    """Return one sentence that says what the next limit of a gun is and when it comes."""
    if forecast.limit == "routine":
        return f"It is usually dressed in {_welds(forecast)}."
    if forecast.limit == "reference":
        name = NAMES[forecast.feature][0]
        what, done = f"{name} leaves the references of its spots", f"{name} has left the references of its spots"
    else:
        what = "the current density at the tips, read as voltage, falls below its limit"
        done = "The current density at the tips, read as voltage, has fallen below its limit"
    if forecast.expected == 0:
        return f"{done}: it should be dressed."
    return f"In {_welds(forecast)} {what}: it should be dressed before."


def wear_signal(gun: str, time_ns: int, wear: int, forecast: Forecast) -> Signal:
    """Say that a gun should be dressed. `wear` counts the welds since the last dress."""
    details: dict[str, float | str] = {"limit": forecast.limit, "wear": wear}
    if forecast.limit == "routine":
        text = f"Gun {gun} has made {wear} welds since its last dress, more than it usually does."
    else:
        text = f"Gun {gun}: {sentence(forecast)}"
        details["feature"] = forecast.feature
        figures = {"remaining": forecast.expected, "low": forecast.low, "high": forecast.high}
        details |= {name: round(welds, 1) for name, welds in figures.items() if math.isfinite(welds)}
    return Signal("wear_warning", time_ns, gun, "", "", text, details)


def dress_signal(gun: str, time_ns: int, check: DressCheck) -> Signal:
    """Say that a dress has not worked."""
    name = NAMES[check.feature][0]
    text = (
        f"Gun {gun}: the last dress took off {check.recovered:.0%} of the wear (95 %: {check.low:.0%} to "
        f"{check.high:.0%}): {name} was {check.before:+.1%} from a dressed tip before and {check.after:+.1%} after."
    )
    details: dict[str, float | str] = {
        "feature": check.feature,
        "before_share": round(check.before, 5),
        "after_share": round(check.after, 5),
        "recovered": round(check.recovered, 4),
        "low": round(check.low, 4),
        "high": round(check.high, 4),
    }
    return Signal("dress_ineffective", time_ns, gun, "", "", text, details)


def _welds(forecast: Forecast) -> str:
    high = f"{forecast.high:.0f}" if math.isfinite(forecast.high) else "any number"
    return f"about {forecast.expected:.0f} welds (95 %: {forecast.low:.0f} to {high})"
