"""Learning from labels against simpler ways, on identical splits: `python -m benchmarks.labels [--data FILE]`.

The file is Parquet as `lineside backtest` reads it, with a column `label`; by default the titanium experiment beside
the checkout. Needs the dependency group `bench` (aeon). `docs/reference/learning.md` says how to read the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
from numpy.typing import NDArray
from rich.table import Table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import wide_console
from models.scoring import auc
from models.welds.batch import WeldBatch
from models.welds.features import FEATURES, extract
from models.welds.learned import LearnedModel
from services.backtest import read_welds, to_batch

TITANIUM = Path(__file__).resolve().parents[1] / "../shared/data/weld_titanium_dev.parquet"
BLOCK = 8
"""Successive welds of a stream that are held out together."""
FOLDS, REPEATS = 5, 2
POINTS = 64
RESAMPLES = 2000
SEED = 20_261_125
Mask = NDArray[np.bool_]
Fitted = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Data:
    """Labelled welds in the order of time."""

    batch: WeldBatch
    label: NDArray[np.str_]
    features: NDArray[np.float64]
    """(n, F) by `FEATURES`; a missing one is 0, which no sound one is."""
    curves: NDArray[np.float32]
    """(n, 3, `POINTS`) current, voltage and resistance on an even grid over the whole record."""
    block: NDArray[np.int64]
    """(n,) number of the block of time of a stream."""
    scored: Mask
    """(n,) of the programmes in which every label occurs: elsewhere the programme would give the label away."""


def read(path: Path) -> Data:
    table = read_welds(path)
    known = np.array([bool(label) for label in table["label"].to_pylist()])
    table = table.filter(known)
    batch, label = to_batch(table), np.array(table["label"].to_pylist())
    stream, count, block = list(zip(batch.spot, batch.program, strict=True)), {}, []
    for key in stream:
        count[key] = count.get(key, -1) + 1
        block.append((key, count[key] // BLOCK))
    number = {key: k for k, key in enumerate(dict.fromkeys(block))}
    program = np.array(batch.program)
    mixed = [name for name in set(batch.program) if len(set(label[program == name])) == len(set(label))]
    features = np.nan_to_num(extract(batch).values.astype(np.float64))
    blocks = np.array([number[key] for key in block])
    return Data(batch, label, features, on_grid(batch), blocks, np.isin(program, mixed))


def on_grid(batch: WeldBatch) -> NDArray[np.float32]:
    out = np.zeros((len(batch), 3, POINTS), dtype=np.float32)
    for k in range(len(batch)):
        at = slice(batch.offsets[k], batch.offsets[k + 1])
        current, voltage = batch.current_ka[at], batch.voltage_v[at]
        resistance = np.where(current > 0.3, 1000 * voltage / np.maximum(current, 0.3), 0)
        where = np.linspace(0, len(current) - 1, POINTS)
        for c, curve in enumerate((current, voltage, resistance)):
            out[k, c] = np.interp(where, np.arange(len(current)), curve)
    return out


def single_feature(data: Data, train: Mask) -> Fitted:
    """Risk is the rank of the feature, and of the sign, that separate best in training."""
    bad = data.label[train] != "ok"
    areas = np.array([auc(data.features[train, k], bad)[0] for k in range(len(FEATURES))])
    best = int(np.argmax(np.abs(areas - 0.5)))
    known = np.sort(data.features[train, best])

    def risk(at: NDArray[np.int64]) -> NDArray[np.float64]:
        share = np.searchsorted(known, data.features[at, best]) / len(known)
        return share if areas[best] > 0.5 else 1 - share

    return risk


def forest(data: Data, train: Mask) -> Fitted:
    model = RandomForestClassifier(500, random_state=SEED, n_jobs=1).fit(data.features[train], data.label[train])
    good = list(model.classes_).index("ok")
    return lambda at: 1 - model.predict_proba(data.features[at])[:, good]


def mini_rocket(data: Data, train: Mask) -> Fitted:
    """Kernels over the three curves and the length, which the grid hides; risk by softmax of the ridge's decision."""
    length = np.log(data.batch.samples * data.batch.dt_us)[:, None]
    rocket = MiniRocket(random_state=SEED, n_jobs=1).fit(data.curves[train])
    table = np.hstack((rocket.transform(data.curves), np.repeat(length, 100, axis=1)))
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-1, 5, 13)))
    model.fit(table[train], data.label[train])
    good = list(model.classes_).index("ok")

    def risk(at: NDArray[np.int64]) -> NDArray[np.float64]:
        power = np.exp(model.decision_function(table[at]))
        return 1 - power[:, good] / power.sum(axis=1)

    return risk


def learned(data: Data, train: Mask) -> Fitted:
    model = LearnedModel.fit(data.batch.select(train), data.label[train].tolist(), data.block[train])

    def risk(at: NDArray[np.int64]) -> NDArray[np.float64]:
        chosen = np.zeros(len(data.label), dtype=np.bool_)
        chosen[at] = True
        return np.nan_to_num(1 - model.probabilities(data.batch.select(chosen))[:, 0], nan=0.5)

    return risk


METHODS = {
    "best single feature": single_feature,
    "random forest on features": forest,
    "MiniRocket + ridge": mini_rocket,
    "LearnedModel": learned,
}


def blocks_held_out(data: Data) -> Iterator[tuple[int, Mask, NDArray[np.int64]]]:
    """Yield (repeat, train, test): whole blocks of time are held out."""
    rng = np.random.default_rng(SEED)
    groups = np.unique(data.block)
    for repeat in range(REPEATS):
        fold = rng.permutation(len(groups)) % FOLDS
        for k in range(FOLDS):
            out = np.isin(data.block, groups[fold == k])
            yield repeat, ~out, np.flatnonzero(out & data.scored)


def earlier_only(data: Data) -> Iterator[tuple[int, Mask, NDArray[np.int64]]]:
    """Yield per block of time of the scored welds: trained on what is earlier, once all labels have been seen."""
    for block in np.unique(data.block[data.scored]):
        test = np.flatnonzero((data.block == block) & data.scored)
        train = np.arange(len(data.label)) < test[0]
        if len(set(data.label[train])) == len(set(data.label)) and (data.label[train] == "ok").sum() > 1:
            yield 0, train, test


def neighbours_known(data: Data) -> Iterator[tuple[int, Mask, NDArray[np.int64]]]:
    """Yield every tenth of the scored welds: neighbours, of a similar setting, stand in training."""
    at = np.flatnonzero(data.scored)
    for k in range(10):
        train = np.ones(len(data.label), dtype=np.bool_)
        train[at[k::10]] = False
        yield 0, train, at[k::10]


SPLITS = {"blocks held out": blocks_held_out, "earlier only": earlier_only, "neighbours known": neighbours_known}


def area(data: Data, risk: NDArray[np.float64], name: str, at: NDArray[np.int64]) -> float:
    """Return the mean over the repeats (R, n) of the AUC of a label against ok among the welds `at`."""
    label = data.label[at]
    either = (label == name) | (label == "ok")
    found = [auc(row[at][either], label[either] == name)[0] for row in risk]
    return float(np.mean(found))


def interval(data: Data, risk: NDArray[np.float64], name: str, at: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over blocks."""
    rng = np.random.default_rng(SEED)
    members = [at[data.block[at] == block] for block in np.unique(data.block[at])]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        if {name, "ok"} <= set(data.label[chosen]):
            drawn.append(area(data, risk, name, chosen))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=TITANIUM)
    data = read(parser.parse_args().data)
    console = wide_console()
    faults = sorted(set(data.label) - {"ok"})
    console.print(
        f"{len(data.label)} labelled welds, {int(data.scored.sum())} scored; risk = P(not ok), defect from 0.5"
    )
    for title, split in SPLITS.items():
        columns = [f"{part} {name}" for name in faults for part in ("AUC", "recall")]
        table = Table("", *columns, "false alarms", "s per fit", title=title)
        for method, fit in METHODS.items():
            risk = np.full((REPEATS, len(data.label)), np.nan)
            begin, fits = time.perf_counter(), 0
            for repeat, train, test in split(data):
                if len(test):
                    risk[repeat, test] = fit(data, train)(test)
                    fits += 1
            spent = (time.perf_counter() - begin) / fits
            risk = risk[~np.isnan(risk).all(axis=1)]
            at = np.flatnonzero(np.isfinite(risk).all(axis=0))
            cells = []
            for name in faults:
                mine = at[data.label[at] == name]
                if not len(mine):
                    cells += ["–", "–"]
                    continue
                low, high = interval(data, risk, name, at)
                cells.append(f"{area(data, risk, name, at):.3f} [{low:.2f}, {high:.2f}] n={len(mine)}")
                cells.append(f"{(risk[:, mine] >= 0.5).mean():.2f}")
            good = at[data.label[at] == "ok"]
            table.add_row(method, *cells, f"{(risk[:, good] >= 0.5).mean():.2f}", f"{spent:.1f}")
        console.print(table)


if __name__ == "__main__":
    main()
