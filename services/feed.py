"""What the pipeline tells the world as it happens: verdicts per cell and status, over MQTT.

Nothing here is durable: the store is. A verdict is published after its commit, at most once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec
import pyarrow as pa

from edge.mqtt import BrokerSettings, new_client
from edge.topics import Place
from models.fleet.track import Agv
from models.welds.explain import sentence
from services.rows import PlacedSignal, agv_row, signal_table
from services.times import all_rfc3339, rfc3339

NOWHERE = "_"
"""Stands for the ISA-95 levels that a plant-wide message has not."""
QUEUE_MESSAGES = 10_000
"""Messages kept for a broker that is away; beyond it the feed has a hole, the store has none."""


class _WeldItem(msgspec.Struct, gc=False):
    """One weld as the live feed shows it; the fields but the last are columns of `schema.WELD`, in this order."""

    spot: str
    program: str
    line: str
    cell: str
    gun: str
    body: str
    id: str
    time: str
    verdict: str
    cause: str
    score: float | None
    lead: str
    value: float | None
    centre: float | None
    sigma: float | None
    late: bool
    sentence: str = ""


_COLUMN_OF = {"id": "weld_id", "time": "time_ns"}
_COLUMNS = [_COLUMN_OF.get(name, name) for name in _WeldItem.__struct_fields__[:-1]]


class Feed(Protocol):
    """Where the pipeline publishes."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message, without waiting for the broker."""


class MqttFeed:
    """Publishes over MQTT with QoS 1; reconnects by itself."""

    def __init__(self, broker: BrokerSettings, log: logging.Logger) -> None:
        self._client = new_client(broker, log)
        self._client.max_queued_messages_set(QUEUE_MESSAGES)
        self._client.connect_async(broker.host, broker.port)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message, without waiting for the broker."""
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Disconnect; what is still queued is dropped."""
        self._client.disable_logger()  # its loop complains of the very disconnect that it is told
        self._client.disconnect()
        self._client.loop_stop()


def status_topic(site: str) -> str:
    """Return the topic of plant-wide status."""
    return Place(site, NOWHERE, NOWHERE, NOWHERE).topic("status")


def verdict_messages(welds: pa.Table) -> list[tuple[str, bytes]]:
    """Return (topic, payload) per cell for rows of `schema.WELD`: JSON lists as `docs/reference/live.md` shows them."""
    columns = {name: welds[name].to_pylist() for name in _COLUMNS if name != "time_ns"}
    columns["time_ns"] = all_rfc3339(welds["time_ns"].to_numpy())
    places = zip(*(welds[name].to_pylist() for name in ("site", "area", "line", "cell")), strict=True)
    learnt = welds["reference_n"].to_pylist()
    cells: dict[tuple[str, str, str, str], list[_WeldItem]] = defaultdict(list)
    for place, reference_n, row in zip(
        places, learnt, zip(*(columns[name] for name in _COLUMNS), strict=True), strict=True
    ):
        item = _WeldItem(*row)
        if item.verdict != "ok":
            item.sentence = sentence(
                verdict=item.verdict,
                cause=item.cause,
                lead=item.lead,
                value=item.value,
                centre=item.centre,
                sigma=item.sigma,
                reference_n=reference_n,
            )
        cells[place].append(item)
    return [(Place(*place).topic("verdict"), msgspec.json.encode(items)) for place, items in cells.items()]


def agvs_message(agvs: Iterable[Agv]) -> bytes:
    """Return the status message that carries AGVs that changed, as `GET /api/v1/agvs` shows them."""
    return msgspec.json.encode({"kind": "agvs", "items": [agv_item(agv) for agv in agvs]})


def signals_message(signals: Iterable[PlacedSignal]) -> bytes:
    """Return the status message that carries findings, as `GET /api/v1/events` shows them."""
    return msgspec.json.encode(
        {"kind": "signals", "items": [_event_item(row) for row in signal_table(signals).to_pylist()]}
    )


def agv_item(agv: Agv) -> Mapping[str, object]:
    """Return one AGV as the API shows it."""
    row = agv_row(agv)
    item = {name: value for name, value in row.items() if name not in {"agv", "time_ns", "errors"}}
    return {"id": agv.agv, "time": rfc3339(agv.time_ns), "errors": msgspec.json.decode(str(row["errors"])), **item}


def _event_item(row: dict[str, object]) -> dict[str, object]:
    times = {name: rfc3339(int(str(row.pop(f"{name}_ns")))) for name in ("time", "received")}
    return {"id": row.pop("event_id"), **times, **row, "details": msgspec.json.decode(str(row["details"]))}
