"""Welds, events and truth as bytes on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct

from edge.simulator.schedule import MS, GunEvent
from edge.simulator.shop import Truth
from edge.simulator.vda5050 import stamp
from models.welds.batch import WeldBatch

Curve = bytes | list[float]


class WeldOut(Struct, omit_defaults=True):
    """One weld as a controller sends it."""

    id: str
    spot: str
    gun: str
    body: str
    program: str
    time: int | str
    dt_us: int
    wear_count: int
    current_ka: Curve
    voltage_v: Curve
    force_kn: Curve | None = None
    displacement_mm: Curve | None = None
    historical: bool = False


class EventOut(Struct, omit_defaults=True):
    """Something done to a gun."""

    id: str
    kind: str
    time: int | str
    gun: str
    note: str = ""


def encode_welds(batch: WeldBatch, welds: Sequence[int], *, as_json: bool, late_before_ns: int) -> bytes:
    """Return one weld as an object, several as a list; welds that began before `late_before_ns` are historical.

    MessagePack carries curves as raw little-endian float32, JSON as lists of decimals.
    """

    def curve(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Curve:
        if as_json:
            decimals: list[float] = np.round(values.astype(np.float64), 4).tolist()
            return decimals
        return values.astype("<f4", copy=False).tobytes()

    items = []
    for k in welds:
        part = slice(int(batch.offsets[k]), int(batch.offsets[k + 1]))
        force, displacement = batch.force_kn[part], batch.displacement_mm[part]
        time_ns = int(batch.time_ns[k])
        items.append(
            WeldOut(
                id=batch.id[k],
                spot=batch.spot[k],
                gun=batch.gun[k],
                body=batch.body[k],
                program=batch.program[k],
                time=stamp(time_ns) if as_json else time_ns,
                dt_us=int(batch.dt_us[k]),
                wear_count=int(batch.wear_count[k]),
                current_ka=curve(batch.current_ka[part]),
                voltage_v=curve(batch.voltage_v[part]),
                force_kn=None if np.isnan(force[0]) else curve(force),
                displacement_mm=None if np.isnan(displacement[0]) else curve(displacement),
                historical=time_ns < late_before_ns,
            )
        )
    return _encode(items[0] if len(items) == 1 else items, as_json)


def encode_event(event: GunEvent, gun: str, *, as_json: bool) -> bytes:
    """Return an event; its id is made of gun, kind and time."""
    out = EventOut(
        id=f"{gun}-{event.kind}-{event.time_ns // MS:x}",
        kind=event.kind,
        time=stamp(event.time_ns) if as_json else event.time_ns,
        gun=gun,
        note=event.note,
    )
    return _encode(out, as_json)


def encode_truth(truths: Sequence[Truth]) -> bytes:
    """Return what is known about welds at fault, as a JSON list."""
    return msgspec.json.encode(list(truths))


def _encode(value: WeldOut | EventOut | list[WeldOut], as_json: bool) -> bytes:
    return msgspec.json.encode(value) if as_json else msgspec.msgpack.encode(value)
