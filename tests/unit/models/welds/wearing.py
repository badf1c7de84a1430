"""Guns that wear by known lines, as a judge would have seen their welds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from models.welds.batch import ABSENT_WEAR, WeldBatch
from models.welds.features import FEATURES, extract
from models.welds.judge import GunEvent
from models.welds.verdicts import Verdicts
from models.welds.wear_trend import INDICATORS

S = 10**9
START = 1_790_000_000 * S
TAKT_S = 60
LEVELS = {"r_beta_uohm": 170.0, "r_end_uohm": 140.0, "voltage_rms_v": 1.4, "current_rms_ka": 9.0}
PER_100 = {"r_beta_uohm": -0.03, "r_end_uohm": -0.033, "voltage_rms_v": -0.02, "current_rms_ka": 0.01}


@dataclass(frozen=True, slots=True)
class Worn:
    """Guns `G0`, `G1` ... of some spots each, dressed every few bodies."""

    guns: int = 2
    spots: int = 20
    bodies: int = 120
    dress_bodies: int = 12
    dress_scatter: float = 0.008
    """Of the logarithm of every indicator, from dress to dress."""
    scatter: float = 0.015
    """... and from weld to weld; a fifth of it in the current."""
    skipped: tuple[int, ...] = ()
    """Dresses (by number) that take nothing off."""
    counted: bool = True
    fault_share: float = 0.0
    """Welds that have half their resistance and voltage."""
    seed: int = 1

    def judged(self) -> tuple[WeldBatch, Verdicts]:
        """Return all welds in order of time: bodies by turns, spots in order, all guns at the same times."""
        rng = np.random.default_rng(self.seed)
        body, spot, gun = (
            grid.ravel() for grid in np.meshgrid(*map(np.arange, (self.bodies, self.spots, self.guns)), indexing="ij")
        )
        n = len(body)
        counter = body % self.dress_bodies * self.spots + spot
        dress = body // self.dress_bodies
        last = np.maximum.accumulate([d if d not in self.skipped else 0 for d in range(dress.max() + 1)])
        wear = (body - last[dress] * self.dress_bodies) * self.spots + spot
        stream_level = 0.2 * rng.standard_normal((self.guns, self.spots))[gun, spot]
        dress_level = self.dress_scatter * rng.standard_normal((self.guns, dress.max() + 1))[gun, last[dress]]
        faulty = rng.random(n) < self.fault_share
        batch = WeldBatch(
            id=[str(k) for k in range(n)],
            spot=[f"G{g}-{s}" for g, s in zip(gun, spot, strict=True)],
            gun=[f"G{g}" for g in gun],
            body=[str(b) for b in body],
            program=[f"P{s % 3}" for s in spot],
            time_ns=START + (body * TAKT_S * S + spot * (TAKT_S * S // self.spots // 2)),
            dt_us=np.full(n, 1000),
            wear_count=counter if self.counted else np.full(n, ABSENT_WEAR),
            historical=np.zeros(n, dtype=np.bool_),
            offsets=np.arange(n + 1),
            current_ka=np.zeros(n, dtype=np.float32),
            voltage_v=np.zeros(n, dtype=np.float32),
            force_kn=np.full(n, np.nan, dtype=np.float32),
            displacement_mm=np.full(n, np.nan, dtype=np.float32),
        )
        verdicts = Verdicts.empty(extract(batch))
        verdicts.features[:] = np.nan
        for name in INDICATORS:
            own = self.scatter * (0.2 if name == "current_rms_ka" else 1.0)
            shared = 0.0 if name == "current_rms_ka" else dress_level
            log = stream_level + PER_100[name] * wear / 100 + shared + own * rng.standard_normal(n)
            fault = np.where(faulty & (name != "current_rms_ka"), 0.5, 1.0)
            verdicts.features[:, FEATURES.index(name)] = LEVELS[name] * np.exp(log) * fault
        return batch, verdicts

    def events(self) -> list[GunEvent]:
        """Return the dresses, those that take nothing off included, shortly before the welds that follow."""
        return [
            GunEvent("tip_dress", START + body * TAKT_S * S - S, f"G{gun}")
            for body in range(self.dress_bodies, self.bodies, self.dress_bodies)
            for gun in range(self.guns)
        ]


def parts(batch: WeldBatch, verdicts: Verdicts, cuts: list[int]) -> Iterator[tuple[WeldBatch, Verdicts]]:
    """Yield a judged batch in pieces that end at `cuts`."""
    for start, stop in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        part = slice(start, stop)
        fields = {name: getattr(verdicts, name)[part] for name in ("features", "verdict", "cause", "late")}
        yield batch.take(start, stop), replace(verdicts, **fields)
