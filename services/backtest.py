"""Recorded welds through the very judge that runs live, in the order of their time.

The input is Parquet with the columns `weld_id, spot, program, time_ns, dt_us, voltage_v` and optionally `current_ka,
force_kn, displacement_mm, wear_count, body, gun` and labels; the output has `id, verdict, cause, risk`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.rates import wilson
from models.scoring import auc
from models.welds.batch import ABSENT_WEAR, WeldBatch
from models.welds.judge import JudgeSettings, WeldJudge
from models.welds.trained import TrainedModel
from models.welds.verdicts import CAUSE_CODES, DEFECT, UNJUDGED, VERDICTS
from services.errors import OperatorError

REQUIRED = {
    "weld_id": pa.string(),
    "spot": pa.string(),
    "program": pa.string(),
    "time_ns": pa.int64(),
    "dt_us": pa.int64(),
    "voltage_v": pa.list_(pa.float32()),
}
CURVES = ("current_ka", "force_kn", "displacement_mm")
"""As long as the voltage, or null, empty or absent: the source has no such channel."""
OPTIONAL = {
    **dict.fromkeys(CURVES, pa.list_(pa.float32())),
    "wear_count": pa.int64(),
    "body": pa.string(),
    "gun": pa.string(),
}
CHUNK = 4096
MAX_VALUES = 500_000_000
MAX_GROUP_BYTES = 4 * 2**30
"""Of one column in one row group, unpacked."""
GOOD = "ok"
"""The label of a good weld; every other label is a class of its own."""


class BacktestError(OperatorError):
    """The file cannot be judged; the message names the column, what came and what was expected."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one label is found. Each figure is (value, low, high) of its 95 % interval, NaN where undefined."""

    label: str
    n: int
    judged: int
    """Those that got a verdict; the rest were unjudged."""
    recall: tuple[float, float, float]
    """Share of the judged ones called defect."""
    precision: tuple[float, float, float]
    """Of the welds called defect, among this label and the good ones, the share that has this label."""
    auc: tuple[float, float, float]
    """Of the risk, this label against the good ones, unjudged welds included with the risk they have."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a backtest found."""

    welds: int
    verdicts: dict[str, int]
    causes: dict[str, int]
    classes: list[ClassScore]
    false_alarms: tuple[float, float, float] | None
    """Share of judged good welds called defect, with labels."""


def read_welds(path: Path) -> pa.Table:
    """Read and check the file, sorted by time. Raises `BacktestError`."""
    table = _read_file(path)
    for name, kind in (REQUIRED | OPTIONAL).items():
        if name not in table.column_names:
            if name in REQUIRED:
                raise BacktestError(f"{path}: column {name!r} is missing; expected {', '.join(REQUIRED)}")
            continue
        column = table[name]
        try:
            cast = column.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise BacktestError(f"{path}: column {name!r} is {column.type}; expected {kind}") from None
        if name in REQUIRED and cast.null_count:
            raise BacktestError(f"{path}: column {name!r} has {cast.null_count} nulls; expected none")
        table = table.set_column(table.column_names.index(name), name, cast)
    samples = pc.list_value_length(table["voltage_v"])
    odd = pc.equal(samples, 0)
    for name in set(CURVES) & set(table.column_names):
        length = pc.fill_null(pc.list_value_length(table[name]), 0)
        odd = pc.or_(odd, pc.and_(pc.not_equal(length, samples), pc.greater(length, 0)))
    if pc.any(odd).as_py():
        row = pc.index(odd, True).as_py()
        raise BacktestError(
            f"{path}: weld {table['weld_id'][row]} has curves of different lengths, or an empty voltage"
        )
    if pc.any(pc.less_equal(table["dt_us"], 0)).as_py():
        raise BacktestError(f"{path}: column 'dt_us' has values of 0 or less; expected µs > 0")
    return table.sort_by("time_ns")


def _read_file(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            file.scan_contents()  # in small pieces; to ask damaged metadata for a column would end the process
            _check_size(path, file.metadata)
            table = file.read()
        table.validate(full=True)  # lengths and text may be broken where the format is not
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise BacktestError(f"{path}: {' '.join(str(error).split())}") from None
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise BacktestError(f"{path}: column {twice[0]!r} stands twice; expected it once")
    return table


def _check_size(path: Path, metadata: pq.FileMetaData) -> None:
    """Raise `BacktestError` for a file of a few bytes that stands for more than fits into memory."""
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        for column in range(metadata.num_columns):
            part = metadata.row_group(group).column(column)
            if part.num_values < rows:
                raise BacktestError(
                    f"{path}: a row group claims {rows} rows, and its column {part.path_in_schema!r} has "
                    f"{part.num_values} values; expected as many, or more in lists"
                )
            if part.num_values > MAX_VALUES or part.total_uncompressed_size > MAX_GROUP_BYTES:
                raise BacktestError(
                    f"{path}: column {part.path_in_schema!r} has {part.num_values} values of "
                    f"{part.total_uncompressed_size} bytes in one row group; expected at most {MAX_VALUES} values and "
                    f"{MAX_GROUP_BYTES} bytes"
                )


def to_batch(table: pa.Table) -> WeldBatch:
    """Return rows of `read_welds` as a batch."""
    samples = pc.list_value_length(table["voltage_v"]).to_numpy()
    offsets = np.zeros(len(table) + 1, dtype=np.int64)
    np.cumsum(samples, out=offsets[1:])

    def flat(name: str) -> NDArray[np.float32]:
        if name not in table.column_names:
            return np.full(int(offsets[-1]), np.nan, dtype=np.float32)
        values = pc.list_flatten(table[name]).combine_chunks()
        there = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float32)
        if len(there) == offsets[-1]:
            return there
        has = pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy() > 0
        result = np.full(int(offsets[-1]), np.nan, dtype=np.float32)
        result[np.repeat(has, samples)] = there
        return result

    def text(name: str) -> list[str]:
        found: list[str] = table[name].fill_null("").to_pylist() if name in table.column_names else [""] * len(table)
        return found

    wear = table["wear_count"].fill_null(ABSENT_WEAR).to_numpy() if "wear_count" in table.column_names else None
    return WeldBatch(
        id=table["weld_id"].to_pylist(),
        spot=table["spot"].to_pylist(),
        gun=text("gun"),
        body=text("body"),
        program=table["program"].to_pylist(),
        time_ns=table["time_ns"].to_numpy(),
        dt_us=table["dt_us"].to_numpy(),
        wear_count=np.full(len(table), ABSENT_WEAR, dtype=np.int64) if wear is None else wear,
        historical=np.ones(len(table), dtype=np.bool_),
        offsets=offsets,
        current_ka=flat("current_ka"),
        voltage_v=flat("voltage_v"),
        force_kn=flat("force_kn"),
        displacement_mm=flat("displacement_mm"),
    )


def judge_table(
    table: pa.Table,
    settings: JudgeSettings,
    progress: Callable[[int], None] = lambda _: None,
    model: TrainedModel | None = None,
) -> pa.Table:
    """Judge rows of `read_welds`; return `id, verdict, cause, risk` in their order. `progress` gets welds done.

    With a `model` risk, verdict and cause are its own wherever it can say, as they are live while it is active.
    """
    judge = WeldJudge(settings)
    judge.use(model, None)
    parts = []
    for start in range(0, len(table), CHUNK):
        batch = to_batch(table.slice(start, CHUNK))
        verdicts = judge.judge(batch)
        parts.append(
            pa.table(
                {
                    "id": batch.id,
                    "verdict": [VERDICTS[code] for code in verdicts.verdict],
                    "cause": [CAUSE_CODES[code] for code in verdicts.cause],
                    "risk": np.nan_to_num(verdicts.risk.astype(np.float64)),  # nothing is known: no risk is seen
                }
            )
        )
        progress(start + len(batch))
    return pa.concat_tables(parts) if parts else pa.table({"id": [], "verdict": [], "cause": [], "risk": []})


def report(scored: pa.Table, labels: pa.ChunkedArray | None) -> Report:
    """Summarise what `judge_table` returned; with `labels` (one per row, null: unknown) also how right it was."""
    verdict = np.array(scored["verdict"].to_pylist())
    classes: list[ClassScore] = []
    false_alarms = None
    if labels is not None:
        label = np.array(labels.cast(pa.string()).fill_null("").to_pylist())
        risk = scored["risk"].to_numpy()
        defect, judged = verdict == VERDICTS[DEFECT], verdict != VERDICTS[UNJUDGED]
        good = label == GOOD
        false_alarms = _share(int((good & defect).sum()), int((good & judged).sum()))
        for name in sorted(set(label.tolist()) - {"", GOOD}):
            mine = label == name
            either = mine | good
            classes.append(
                ClassScore(
                    label=name,
                    n=int(mine.sum()),
                    judged=int((mine & judged).sum()),
                    recall=_share(int((mine & defect).sum()), int((mine & judged).sum())),
                    precision=_share(int((mine & defect).sum()), int((either & defect).sum())),
                    auc=auc(risk[either], mine[either]),
                )
            )
    return Report(
        welds=len(scored),
        verdicts={name: int((verdict == name).sum()) for name in VERDICTS},
        causes=dict(sorted(_counts(scored["cause"]).items(), key=lambda item: -item[1])),
        classes=classes,
        false_alarms=false_alarms,
    )


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist() if row["values"]}


def _share(part: int, whole: int) -> tuple[float, float, float]:
    if not whole:
        return float("nan"), float("nan"), float("nan")
    low, high = wilson(part, whole)
    return part / whole, float(low), float(high)
