"""`lineside train`: labels from a file or from a running plant, a model and its card into a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.markdown import Markdown

from models.welds.batch import ABSENT_WEAR
from services.backtest import CURVES, BacktestError, read_welds, to_batch
from services.model_card import render
from services.models_registry import ModelRegistry
from services.plant_client import PlantClient, PlantError, segment
from services.training import Labelled, TrainingError, train

FAMILY = "family"
"""Column of a file that says which programmes are learnt together; without it all are."""
ALL = "all"


@dataclass(frozen=True, slots=True)
class TrainOrder:
    """What to learn from and where the model goes; either `file` with its `labels` column, or `url`."""

    file: Path | None
    labels: str
    url: str
    folder: Path
    budget: float
    """Share of good welds that may be called defects."""


def run_train(order: TrainOrder, *, as_json: bool) -> None:
    """Train, write the model and print its card. Raises `OperatorError`; then nothing is written."""
    console = Console(stderr=True)
    with console.status("reading labels") as status:
        data = from_file(order.file, order.labels) if order.file else from_plant(PlantClient(order.url), order.url)
        model, card = train(data, order.budget, time.time_ns(), status.update)
        card = ModelRegistry(order.folder).add(model, card)
    path = order.folder / f"{card.id}.skops"
    if as_json:
        print(msgspec.json.encode({"file": str(path), "card": card}).decode())  # noqa: T201 - for machines
        return
    out = Console()
    out.print(Markdown(render(card)))
    out.print(f"\nwritten: {path}", highlight=False, soft_wrap=True)


def from_file(path: Path, column: str) -> Labelled:
    """Return the labelled welds of a file; a null or empty label is none. Raises `BacktestError`."""
    table = read_welds(path)
    for name in (column, FAMILY) if FAMILY in table.column_names else (column,):
        if name not in table.column_names:
            raise BacktestError(f"{path}: no column {name!r} for --labels; there are {', '.join(table.column_names)}")
        if not pa.types.is_string(table[name].type) and not pa.types.is_large_string(table[name].type):
            raise BacktestError(f"{path}: column {name!r} is {table[name].type}; expected text")
    label = table[column].fill_null("").to_pylist()
    has = np.array([text != "" for text in label], dtype=np.bool_)
    table = table.filter(pa.array(has))
    family = table[FAMILY].fill_null(ALL).to_pylist() if FAMILY in table.column_names else [ALL] * len(table)
    return Labelled(to_batch(table), [text for text in label if text], family, path.name)


def from_plant(plant: PlantClient, url: str) -> Labelled:
    """Return the inspected welds of a running plant whose curves were kept; of one weld the newest inspection counts.

    Raises `PlantError`, and `TrainingError` when there is none.
    """
    newest: dict[str, dict[str, Any]] = {}
    for item in plant.pages("/inspections"):
        newest.setdefault(item["weld"], item)
    rows, label = [], []
    for weld_id, item in newest.items():
        row = _weld(plant, weld_id) if item["curve_kept"] else None
        if row is not None:
            rows.append(row)
            label.append(item["result"])
    if not rows:
        raise TrainingError(
            f"{url} has {len(newest)} inspected welds, of none of which the curve was kept; inspect welds whose curve "
            "is kept (all defects, and the share archive.good_share of the good ones)"
        )
    order = np.argsort([row["time_ns"] for row in rows], kind="stable").tolist()
    table = pa.Table.from_pylist([rows[k] for k in order], schema=_SCHEMA)
    return Labelled(to_batch(table), [label[k] for k in order], [ALL] * len(rows), url)


_CURVE = pa.list_(pa.float32())
_SCHEMA = pa.schema(
    [
        ("weld_id", pa.string()),
        ("spot", pa.string()),
        ("gun", pa.string()),
        ("body", pa.string()),
        ("program", pa.string()),
        ("time_ns", pa.int64()),
        ("dt_us", pa.int64()),
        ("wear_count", pa.int64()),
        ("voltage_v", _CURVE),
        *((name, _CURVE) for name in CURVES),
    ]
)


def _weld(plant: PlantClient, weld_id: str) -> dict[str, Any] | None:
    """Return one weld with its curves, or None when they are no longer kept."""
    weld = plant.get(f"/welds/{segment(weld_id)}")
    try:
        curve = plant.get(f"/welds/{segment(weld_id)}/curve")
    except PlantError as error:
        if error.status == 404:
            return None
        raise
    moment = np.datetime64(weld["time"].removesuffix("Z"), "ns")
    return {
        **{name: weld[name] for name in ("spot", "gun", "body", "program")},
        "weld_id": weld_id,
        "time_ns": int(moment.astype(np.int64)),
        "dt_us": curve["dt_us"],
        "wear_count": ABSENT_WEAR if weld["wear_count"] is None else weld["wear_count"],
        **{name: curve[name] for name in ("voltage_v", *CURVES)},
    }
