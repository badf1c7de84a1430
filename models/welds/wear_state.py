"""What is remembered and what can be told of the electrodes of each gun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.welds.wear_trend import BLOCK, K

NEVER = np.iinfo(np.int64).min
POINTS = 64
"""Of the line since the last dress that are kept to be drawn; every second one goes when they are full."""
PAST_DRESSES = 20
PAST_CAPS = 5

GUN_SPEC: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "fill": ((), np.int64, 0),  # welds in the block being gathered
    "held_stream": ((BLOCK,), np.int64, -1),
    "held_wear": ((BLOCK,), np.float64, 0.0),
    "held_y": ((BLOCK, K), np.float64, np.nan),
    "wear": ((), np.float64, 0.0),  # welds since the dress, of the latest weld
    "count": ((), np.int64, 0),  # welds seen since the dress
    "base": ((), np.int64, 0),  # what the controller's counter stood at then
    "counter": ((), np.int64, -1),  # of the latest weld that had one
    "time_ns": ((), np.int64, NEVER),  # of the latest weld
    "begun_ns": ((), np.int64, NEVER),  # of the dress; never: none was seen
    "before_ns": ((), np.int64, NEVER),  # of the latest weld before it
    "by_event": ((), np.bool_, False),
    "due_ns": ((), np.int64, NEVER),  # of an event that no weld has followed yet
    "due_cap": ((), np.bool_, False),  # it was a cap change
    "skip": ((), np.int64, 0),  # conditioning welds to come
    "past": ((PAST_DRESSES,), np.float64, np.nan),  # wear at which it was dressed, newest first
    "cap_ns": ((), np.int64, NEVER),
    "cap_welds": ((), np.int64, 0),
    "dresses": ((), np.int64, 0),  # since the cap change, or since the gun was first seen
    "past_caps": ((PAST_CAPS,), np.float64, np.nan),  # dresses that caps had, newest first
    "warned": ((), np.bool_, False),
    "check_blocks": ((), np.int64, -1),  # taken since the dress; -1: nothing to check
    "check_sum": ((K,), np.float64, 0.0),
    "check_before": ((K,), np.float64, np.nan),  # log change from a dressed tip at the dress
    "checked_ns": ((), np.int64, NEVER),
    "checked": ((4,), np.float64, np.nan),  # indicator (-1: none), log fall before and after, sigma of after
    "points": ((), np.int64, 0),
    "point_step": ((), np.int64, 1),  # blocks a point
    "point_skip": ((), np.int64, 0),  # blocks until the next
    "point_wear": ((POINTS,), np.float64, np.nan),
    "point_change": ((POINTS, K), np.float64, np.nan),
}


@dataclass(frozen=True, slots=True)
class WearSettings:
    """What the forecast is measured against."""

    limit_sigma: float = 6.0
    """Distance from its reference that makes a weld a defect."""
    conditioning_n: int = 40
    """Welds after a cap change that say nothing of wear."""
    density_loss: float = 0.06
    """Share of the current density at the tip, read as voltage, that may be lost since the dress."""
    warn_welds: int = 100
    """A warning comes when the limit may be nearer than this."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One stretch of welds since the last dress."""

    wear: float
    """Mean welds since the dress."""
    change: tuple[float, ...]
    """(K,) change of each of `INDICATORS` since the dress, a share; NaN when the stretch did not say."""


@dataclass(frozen=True, slots=True)
class IndicatorTrend:
    """How one indicator changes with wear."""

    feature: str
    per_100: float
    """Change over 100 welds, a share."""
    low: float
    """Of its 95 % interval."""
    high: float
    now: float
    """Change since the dress, a share."""
    limit: float
    """Change at which a limit is reached, a share; NaN: it has none, or it is not known yet."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Welds that are left until the first of the limits."""

    limit: str
    """`reference`: the spots' welds leave their references; `density`: the current density has fallen too far;
    `routine`: the gun is usually dressed then."""
    feature: str
    """The indicator that gets there; empty for `routine`."""
    expected: float
    """Welds from now; infinite when nothing moves towards a limit."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DressCheck:
    """What a dress or a cap change did."""

    time_ns: int
    feature: str
    """The indicator that shows it best; empty when none was worn enough to show anything."""
    before: float
    """Change since a dressed tip, a share, just before."""
    after: float
    """... and just after."""
    recovered: float
    """Share of the change that is gone; with the ends of its 95 % interval."""
    low: float
    high: float

    @property
    def effective(self) -> bool | None:
        """Less than half came back beyond doubt: no; more than half beyond doubt: yes; else it cannot be told."""
        if self.high < HALF:
            return False
        return True if self.low > HALF else None


HALF = 0.5
"""Share of the wear that a dress must take off to have worked."""


@dataclass(frozen=True, slots=True)
class GunWear:
    """The electrodes of one gun, as of its latest weld."""

    gun: str
    time_ns: int
    wear: int
    """Welds since the last dress or cap change, or since the gun was first seen."""
    counted: bool
    """By the controller; else they were counted here."""
    dressed_ns: int | None
    """When; None: not seen yet."""
    dresses: int
    """Since the cap change, or since the gun was first seen."""
    caps_ns: int | None
    """When the caps were changed; None: not seen yet."""
    caps_welds: int
    """Welds since, or since the gun was first seen."""
    routine: tuple[float, float, float]
    """Welds between two dresses as they usually are, with the 95 % interval of the next; NaN: not known."""
    dresses_per_cap: float
    """Usual; NaN: not known."""
    ready: bool
    """Enough welds are known for a trend."""
    trends: tuple[IndicatorTrend, ...]
    points: tuple[TrendPoint, ...]
    forecast: Forecast | None
    check: DressCheck | None

    @property
    def next_action(self) -> str:
        """`cap_change` when the caps have had as many dresses as they usually get, else `tip_dress`."""
        return "cap_change" if self.dresses >= self.dresses_per_cap else "tip_dress"
