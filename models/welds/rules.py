"""From distances to a defect and its cause: limits with a budget of false alarms, then physics.

    z --one feature at a time--+
    z --matched filters--------+--> checks / limits --> defect?
    shape T², Q ---------------+
    mains dip? expulsion? else the signature that explains the distances best --> cause and scores

**Whether.** A weld is a defect when any check goes beyond its limit (`limits`): single features, the filters of all
signatures against the plant's own noise (`noise`), the size of the whole pattern, and the whole curve's T² and Q.

**Why.** Two causes are events in time and have one explanation only: a dip of the regulated current, and a step of R
when there can be melt. Otherwise a cause explains the part m² of the whole T² that lies along its signature; what it
leaves unexplained counts against it, the less the larger the weld's departure is, since a signature is only known to
`UNSURE` of its size. When no signature fits better than a departure of any kind would, the cause is `shape`.

Scores are over `SCORED` and sum to 1. They are probabilities as far as the limits are: a weld on a limit is a defect
with one half, since about as many good welds as bad ones are there when one weld in a thousand is bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.welds.causes import DEFECT_CAUSES
from models.welds.features import AT, FEATURES
from models.welds.limits import Limits
from models.welds.noise import Noise
from models.welds.signatures import SIGNATURES, USED

SCORED = ("ok", *DEFECT_CAUSES)
"""What a weld gets scores for."""
STEP_SHARE = 0.04
"""An expulsion takes at least this share of R_β away; less is noise on a quiet stream."""
MELT_LEFT = 2 / 3
"""Before the last two thirds of the main pulse there is no melt that could leave: a fall of R there is contact."""
DIP_SHARE = 0.10
"""A regulated current dips less by itself, and a cable that has grown too weak seldom takes more."""
UNSURE = 1 / 3
NAMED_FROM = 3.0
"""A filter that is not itself so many sigmas out explains nothing, however little else there is to explain."""
SHAPE_MISFIT = 8.0
"""What a departure of any kind must fit better by, as a difference of χ²: odds of 1 to 50."""
INDEPENDENT_CHECKS = 25
"""How many independent numbers the checks amount to, among which the budget is shared: filters and totals look at the
same dozen features again."""
STARVED_CHARGE, STARVED_TIME = 0.7, 0.5
"""Current that flows for at least half the usual time and brings less than this share of the usual charge makes no
weld, even where it is so weak that there is no main pulse to read anything off."""
SUSPECT = 0.5
"""Of a limit: below it no cause is looked for, and the score of ok is 1."""
OK_AT, OK_ODDS = 0.35, 999.0
"""A good weld's furthest check is typically at this share of its limit, and then good with these odds."""

TWO_SIDED = (
    "weld_time_ms", "current_rms_ka", "energy_j", "r_first_uohm", "r_alpha_uohm", "r_beta_uohm", "r_mean_uohm",
    "r_end_uohm", "r_drop_uohm", "force_mean_kn", "voltage_rms_v", "voltage_end_v",
)  # fmt: skip
ONE_SIDED = ("step_uohm", "force_step_kn", "current_dip_share", "voltage_step_v")
"""Less of a step or dip than usual is no fault."""
DECIDING = (*TWO_SIDED, *ONE_SIDED)
CHECKS = (*DECIDING, "late step", *(f"signature {k}" for k in range(len(SIGNATURES))), "pattern", "shape_t2", "shape_q")
"""Everything that can make a defect, in the order of `Findings.checks`."""

_USED = np.array([AT[name] for name in USED])
_TWO = np.array([AT[name] for name in TWO_SIDED])
_ONE = np.array([AT[name] for name in ONE_SIDED])
_DECIDING = np.concatenate((_TWO, _ONE))
_STEPS = [CHECKS.index(name) for name in ("step_uohm", "force_step_kn", "late step")]
_STEP_FEATURES = np.array([AT["step_uohm"], AT["force_step_kn"], AT["step_left"]])
"""What tells an expulsion, each by itself, and the feature that shows it."""
_DIP = CHECKS.index("current_dip_share")
_FILTERS = slice(CHECKS.index("signature 0"), CHECKS.index("pattern"))
_SIGNS = np.sign(np.array([[one.change.get(name, 0.0) for name in FEATURES] for one in SIGNATURES]))
_SCORE_OF = [*(SCORED.index(one.cause) for one in SIGNATURES), SCORED.index("shape")]
_STEEP = np.log(OK_ODDS) / (1 - OK_AT)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found about `n` welds."""

    cause: NDArray[np.object_]
    """(n,) of `DEFECT_CAUSES`, or "" for a weld within all limits."""
    lead: NDArray[np.int64]
    """(n,) column of the feature that shows the cause most, or that lies furthest; -1 when nothing was compared."""
    ratio: NDArray[np.float64]
    """(n,) the furthest check in units of its limit: 1 and more is a defect; NaN when nothing was compared."""
    scores: NDArray[np.float64]
    """(n, C) by `SCORED`, sum 1; NaN when nothing was compared."""
    checks: NDArray[np.float64]
    """(n, checks) by `CHECKS`, sigmas; -inf where a check does not apply."""


def classify(
    z: NDArray[np.float64],
    values: NDArray[np.float32],
    centre: NDArray[np.float64],
    shape: NDArray[np.float64],
    noise: Noise,
    limits: Limits,
) -> Findings:
    """Return what is found about welds from their distances `z` (n, F), sigmas; NaN distances decide nothing.

    `values` and `centre` (n, F) are the features and their references, `shape` (n, 2) the distances of the whole
    curve's T² and Q. Each weld's findings depend on its own numbers and on `noise` and `limits` alone.
    """
    used = z.take(_USED, axis=1)
    filtered, size, degrees = noise.apply(used)
    checks = _checks(z, values, centre, shape, filtered if noise.known else None, size, degrees)
    ratios = checks / limits.sigma
    ratio = ratios.max(axis=1)
    compared = np.isfinite(ratio)

    cause = np.full(len(z), "", dtype=object)
    lead = np.where(compared, _DECIDING[np.argmax(ratios[:, : len(DECIDING)], axis=1)], -1)
    scores = np.full((len(z), len(SCORED)), np.nan)
    scores[compared] = 0.0
    scores[compared, 0] = 1.0
    at = np.flatnonzero(ratio >= SUSPECT)
    if len(at):
        cause[at], lead[at], scores[at] = _explain(
            z[at], values[at], ratios[at], lead[at], *_fit(filtered[at], size[at], degrees[at])
        )
    return Findings(cause, lead, np.where(compared, ratio, np.nan), scores, checks)


def _explain(
    z: NDArray[np.float64],
    values: NDArray[np.float32],
    ratios: NDArray[np.float64],
    lead: NDArray[np.int64],
    best: NDArray[np.int64],
    misfit: NDArray[np.float64],
    any_misfit: NDArray[np.float64],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.float64]]:
    """Return cause, lead and scores of welds, given the furthest feature of each as `lead` and what `_fit` says."""
    ratio = ratios.max(axis=1)
    dip = np.where(values[:, AT["current_dip_share"]] >= DIP_SHARE, ratios[:, _DIP], -np.inf)
    expelled = np.where(values[:, AT["step_left"]] <= MELT_LEFT, ratios[:, _STEPS].max(axis=1), -np.inf)
    scores = _scores(ratio, dip, expelled, misfit, any_misfit)
    cause = np.array(SCORED, dtype=object)[1 + np.argmax(scores[:, 1:], axis=1)]
    cause[~(ratio >= 1)] = ""

    # What shows the cause: of its signature the feature that went furthest the right way, else the furthest of all.
    along = np.where(_SIGNS[best] * np.sign(z) > 0, np.abs(z), 0.0)
    for name in ("voltage_rms_v", "voltage_end_v"):
        along[~np.isnan(z[:, AT["current_rms_ka"]]), AT[name]] = 0.0
    explained = (cause != "") & (cause != "shape") & (along.max(axis=1) > 0)
    lead = np.where(explained, np.argmax(along, axis=1), lead)
    told = _STEP_FEATURES[np.argmax(ratios[:, _STEPS], axis=1)]
    lead = np.where(cause == "expulsion", told, lead)
    lead[cause == "mains_dip"] = AT["current_dip_share"]
    return cause, lead, scores


def starved(values: NDArray[np.float32], centre: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which welds (n, F) had so little current, for so long, that they cannot have been made."""
    weak: NDArray[np.bool_] = values[:, AT["charge_c"]] < STARVED_CHARGE * centre[:, AT["charge_c"]]
    return weak & (values[:, AT["weld_time_ms"]] >= STARVED_TIME * centre[:, AT["weld_time_ms"]])


def learn(
    z: NDArray[np.float64],
    centre: NDArray[np.float64],
    sigma: NDArray[np.float64],
    told: NDArray[np.bool_],
    conforms: NDArray[np.bool_],
    checks: NDArray[np.float64],
    noise: Noise,
    limits: Limits,
) -> None:
    """Take what welds teach: the limits from those that were `told` (n,) from sound ones, the noise if they conform."""
    limits.add(checks if told.all() else checks.take(np.flatnonzero(told), axis=0))
    at = np.flatnonzero(told & conforms)
    used, spread, usual = (table.take(_USED, axis=1).take(at, axis=0) for table in (z, sigma, centre))
    noise.add(used, spread / np.abs(usual))


def _checks(
    z: NDArray[np.float64],
    values: NDArray[np.float32],
    centre: NDArray[np.float64],
    shape: NDArray[np.float64],
    filtered: NDArray[np.float64] | None,
    size: NDArray[np.float64],
    degrees: NDArray[np.int64],
) -> NDArray[np.float64]:
    checks = np.full((len(z), len(CHECKS)), -np.inf)
    checks[:, : len(TWO_SIDED)] = np.abs(z.take(_TWO, axis=1))
    checks[:, len(TWO_SIDED) : len(DECIDING)] = z.take(_ONE, axis=1)
    checks[:, CHECKS.index("late step")] = -z[:, AT["step_left"]]
    small = ~(values[:, AT["step_uohm"]] >= STEP_SHARE * centre[:, AT["r_beta_uohm"]])
    checks[np.flatnonzero(small)[:, None], _STEPS] = -np.inf
    checks[~(values[:, AT["step_left"]] <= MELT_LEFT), CHECKS.index("late step")] = -np.inf
    if filtered is not None:
        checks[:, _FILTERS] = filtered
        # T² over its degrees of freedom is nearly normal in its cube root (E. B. Wilson, M. M. Hilferty, 1931).
        unit = 2 / (9 * np.maximum(degrees, 1))
        checks[:, CHECKS.index("pattern")] = (np.cbrt(size / np.maximum(degrees, 1)) - (1 - unit)) / np.sqrt(unit)
        checks[degrees == 0, CHECKS.index("signature 0") : CHECKS.index("shape_t2")] = -np.inf
    checks[:, CHECKS.index("shape_t2") :] = shape
    checks[np.isnan(checks)] = -np.inf
    return checks


def _fit(
    filtered: NDArray[np.float64], size: NDArray[np.float64], degrees: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the best signature (n,), the misfits (n, K) of all, and that of a departure of any kind (n,)."""
    explained = np.square(np.maximum(filtered, 0.0))
    misfit: NDArray[np.float64] = (size[:, None] - explained) / (1 + UNSURE**2 * explained)
    misfit[filtered < NAMED_FROM] = np.inf
    return np.argmin(misfit, axis=1), misfit, degrees.astype(np.float64) + SHAPE_MISFIT


def _scores(
    ratio: NDArray[np.float64],
    dip: NDArray[np.float64],
    expelled: NDArray[np.float64],
    misfit: NDArray[np.float64],
    any_misfit: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the scores (n, C): the chance of a defect, shared among dip, expulsion and signatures, in this order."""
    every = np.column_stack((misfit, any_misfit))
    weight = np.exp(-0.5 * (every - every.min(axis=1, keepdims=True)))
    share = np.zeros((len(ratio), len(SCORED)))
    for k, column in enumerate(_SCORE_OF):  # a cause is as likely as the likeliest of its forms
        share[:, column] = np.maximum(share[:, column], weight[:, k])
    share /= share.sum(axis=1, keepdims=True)
    left = _chance(ratio)
    scores = np.zeros((len(ratio), len(SCORED)))
    scores[:, 0] = 1 - left
    for name, event in (("mains_dip", dip), ("expulsion", expelled)):
        part = left * _chance(event)
        scores[:, SCORED.index(name)] = part
        left = left - part
    return scores + left[:, None] * share


def _chance(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance that a check at `ratio` of its limit tells a defect."""
    chance: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(_STEEP * (1 - ratio), -700, 700)))
    return chance
