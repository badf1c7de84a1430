"""The chain from bytes to stored rows, in this process: decode, intake, judge, rows, DuckDB, curve archive, feed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from edge.plant import EMPTY
from edge.sources import Message, decode
from edge.sources.envelope import count_items
from edge.topics import CROWDED
from services import feed, rows
from services.config import Archive, Config, Judge, PlantLimits
from services.curves import CurveArchive
from services.intake import Intake, Outcome
from services.judge_models import JudgeModels
from services.message_limits import message_limits
from services.models_registry import ModelRegistry
from services.state import PipelineState
from services.store.duck.store import DuckStore
from services.store.protocol import Commit, Filters
from tests.unit.models.welds import making

NOW_NS = 1_790_000_000 * 10**9
CELL = "lineside/v1/s/a/L1/C1"
MAX_SAMPLES = 20_000


class Chain:
    """A pipeline without its journal: what is sent is taken at once."""

    def __init__(self, data: Path, limits: PlantLimits | None = None) -> None:
        self.config = Config(
            data_dir=str(data), judge=Judge(learn_n=8), limits=limits or PlantLimits(), archive=Archive(good_share=1.0)
        )
        self.data = data
        self.store = DuckStore(data / "store.duckdb")
        self.archive = CurveArchive(data / "curves", 1)
        self.sent = 0
        self.items = 0
        self.begin(PipelineState.new(self.config, EMPTY))

    def begin(self, state: PipelineState) -> None:
        """Go on with a state."""
        self.state = state
        models = JudgeModels(state.judge, state.models, ModelRegistry(self.data / "models"), logging.getLogger("test"))
        self.intake = Intake(state, EMPTY, self.archive, 1.0, threading.Lock(), models)

    def restart(self) -> None:
        """Write the snapshot, and go on from what is read back."""
        self.state.save(self.data / "state.npz")
        self.begin(PipelineState.load(self.data / "state.npz", self.config, EMPTY))

    def send(self, *messages: tuple[str, bytes], crowded: bool = False) -> Outcome:
        """Take messages as one batch, all the way into the store."""
        batch = []
        for topic, payload in messages:
            self.sent += 1
            batch.append(Message(self.sent, topic, payload, NOW_NS, count_items(payload), crowded))
        self.items += sum(message.items for message in batch)
        outcome = self.intake.apply(decode(batch, message_limits(self.config)))
        self.store.commit(
            Commit(
                cursor=self.sent,
                welds=outcome.welds,
                bodies=outcome.bodies,
                spots=rows.spot_table(outcome.welds),
                agvs=rows.agv_table(outcome.agvs.values()),
                events=pa.concat_tables([rows.event_table(outcome.events), rows.signal_table(outcome.signals)]),
                rejects=rows.reject_table(outcome.rejects),
            )
        )
        self.archive.flush(self.state.next_ordinal)
        for _, payload in feed.verdict_messages(outcome.welds):
            msgspec.json.decode(payload)
        self.check_account()
        return outcome

    def check_account(self) -> None:
        """Every item that was sent is stored, rejected or a duplicate."""
        counts = self.state.counts.values()
        assert sum(count.stored + count.rejected + count.duplicate for count in counts) == self.items

    def stored(self, spot: str) -> list[dict[str, Any]]:
        """Return the rows of a spot's welds, in order, but for their numbers."""
        found = self.store.welds(Filters(spot=spot), 1000).drop_columns(["ordinal"])
        return sorted(found.to_pylist(), key=lambda row: (row["time_ns"], row["weld_id"]))

    def rejects(self) -> list[dict[str, Any]]:
        """Return what was rejected, oldest first."""
        return self.store.rejects("", 10_000).to_pylist()[::-1]


def packed(value: Sequence[float]) -> bytes:
    """Return a curve as raw samples."""
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype="<f4").tobytes()


def weld(n: int, rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    """Return the n-th weld of a spot as a device sends it."""
    made = making.curve(rng)
    return {
        "id": f"w{n}",
        "spot": "S1",
        "gun": "G1",
        "body": "B1",
        "program": "7",
        "time": NOW_NS - 10**12 + n * 10**9,
        "dt_us": made.dt_us,
        "current_ka": packed(made.current),
        "voltage_v": packed(made.voltage),
        **changes,
    }


def message(*welds: dict[str, Any], cell: str = CELL) -> tuple[str, bytes]:
    """Return welds as one message."""
    return f"{cell}/weld", msgspec.msgpack.encode(list(welds))


__all__ = ["CELL", "CROWDED", "MAX_SAMPLES", "NOW_NS", "Chain", "message", "packed", "weld"]
