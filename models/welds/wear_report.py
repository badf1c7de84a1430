"""What can be told from the wear lines: forecasts, checks of dresses, and the whole picture of a gun."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from models.welds.wear_forecast import Z95, Line, usual, welds_to
from models.welds.wear_state import (
    NEVER,
    DressCheck,
    Forecast,
    GunWear,
    IndicatorTrend,
    TrendPoint,
    WearSettings,
)
from models.welds.wear_trend import (
    BLOCK,
    FRESH_MEMORY_N,
    INDICATORS,
    PER,
    SCATTER_FLOOR,
    WALK,
    Floats,
    Ints,
    Rows,
    Trends,
)

CHECK_BLOCKS = 3
"""After a dress, on which it is checked."""
READY_BLOCKS = 20
"""Blocks of a gun before its line is believed."""
LEFT_SHARE = 0.01
"""The welds of a gun leave their references when wear alone puts this share of them beyond the limit."""
BEND = 0.1
"""Wear is no straight line: the slope ahead may differ by this share from that behind, one sigma."""
MEASURABLE = 3.0
"""A dress is checked on an indicator that had gone this many sigmas of what a dress usually leaves."""
FALLING = [INDICATORS.index(name) for name in ("r_beta_uohm", "r_end_uohm", "voltage_rms_v")]
"""Indicators that fall with wear; the current is what the stepper makes of it."""
VOLTAGE = INDICATORS.index("voltage_rms_v")
CANDIDATES = (*(("reference", INDICATORS[k]) for k in FALLING), ("density", "voltage_rms_v"))


class Report:
    """Reads the state of a `WearTracker`."""

    def __init__(self, settings: WearSettings, rows: Rows, trends: Trends) -> None:
        self._settings, self._rows, self._trends = settings, rows, trends

    def wear_limits(self, guns: Ints) -> tuple[Floats, Floats, Floats]:
        """Return when wear brings guns (n,) to each of `CANDIDATES`: welds (expected, low, high), each (n, 4).

        All infinite (low too) where the line is not known yet.
        """
        g = self._trends.gun
        wear, mean = self._rows["wear"][guns][:, None] / PER, g["mean_wear"][guns][:, None] / PER
        level = g["level"][guns][:, FALLING]
        # From the references, which lie at the streams' mean wear, and from a dressed tip.
        x = np.concatenate((np.repeat(wear - mean, len(FALLING), axis=1), wear), axis=1)
        both = [*FALLING, VOLTAGE]
        slopes = g["slope"][guns][:, both]
        lost = np.full((len(guns), 1), -math.log1p(-self._settings.density_loss))
        fresh = g["fresh"][guns][:, [VOLTAGE]]
        base = np.concatenate((level, level[:, [FALLING.index(VOLTAGE)]] - fresh), axis=1)
        variance, covariance = g["level_variance"][guns][:, both], g["covariance"][guns][:, both]
        turning = g["slope_variance"][guns][:, both] + np.square(BEND * slopes)
        doubt = variance + 2 * x * covariance + np.square(x) * turning
        doubt[:, -1] += g["fresh_variance"][guns][:, VOLTAGE] / FRESH_MEMORY_N
        line = Line(
            level=-(base + slopes * x),
            slope=-slopes / PER,
            level_variance=doubt,
            covariance=(covariance + x * turning) / PER,
            slope_variance=turning / PER**2,
            walk=np.full_like(x, WALK / BLOCK),
        )
        unknown = g["blocks"][guns][:, both] < READY_BLOCKS
        expected, low, high = welds_to(line, np.concatenate((self._widths(guns), lost), axis=1))
        return np.where(unknown, np.inf, expected), np.where(unknown, np.inf, low), np.where(unknown, np.inf, high)

    def _widths(self, guns: Ints) -> Floats:
        """Return how far the mean weld of guns (n,) may be from its reference, (n, 3) logarithms of `FALLING`.

        A reference is as wide as a stream's welds scatter: about the line, from dress to dress, and along the line.
        """
        g = self._trends.gun
        own = np.maximum(g["scatter"][guns] + g["fresh_variance"][guns], SCATTER_FLOOR**2)[:, FALLING]
        along = np.square(g["slope"][guns][:, FALLING] / PER) * g["reach"][guns][:, None]
        widths: Floats = (self._settings.limit_sigma - float(ndtri(1 - LEFT_SHARE))) * np.sqrt(own + along)
        return widths

    def routine(self, gun: int) -> tuple[float, float, float]:
        """Return the usual welds between two dresses, with the 95 % interval of the next; NaN: not known."""
        past = self._rows["past"][gun]
        return usual(past[~np.isnan(past)])

    def forecast(self, gun: int, limits: tuple[Floats, Floats, Floats]) -> Forecast | None:
        """Return the first of the limits of one gun, its `wear_limits` (1, 4) given; None when none is known."""
        expected, low, high = (part[0] for part in limits)
        k = int(np.argmin(expected))
        done = float(self._rows["wear"][gun]) + 1
        routine = [welds - done for welds in self.routine(gun)]
        soonest, latest = float(low.min()), float(high.min())
        if not math.isnan(routine[0]):
            routine = [max(welds, 0.0) for welds in routine]
            soonest, latest = min(soonest, routine[1]), min(latest, routine[2])
            if routine[0] <= expected[k]:
                return Forecast("routine", "", routine[0], soonest, latest)
        if math.isinf(soonest):
            return None
        limit, feature = CANDIDATES[k]
        return Forecast(limit, feature, float(expected[k]), soonest, latest)

    def alarming(self, guns: Ints) -> list[tuple[int, Forecast]]:
        """Return those of `guns` of whom people should be warned, with the reason.

        That wear may reach its limit within `warn_welds`, and likely before the gun is usually dressed; or that a gun
        has gone on well beyond where it is usually dressed.
        """
        if not len(guns):
            return []
        found = []
        expected, low, high = self.wear_limits(guns)
        near = low.min(axis=1) <= self._settings.warn_welds
        for k in range(len(guns)):
            gun = int(guns[k])
            wear = float(self._rows["wear"][gun])
            mean, _, latest = self.routine(gun)
            if near[k]:
                first = int(np.argmin(expected[k]))
                limit, feature = CANDIDATES[first]
                forecast = Forecast(
                    limit, feature, float(expected[k, first]), float(low[k].min()), float(high[k].min())
                )
                # Half-way to the upper bound, about one sigma: it is likely, and not just as likely as not.
                late = (forecast.expected + forecast.high) / 2
                if math.isfinite(late) and not wear + late >= mean:
                    found.append((gun, forecast))
                    continue
            if wear > max(latest, mean + BLOCK):
                found.append((gun, Forecast("routine", "", 0.0, 0.0, 0.0)))
        return found

    def check(self, gun: int) -> DressCheck:
        """Judge the dress that began the stretch which has now had its first blocks, and learn from it."""
        g, t = self._rows, self._trends.gun
        before = -g["check_before"][gun]
        level = g["check_sum"][gun] / g["check_blocks"][gun]
        after = -(level - t["fresh"][gun])
        measured = t["noise"][gun] / g["check_blocks"][gun]
        sigma = np.sqrt(t["fresh_variance"][gun] * (1 + 1 / FRESH_MEMORY_N) + measured)
        seen = np.where(t["blocks"][gun] >= READY_BLOCKS, before / sigma, -np.inf)[FALLING]
        seen[np.isnan(after[FALLING])] = -np.inf
        best = FALLING[int(np.argmax(seen))]
        told = seen.max() >= MEASURABLE
        g["checked_ns"][gun], g["check_blocks"][gun] = g["begun_ns"][gun], -1
        g["checked"][gun] = (best if told else -1, before[best], after[best], sigma[best])
        check = self.last_check(gun)
        if check is None:
            raise AssertionError("a check has just been made")
        if check.effective is not False:
            self._trends.learn_fresh(gun, level, measured)
        return check

    def last_check(self, gun: int) -> DressCheck | None:
        """Return what the last dress that could be checked did."""
        g = self._rows
        if g["checked_ns"][gun] == NEVER:
            return None
        best, before, after, sigma = g["checked"][gun].tolist()
        if best < 0:
            return DressCheck(int(g["checked_ns"][gun]), "", *([math.nan] * 5))
        recovered, half = 1 - after / before, Z95 * sigma / before
        return DressCheck(
            int(g["checked_ns"][gun]), INDICATORS[int(best)], math.expm1(-before), math.expm1(-after),
            recovered, recovered - half, recovered + half,
        )  # fmt: skip

    def gun(self, name: str, row: int) -> GunWear:
        """Return the whole picture of one gun."""
        g, t = self._rows, self._trends.gun
        past_caps = g["past_caps"][row]
        ready = bool((t["blocks"][row] >= READY_BLOCKS).any())
        n = int(g["points"][row])
        return GunWear(
            gun=name,
            time_ns=int(g["time_ns"][row]),
            wear=int(g["wear"][row]) + 1,
            counted=bool(g["counter"][row] >= 0),
            dressed_ns=_moment(g["begun_ns"][row]),
            dresses=int(g["dresses"][row]),
            caps_ns=_moment(g["cap_ns"][row]),
            caps_welds=int(g["cap_welds"][row]),
            routine=self.routine(row),
            dresses_per_cap=float(np.nanmedian(past_caps)) if not np.isnan(past_caps).all() else math.nan,
            ready=ready,
            trends=tuple(self._trend(row, k) for k in range(len(INDICATORS))) if ready else (),
            points=tuple(
                TrendPoint(float(wear), tuple(np.expm1(change).tolist()))
                for wear, change in zip(g["point_wear"][row, :n], g["point_change"][row, :n], strict=True)
            ),
            forecast=self.forecast(row, self.wear_limits(np.array([row]))),
            check=self.last_check(row),
        )

    def _trend(self, row: int, k: int) -> IndicatorTrend:
        t = self._trends.gun
        slope, half = float(t["slope"][row, k]), Z95 * math.sqrt(t["slope_variance"][row, k])
        change = t["level"][row, k] - t["fresh"][row, k] + slope * float(self._rows["wear"][row]) / PER
        known = t["blocks"][row, k] >= READY_BLOCKS
        per_100, low, high, now = (
            math.expm1(x) if known else math.nan for x in (slope, slope - half, slope + half, change)
        )
        return IndicatorTrend(INDICATORS[k], per_100, low, high, now, self._limit(row, k) if known else math.nan)

    def _limit(self, row: int, k: int) -> float:
        """Return the change from a dressed tip at which an indicator reaches a limit, a share."""
        if k not in FALLING:
            return math.nan
        t = self._trends.gun
        width = self._widths(np.array([row]))[0, FALLING.index(k)]
        limit = math.expm1(-width - t["fresh"][row, k] + t["slope"][row, k] * t["mean_wear"][row] / PER)
        return max(limit, -self._settings.density_loss) if k == VOLTAGE else limit


def _moment(time_ns: np.int64) -> int | None:
    return None if time_ns == NEVER else int(time_ns)
