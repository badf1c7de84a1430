"""Which cause explains the distances: physics rules, first that applies, from the most specific to the least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.welds.features import FEATURES

_AT = {name: column for column, name in enumerate(FEATURES)}
WIDE = 1.5
"""Contact at the start and the place of β scatter with heavy tails from body to body: they need a wider limit."""
STEP_SHARE = 0.06
"""An expulsion also takes at least this share of R_β away; less is noise on a quiet stream."""
THIN_SHARE = 0.75
"""A whole curve below this share of its reference lacks a sheet; drift and wear stay above it."""

DECIDING = tuple(
    _AT[name]
    for name in (
        "weld_time_ms", "current_rms_ka", "energy_j", "r_alpha_uohm", "r_beta_uohm",
        "r_end_uohm", "r_drop_uohm", "step_uohm", "force_mean_kn",
    )
)  # fmt: skip
"""Features that can make a defect; the rest are shown as evidence."""
_LIMIT = np.ones(len(FEATURES))
_LIMIT[[_AT["r_alpha_uohm"], _AT["weld_time_ms"]]] = WIDE
_ONE_SIDED = np.zeros(len(FEATURES), dtype=np.bool_)
_ONE_SIDED[_AT["step_uohm"]] = True  # less of a step than usual is no fault


def classify(
    z: NDArray[np.float64],
    values: NDArray[np.float32],
    centre: NDArray[np.float64],
    limit_sigma: float,
    shape: NDArray[np.float64],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.float64]]:
    """Return cause, lead feature and score of `n` welds from their distances `z` (n, F), sigmas.

    `values` and `centre` (n, F) are the features and their references, `shape` (n, 2) the distances of the whole
    curve's T² and Q. The cause is "" for a weld within all limits;
    the lead is the column (-1: none) with the largest distance in units of its own limit, among those that belong to
    the cause; the score is that distance, scaled so that `limit_sigma` is the limit. NaN distances decide nothing.
    """
    n = len(z)
    if not n:
        return np.empty(0, dtype=object), np.empty(0, dtype=np.int64), np.empty(0)
    scaled = z / _LIMIT
    distance = np.where(_ONE_SIDED, scaled, np.abs(scaled))
    distance[np.isnan(distance)] = -np.inf
    step_share = values[:, _AT["step_uohm"]] / centre[:, _AT["r_beta_uohm"]]
    distance[~(step_share >= STEP_SHARE), _AT["step_uohm"]] = -np.inf

    def high(name: str) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = scaled[:, _AT[name]] >= limit_sigma
        return result

    def low(name: str) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = scaled[:, _AT[name]] <= -limit_sigma
        return result

    thin = (values < THIN_SHARE * centre)[:, [_AT["r_beta_uohm"], _AT["r_end_uohm"]]].all(axis=1)
    expelled = distance[:, _AT["step_uohm"]] >= limit_sigma
    rules: tuple[tuple[str, NDArray[np.bool_], tuple[str, ...]], ...] = (
        ("missing_sheet", thin & low("r_beta_uohm") & low("r_end_uohm"), ("r_beta_uohm", "r_end_uohm")),
        ("expulsion", expelled, ("step_uohm",)),
        (
            "low_heat",
            low("current_rms_ka") | low("energy_j") | low("weld_time_ms") | high("r_end_uohm") | low("r_drop_uohm"),
            ("current_rms_ka", "energy_j", "weld_time_ms", "r_end_uohm", "r_drop_uohm"),
        ),
        (
            "excess_heat",
            high("current_rms_ka") | high("energy_j") | high("weld_time_ms"),
            ("current_rms_ka", "energy_j", "weld_time_ms"),
        ),
        ("poor_fit_up", high("r_alpha_uohm") | low("r_alpha_uohm"), ("r_alpha_uohm",)),
        (
            "shape",
            (distance[:, DECIDING].max(axis=1) >= limit_sigma) | (shape >= limit_sigma).any(axis=1),
            tuple(FEATURES[i] for i in DECIDING),
        ),
    )
    cause = np.full(n, "", dtype=object)
    lead = np.array(DECIDING)[np.argmax(distance[:, DECIDING], axis=1)]
    for name, hit, columns in reversed(rules):
        own = np.array([_AT[column] for column in columns])
        cause[hit] = name
        lead[hit] = own[np.argmax(distance[hit][:, own], axis=1)]
    score = distance[np.arange(n), lead]
    nothing = np.isneginf(score)
    return cause, np.where(nothing, -1, lead), np.where(nothing, np.nan, score)
