"""The verdict in words, for people and programs that read English; the web page says it in the reader's language."""

from __future__ import annotations

import math

from models.welds.causes import CAUSES

NAMES = {
    "weld_time_ms": ("weld time", "ms"),
    "current_rms_ka": ("current", "kA"),
    "voltage_rms_v": ("voltage", "V"),
    "energy_j": ("energy", "J"),
    "charge_c": ("charge", "C"),
    "r_first_uohm": ("R at the start", "µΩ"),
    "r_alpha_uohm": ("R_α", "µΩ"),
    "r_beta_uohm": ("R_β", "µΩ"),
    "t_beta_ms": ("t_β", "ms"),
    "r_mean_uohm": ("mean R", "µΩ"),
    "r_end_uohm": ("R_end", "µΩ"),
    "r_drop_uohm": ("R_β − R_end", "µΩ"),
    "r_slope_uohm_per_ms": ("slope after β", "µΩ/ms"),
    "step_uohm": ("largest step down of R", "µΩ"),
    "step_left": ("share of the pulse after the step", ""),
    "current_dip_share": ("dip of the current", ""),
    "force_mean_kn": ("electrode force", "kN"),
    "force_step_kn": ("fall of the force at the step", "kN"),
    "expansion_mm": ("electrode travel", "mm"),
    "voltage_end_v": ("voltage at the end", "V"),
    "voltage_step_v": ("largest step down of U", "V"),
}
WHERE = {
    "r_end_uohm": "over the last 10 ms",
    "r_mean_uohm": "over the whole main pulse",
    "current_rms_ka": "over the main pulse",
    "energy_j": "over the whole weld",
    "voltage_rms_v": "over the main pulse",
    "current_dip_share": "within the main pulse",
}
"""Where on the curve a feature is read, for those whose name does not say it."""


def sentence(
    *,
    verdict: str,
    cause: str,
    lead: str,
    value: float | None,
    centre: float | None,
    sigma: float | None,
    reference_n: int,
) -> str:
    """Return one sentence that says why a weld got its verdict.

    `lead` is a name of `models.welds.features.FEATURES` or ""; numbers are None or NaN where there is none.
    A weld is never said to have a good nugget: curves show conformity, only tests see the nugget.
    """
    if verdict == "unjudged":
        more = f" ({reference_n} welds so far)" if cause == "learning" else ""
        return f"Not judged: {CAUSES[cause]}{more}."
    distance = _distance(lead, value, centre, sigma)
    if verdict == "ok":
        return f"Conforms to this spot's reference{'; ' if distance else ''}{distance}."
    text = CAUSES[cause]
    return f"{text[0].upper()}{text[1:]}{': ' if distance else ''}{distance}."


def _distance(lead: str, value: float | None, centre: float | None, sigma: float | None) -> str:
    if not lead or value is None or centre is None or not sigma or math.isnan(value + centre + sigma):
        return ""
    name, unit = NAMES[lead]
    z = (value - centre) / sigma
    side = "above" if z >= 0 else "below"
    where = f" {WHERE[lead]}" if lead in WHERE else ""
    return (
        f"{name}{where} is {value:.4g} {unit}, {abs(z):.1f} σ {side} its reference of {centre:.4g} ± {sigma:.2g} {unit}"
    )
