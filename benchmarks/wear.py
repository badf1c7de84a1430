"""`python -m benchmarks.wear`: how forecasts of electrode wear compare with the tips of simulated guns.

The tracker sees what controllers send. The truth is the simulator's: the diameter of each tip and the current that the
stepper makes of it, welded without any scatter, give the voltage, and with it when the current density has fallen by
the limit. Forecasts are asked after every body; stretches before the third dress of a gun are its learning time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.simulator.draws import normal
from edge.simulator.joint import Setup
from edge.simulator.lobe import TIP_MM, main_currents_ka, nominal_setup
from edge.simulator.materials import SCHEDULES
from edge.simulator.settings import Electrodes, SimulatorSettings
from edge.simulator.shop import Shop
from edge.simulator.weld import simulate
from models.welds.batch import WeldBatch
from models.welds.features import AT, extract
from models.welds.judge import GunEvent, JudgeSettings, WeldJudge
from models.welds.wear import WearTracker
from models.welds.wear_state import WearSettings

START_NS, MIN_NS = 1_790_000_000 * 10**9, 60 * 10**9
HELP = "Forecasts of electrode wear against the truth."
LEARNING = 2
"""Stretches of a gun that do not count."""
WORN = np.arange(1.0, 1.5, 0.02)
PLANTS = {
    "as it is, dressed every 225 welds": Electrodes(),
    "dressed every 900 welds": Electrodes(dress_welds=900),
    "wears twice as fast, dressed every 600 welds": Electrodes(growth_per_100=0.03, dress_welds=600),
    "twice as fast without a stepper, dressed every 450 welds": Electrodes(
        growth_per_100=0.03, dress_welds=450, stepper=0.0
    ),
}


HEADS = (
    "plant", "stretches at the limit", "warned before", "lead, welds (5 %, median)", "forecasts",
    "in their 95 % interval", "half width, welds", "median error, welds", "false warnings / gun-days",
    "dresses wrongly called ineffective",
)  # fmt: skip


@dataclass
class Tally:
    """What came of one plant."""

    gun_days: float = 0.0
    inside: list[bool] = field(default_factory=list)
    """Of each forecast: the truth lies in its interval."""
    error: list[float] = field(default_factory=list)
    """Forecast less truth, welds."""
    half: list[float] = field(default_factory=list)
    """Half the width of its interval, welds."""
    crossed: int = 0
    """Stretches in which the limit was really reached."""
    leads: list[float] = field(default_factory=list)
    """Of those that were warned of, welds from the first warning to the limit."""
    false: int = 0
    """Warnings in stretches that never reached the limit."""
    ineffective: int = 0
    """Dresses said not to have worked: all of them did."""


def loss(tip: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log voltage (P, n) of every programme with tips and currents (n,) relative to nominal, without scatter."""
    rows = []
    for schedule, ka in zip(SCHEDULES, main_currents_ka(), strict=True):
        base = nominal_setup([schedule] * len(tip), np.full(len(tip), ka, dtype=np.float32))
        worn = current.astype(np.float32)
        setup: Setup = replace(
            base,
            tip_mm=(TIP_MM * tip).astype(np.float32),
            main_ka=base.main_ka * worn,
            preheat_ka=base.preheat_ka * worn,
        )
        rows.append(np.log(extract(_noiseless(setup)).values[:, AT["voltage_rms_v"]].astype(np.float64)))
    return np.array(rows)


def _noiseless(setup: Setup) -> WeldBatch:
    traces = simulate(setup, 1000)
    n, columns = len(traces.samples), traces.column
    offsets = np.concatenate(([0], np.cumsum(traces.samples)))
    flat = {
        name: np.concatenate([getattr(traces, name)[: traces.samples[k], columns[k]] for k in range(n)])
        for name in ("current_ka", "voltage_v", "displacement_mm")
    }
    none = [""] * n
    return WeldBatch(
        id=none,
        spot=none,
        gun=none,
        body=none,
        program=none,
        time_ns=np.arange(n),
        dt_us=np.full(n, 1000),
        wear_count=np.zeros(n, dtype=np.int64),
        historical=np.zeros(n, dtype=np.bool_),
        offsets=offsets,
        current_ka=flat["current_ka"],
        voltage_v=flat["voltage_v"],
        force_kn=np.full_like(flat["voltage_v"], np.nan),
        displacement_mm=flat["displacement_mm"],
    )


class Truth:
    """When the tips of a shop reach the limit."""

    def __init__(self, shop: Shop, limit: float) -> None:
        electrodes, layout = shop.settings.electrodes, shop.layout
        self._seed, self._limit = shop.settings.seed, -np.log1p(-limit)
        grown = loss(WORN, WORN**electrodes.stepper)
        wider = loss(WORN * 1.01, WORN**electrodes.stepper)
        self._per_weld = electrodes.growth_per_100 / 100
        guns = range(len(layout.gun))
        share = np.array([np.bincount(layout.program[layout.gun_of_spot == g], minlength=len(grown)) for g in guns])
        share = share / share.sum(axis=1, keepdims=True)
        self._grown, self._wider = share @ (grown - grown[:, :1]), share @ ((wider - grown) / np.log(1.01))

    def welds(self, gun: int, dress: int) -> float:
        """Return the welds from that dress of a gun until its tips reach the limit; infinite beyond the grid."""
        tip = float(np.log1p(0.006 * normal(self._seed, "dress", np.array([gun]), np.array([dress]))[0]))
        fallen = -(self._grown[gun] + self._wider[gun] * tip)
        if fallen[-1] < self._limit:
            return float("inf")
        return float((np.interp(self._limit, fallen, WORN) - 1) / self._per_weld)


def batches(shop: Shop, minutes: int) -> Iterator[tuple[WeldBatch, list[GunEvent], NDArray[np.int64]]]:
    """Yield the welds of each minute, the events before them, and the number of each weld's dress."""
    for begin in range(START_NS, START_NS + minutes * MIN_NS, MIN_NS):
        events = [
            GunEvent(event.kind, event.time_ns, shop.layout.gun[event.gun])
            for event in shop.events(begin, begin + MIN_NS)
        ]
        yield shop.welds(begin, begin + MIN_NS).batch, events, shop.schedule.welds(begin, begin + MIN_NS).dress


class Watch:
    """Follows one plant and counts."""

    def __init__(self, electrodes: Electrodes, seed: int, settings: WearSettings) -> None:
        plant = SimulatorSettings(
            seed=seed, lines=1, cells=2, guns=4, spots=300, unlisted_spots=0, agvs=0, electrodes=electrodes
        )
        self._shop = Shop(plant)
        self._truth = Truth(self._shop, settings.density_loss)
        self._judge, self._tracker = WeldJudge(JudgeSettings()), WearTracker(settings)
        self._names = {name: k for k, name in enumerate(self._shop.layout.gun)}
        self._first: dict[str, int] = {}
        self._reached: set[tuple[str, int]] = set()
        self._warned: dict[tuple[str, int], int] = {}

    def run(self, hours: float, tally: Tally) -> None:
        """Follow the plant for some hours."""
        last: dict[str, int] = {}
        for batch, events, dress in batches(self._shop, int(hours * 60)):
            self._take(batch, events, dress, tally)
            for gun, k in {gun: k for k, gun in enumerate(batch.gun)}.items():
                last[gun] = int(dress[k])
                self._ask(gun, last[gun], int(batch.wear_count[k]), tally)
        for gun, number in self._warned:
            if self._first[gun] + LEARNING <= number < last[gun]:  # the last stretch is not over
                if (gun, number) in self._reached:
                    tally.leads.append(self._truth.welds(self._names[gun], number) - self._warned[gun, number])
                else:
                    tally.false += 1
        tally.crossed += sum(number < last[gun] for gun, number in self._reached)
        tally.gun_days += len(self._names) * hours / 24

    def _take(self, batch: WeldBatch, events: list[GunEvent], dress: NDArray[np.int64], tally: Tally) -> None:
        cuts = [int(np.searchsorted(batch.time_ns, event.time_ns)) for event in events]
        for start, stop, event in zip([0, *cuts], [*cuts, len(batch)], [*events, None], strict=True):
            part = batch.take(start, stop)
            for k, signal in self._tracker.add(part, self._judge.judge(part)):
                if signal.kind == "dress_ineffective":
                    tally.ineffective += 1
                else:
                    self._warned.setdefault((signal.gun, int(dress[start + k])), int(signal.details["wear"]))
            if event is not None:
                self._judge.apply(event)
                self._tracker.apply(event)

    def _ask(self, gun: str, number: int, wear: int, tally: Tally) -> None:
        if number - self._first.setdefault(gun, number) < LEARNING:
            return
        end = self._truth.welds(self._names[gun], number)
        if wear >= end:
            self._reached.add((gun, number))
        elif np.isfinite(end):
            [forecast] = [one for one in self._tracker.limits(gun) if one.limit == "density"]
            if np.isfinite(forecast.high):
                tally.inside.append(forecast.low <= end - wear <= forecast.high)
                tally.error.append(forecast.expected - (end - wear))
                tally.half.append((forecast.high - forecast.low) / 2)


def main() -> None:
    """Print a table, one row a plant."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wear", description=HELP)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--hours", type=float, default=6.0)
    options = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for name, electrodes in PLANTS.items():
        tally = Tally()
        for seed in options.seeds:
            Watch(electrodes, seed, WearSettings()).run(options.hours, tally)
        print(_row(name, tally), flush=True)


def _row(name: str, tally: Tally) -> str:
    ahead = [lead for lead in tally.leads if lead > 0]
    lead = f"{np.percentile(ahead, 5):.0f}, {np.median(ahead):.0f}" if ahead else ""
    scored = ("", "", "")
    if tally.inside:
        inside, half, error = np.mean(tally.inside), np.median(tally.half), np.median(np.abs(tally.error))
        scored = (f"{inside:.1%}", f"{half:.0f}", f"{error:.0f}")
    cells = (
        name, tally.crossed, len(ahead), lead, len(tally.inside), *scored,
        f"{tally.false}/{tally.gun_days:.1f}", tally.ineffective,
    )  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |"


if __name__ == "__main__":
    main()
