"""The naive rules: one weld at a time, in plain Python, for a plant whose noise is not known yet.

Then every feature scatters independently by one sigma, and every limit is the same.
"""

from __future__ import annotations

import math

from models.welds import noise as nz
from models.welds import rules
from models.welds import signatures as sg
from models.welds.features import FEATURES

Values = dict[str, float]


def compare(z: Values, values: Values, centres: Values, limit: float) -> tuple[str, str]:
    """Return cause ("" within all limits) and lead feature."""
    blind = math.isnan(z["current_rms_ka"])
    used = [name for name in sg.USED if not math.isnan(z[name])]
    used = [name for name in used if blind or name not in ("voltage_rms_v", "voltage_end_v")]
    distance = {name: abs(z[name]) for name in rules.TWO_SIDED} | {name: z[name] for name in rules.ONE_SIDED}
    share = values["step_uohm"] / centres["r_beta_uohm"] if centres["r_beta_uohm"] else math.nan
    melt = values["step_left"] <= rules.MELT_LEFT
    late = -z["step_left"] if melt else math.nan
    if not share >= rules.STEP_SHARE:
        distance["step_uohm"] = distance["force_step_kn"] = late = math.nan
    ratio = {name: d / limit for name, d in distance.items() if not math.isnan(d)}
    late = late / limit
    if not ratio:
        return "", ""
    furthest = max(ratio, key=lambda name: (ratio[name], -rules.DECIDING.index(name)))
    worst = max([*ratio.values(), *([] if math.isnan(late) else [late])])
    if worst < 1:
        return "", furthest

    dips = values["current_dip_share"] >= rules.DIP_SHARE
    dip = chance(ratio.get("current_dip_share", -math.inf)) if dips else 0.0
    steps = [ratio.get("step_uohm", -math.inf), ratio.get("force_step_kn", -math.inf), late]
    expelled = chance(max(x for x in steps if not math.isnan(x))) if melt else 0.0
    variance = 1 + nz.RIDGE
    total = sum(z[name] ** 2 for name in used) / variance
    misfits = []
    for signature in sg.SIGNATURES:
        along = {name: signature.change.get(name, 0.0) / scatter for name, scatter in zip(sg.USED, sg.USUAL_SCATTER)}  # noqa: B905
        size = math.sqrt(sum(along[name] ** 2 for name in used) / variance)
        m = sum(along[name] * z[name] for name in used) / variance / size if size else 0.0
        explained = max(m, 0.0) ** 2
        seen = m >= rules.NAMED_FROM
        misfits.append((total - explained) / (1 + rules.UNSURE**2 * explained) if seen else math.inf)
    best = min(range(len(misfits)), key=lambda k: misfits[k])
    any_misfit = len(used) + rules.SHAPE_MISFIT
    least = min(*misfits, any_misfit)
    weights = [math.exp(-0.5 * (x - least)) for x in (*misfits, any_misfit)]
    share: dict[str, float] = {"shape": weights[-1]}
    for signature, weight in zip(sg.SIGNATURES, weights[:-1], strict=True):
        share[signature.cause] = max(share.get(signature.cause, 0.0), weight)
    rest = (1 - dip) * (1 - expelled)
    scores = dict.fromkeys(rules.SCORED[1:], 0.0) | {"mains_dip": dip, "expulsion": (1 - dip) * expelled}
    for name, weight in share.items():
        scores[name] += rest * weight / sum(share.values())
    cause = max(scores, key=lambda name: scores[name])
    if cause == "expulsion":
        names = ("step_uohm", "force_step_kn", "step_left")
        return cause, max(
            zip((-math.inf if math.isnan(x) else x for x in steps), names, strict=True), key=lambda s: s[0]
        )[1]
    if cause == "mains_dip":
        return cause, "current_dip_share"
    toward = {name: abs(z[name]) for name, x in sg.SIGNATURES[best].change.items() if x * z[name] > 0 and name in used}
    if cause == "shape" or not toward:
        return cause, furthest
    return cause, max(toward, key=lambda name: (toward[name], -FEATURES.index(name)))


def chance(ratio: float) -> float:
    steep = math.log(rules.OK_ODDS) / (1 - rules.OK_AT)
    return 1 / (1 + math.exp(max(-700.0, min(700.0, steep * (1 - ratio)))))
