"""Findings about electrodes, in words and figures."""

from __future__ import annotations

import math

from models.signals import Signal
from models.welds.explain import NAMES
from models.welds.wear_state import DressCheck, Forecast

_LIMITS = {
    "reference": "{name} leaves the references of this gun's spots",
    "density": "the current density at the tips (read as voltage) has fallen too far",
}


def wear_signal(gun: str, time_ns: int, wear: int, forecast: Forecast) -> Signal:
    """Say that a gun should be dressed soon. `wear` counts the welds since the last dress."""
    details: dict[str, float | str] = {"limit": forecast.limit, "wear": wear + 1}
    if forecast.limit == "routine":
        text = f"Gun {gun} has made {wear + 1} welds since its last dress, well beyond where it is usually dressed."
    else:
        details |= {
            "feature": forecast.feature,
            "remaining": round(forecast.expected, 1),
            "low": round(forecast.low, 1),
        }
        upto = "unknown"
        if math.isfinite(forecast.high):
            upto = f"{forecast.high:.0f}"
            details["high"] = round(forecast.high, 1)
        why = _LIMITS[forecast.limit].format(name=NAMES[forecast.feature][0])
        text = (
            f"Gun {gun}: in about {forecast.expected:.0f} welds (95 %: {forecast.low:.0f} to {upto}) {why}. "
            "It should be dressed before."
        )
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
