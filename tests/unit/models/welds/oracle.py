"""The naive judge: one weld at a time, plain Python floats, straight from the definitions in the docstrings.

Slow and obvious on purpose. It shares constants with the vectorised code (they are the definition) and no function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from models.welds import features as f
from models.welds import prepare as p
from models.welds import sensors as c
from models.welds import signal as s
from models.welds.features import FEATURES
from tests.unit.models.welds.oracle_reference import NaiveReference, Prior, Values
from tests.unit.models.welds.oracle_rules import compare

NAN = math.nan


@dataclass
class Weld:
    spot: str
    program: str
    time_ns: int
    dt_us: int
    current: list[float]
    voltage: list[float]
    force: list[float] | None = None
    gun: str = "G1"


def read_features(weld: Weld) -> tuple[dict[str, float], str]:
    """Return the features and the sensor check of one weld."""
    out = dict.fromkeys(FEATURES, NAN)
    blind = not any(math.isfinite(c) for c in weld.current)
    if any(not math.isfinite(x) for x in (*([] if blind else weld.current), *weld.voltage)):
        return out, "gap"
    weld = _coarse(weld)
    dt_ms = weld.dt_us / 1000
    voltage = weld.voltage
    current = [abs(u) for u in voltage] if blind else weld.current
    size = [abs(c) for c in current]
    peak = max(size)
    level = max(s.CONDUCTING_SHARE * peak, s.CONDUCTING_MIN_KA)
    on = [k for k, x in enumerate(size) if x >= level]
    out["weld_time_ms"] = len(on) * dt_ms
    if on:
        _read_whole(out, weld, on, dt_ms, blind)
    runs: list[list[int]] = []
    for k in on:
        if runs and runs[-1][-1] == k - 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    core: list[int] = []
    if runs:
        main = max(reversed(runs), key=len)
        share = s.SETTLED_SHARE_VOLTAGE if blind else s.SETTLED_SHARE
        settled = [k for k in main if size[k] >= share * max(size[k] for k in main)]
        core = list(range(settled[0], settled[-1] + 1))
    if len(core) >= f.MIN_CORE_SAMPLES:
        _read_core(out, core, weld, current, dt_ms, blind)
    return out, _check(out, core, current, voltage, None if blind else peak)


def _coarse(weld: Weld) -> Weld:
    if weld.dt_us >= p.FINE_US:
        return weld
    by = max(round(1000 / weld.dt_us), 1)

    def mean(curve: list[float]) -> list[float]:
        parts = [curve[k : k + by] for k in range(0, len(curve), by)]
        return [sum(part) / len(part) for part in parts]

    force = mean(weld.force) if weld.force else None
    return replace(weld, dt_us=weld.dt_us * by, current=mean(weld.current), voltage=mean(weld.voltage), force=force)


def _read_whole(out: dict[str, float], weld: Weld, on: list[int], dt_ms: float, blind: bool) -> None:
    first, last = on[0], on[-1] + 1
    inside = range(first, last)
    if not blind:
        out["energy_j"] = sum(weld.current[k] * weld.voltage[k] for k in inside) * dt_ms
        out["charge_c"] = sum(abs(weld.current[k]) for k in inside) * dt_ms
        begin = min(first + round(f.FIRST_MS[0] / dt_ms), last - 1)
        end = min(max(first + round(f.FIRST_MS[1] / dt_ms), begin + 1), last)
        out["r_first_uohm"] = 1000 * sum(weld.voltage[begin:end]) / sum(weld.current[begin:end])
    if weld.force:
        out["force_mean_kn"] = sum(weld.force[k] for k in inside) / len(inside)


def _read_core(
    out: dict[str, float], core: list[int], weld: Weld, current: list[float], dt_ms: float, blind: bool
) -> None:
    n = len(core)
    out["voltage_rms_v"] = math.sqrt(sum(weld.voltage[k] ** 2 for k in core) / n)
    raw = [1000 * abs(weld.voltage[k]) if blind else 1000 * weld.voltage[k] / current[k] for k in core]
    ends = [raw[0], *raw, raw[-1]]
    smooth = [sum(ends[k : k + 3]) / 3 for k in range(n)]
    early = int(max(1, min(f.ALPHA_MS / dt_ms, f.ALPHA_SHARE * n)))
    alpha_at = min(range(early), key=lambda k: smooth[k])
    beta_at = max(range(alpha_at, n), key=lambda k: smooth[k])
    tail = int(min(max(round(f.END_MS / dt_ms), 2), max(2, n // 4)))
    end = sum(raw[-tail:]) / tail
    to_end_ms = (n - 1 - beta_at) * dt_ms
    width = min(max(round(f.STEP_MS / dt_ms), f.STEP_SAMPLES[0]), f.STEP_SAMPLES[1])
    falls = {k: smooth[k] - smooth[k + width] for k in range(n // 3 if blind else alpha_at, n - width)}
    step_at = max(falls, key=lambda k: falls[k])
    step = max(0.0, falls[step_at])
    out["step_left"] = (n - 1 - step_at) / n
    if blind:
        out["voltage_end_v"], out["voltage_step_v"] = end / 1000, step / 1000
        return
    out["current_rms_ka"] = math.sqrt(sum(current[k] ** 2 for k in core) / n)
    out["voltage_end_v"] = sum(abs(weld.voltage[k]) for k in core[-tail:]) / tail
    out["r_alpha_uohm"] = smooth[alpha_at]
    out["r_beta_uohm"] = smooth[beta_at]
    out["t_beta_ms"] = beta_at * dt_ms
    out["r_mean_uohm"] = sum(raw) / n
    out["r_end_uohm"] = end
    out["r_drop_uohm"] = smooth[beta_at] - end
    out["r_slope_uohm_per_ms"] = (end - smooth[beta_at]) / to_end_ms if to_end_ms > 0 else 0.0
    out["step_uohm"] = step
    guarded = core[math.ceil(f.DIP_GUARD_MS[0] / dt_ms) : n - math.ceil(f.DIP_GUARD_MS[1] / dt_ms)] or core
    out["current_dip_share"] = max(0.0, 1 - min(abs(current[k]) for k in guarded) / out["current_rms_ka"])
    if weld.force:
        around = [[core[min(max(step_at + round(ms / dt_ms), 0), n - 1)] for ms in side] for side in SIDES]
        before, after = (sum(weld.force[k] for k in side) / 3 for side in around)
        out["force_step_kn"] = before - after


SIDES = (f.BEFORE_MS, f.AFTER_MS)


def _check(
    out: dict[str, float], core: list[int], current: list[float], voltage: list[float], peak: float | None
) -> str:
    low, high = c.TIP_VOLTAGE_V
    across = max(abs(u) for u in voltage)
    if peak is None and across < low:
        return "dead_voltage"
    if peak is not None and peak < c.NO_CURRENT_KA:
        return "dead_current" if low <= across <= high else "no_current"
    if len(core) < f.MIN_CORE_SAMPLES:
        return "too_short"
    if (
        out["voltage_rms_v"] < c.DEAD_VOLTAGE_V
        or 1000 * out["voltage_rms_v"] / out["current_rms_ka"] < c.DEAD_RESISTANCE_UOHM
    ):
        return "dead_voltage"
    curves = [(voltage, c.CLIPPED_SHARE_VOLTAGE)] + ([(current, c.CLIPPED_SHARE_CURRENT)] if peak is not None else [])
    for curve, share in curves:
        inside = [abs(curve[k]) for k in core]
        at_top = inside.count(max(inside))
        if at_top >= c.CLIPPED_MIN_SAMPLES and at_top >= share * len(inside):
            return "clipped"
    return ""


class Oracle:
    """Judges welds one by one."""

    def __init__(self, learn_n: int, limit_sigma: float = 6.0, conditioning_n: int = 0) -> None:
        self.learn_n, self.limit, self.conditioning_n = learn_n, limit_sigma, conditioning_n
        self.streams: dict[tuple[str, str], NaiveReference] = {}
        self.last_ns: dict[tuple[str, str], int] = {}
        self.conditioning: dict[str, list[int]] = {}

    def cap_change(self, gun: str, time_ns: int) -> None:
        self.conditioning[gun] = [self.conditioning_n, time_ns]

    def judge(self, weld: Weld) -> tuple[str, str, str]:
        """Return verdict, cause and lead feature."""
        values, sensor = read_features(weld)
        key = weld.spot, weld.program
        stream = self.streams.setdefault(key, NaiveReference(self.learn_n, Prior()))
        late = weld.time_ns <= self.last_ns.get(key, -(2**63))
        self.last_ns[key] = max(self.last_ns.get(key, -(2**63)), weld.time_ns)
        left = self.conditioning.get(weld.gun)
        conditioning = bool(left and left[0] > 0 and weld.time_ns >= left[1])
        if conditioning:
            left[0] -= 1
        learning = stream.n < self.learn_n
        verdict, cause, lead = "ok", "", ""
        if sensor:
            verdict, cause = ("defect", sensor) if sensor == "no_current" else ("unjudged", sensor)
        elif conditioning:
            verdict, cause = "unjudged", "conditioning"
        elif learning:
            verdict, cause = "unjudged", "learning"
        else:
            cause, lead = self._compare(values, *stream.expect(values, NAN))
            verdict = "defect" if cause else "ok"
        if not sensor and not late and not conditioning and (learning or verdict == "ok"):
            stream.learn(values, NAN)
        return verdict, cause, lead

    def _compare(self, values: Values, centres: Values, sigmas: Values) -> tuple[str, str]:
        z = {name: (values[name] - centres[name]) / sigmas[name] for name in FEATURES}
        return compare(z, values, centres, self.limit)
