"""Weld messages: `lineside/v1/<site>/<area>/<line>/<cell>/weld`, one weld or a list, JSON or MessagePack."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from edge.sources.clock import TIME_EXPECTED, ClockBounds
from edge.sources.envelope import DECODE_ERRORS
from edge.sources.explain import explain
from edge.sources.fields import (
    INT64_MAX,
    NO_NAMES,
    MaybeName,
    Name,
    Time,
    about,
    as_text,
    check_text,
    expectations,
    maybe_named,
    named,
)
from edge.sources.message import Limits
from edge.sources.packed import PackedDecoder
from edge.sources.reading import Reading, Sink
from edge.sources.rejects import RefusedError, count
from edge.sources.weld_columns import SAMPLE_BYTES, WeldColumns, WeldCurves, WeldRow, curve_bytes
from models.welds.batch import ABSENT_WEAR

MAX_DT_US = 1_000_000

Numbers = list[float]
"""A curve in JSON."""
NumbersOrBytes = list[float] | memoryview
"""A curve in MessagePack: numbers, or little-endian float32 bytes (a view of the payload, not yet a copy)."""
Curve = TypeVar("Curve", Numbers, NumbersOrBytes)


def _curve(description: str, unit: str) -> Meta:
    return about(
        description,
        f"a list of numbers in {unit} (in MessagePack also little-endian float32 bytes)",
        unit=unit,
        element=f"a number in {unit}",
        min_items=1,
    )


class WeldMessage(Struct, Generic[Curve], frozen=True, gc=False):
    """One spot weld with its curves, as the controller sends it."""

    id: Annotated[Name, named("Identity of the weld, unique within the cell; a second delivery is recognised by it.")]
    spot: Annotated[Name, named("The weld spot on the body.")]
    gun: Annotated[Name, named("The gun that made the weld.")]
    body: Annotated[MaybeName, maybe_named("The car body; empty when it is not known.")]
    program: Annotated[Name, named("The weld schedule.")]
    time: Annotated[Time, about("Start of the weld by the source's clock.", TIME_EXPECTED)]
    dt_us: Annotated[
        Annotated[int, Meta(gt=0, le=MAX_DT_US)],
        about(
            "Time between two samples of every curve.",
            f"a whole number of microseconds, 1 to {MAX_DT_US}",
            unit="µs",
        ),
    ]
    voltage_v: Annotated[Curve, _curve("Voltage between the electrode tips, evenly sampled.", "V")]
    current_ka: Annotated[
        Curve | None,
        _curve("Welding current, as long as the voltage's curve; absent only if the source cannot measure it.", "kA"),
    ] = None
    force_kn: Annotated[Curve | None, _curve("Electrode force, as long as the voltage's curve.", "kN")] = None
    displacement_mm: Annotated[
        Curve | None, _curve("Electrode displacement, as long as the voltage's curve.", "mm")
    ] = None
    wear_count: Annotated[
        Annotated[int, Meta(ge=0, le=INT64_MAX)] | None,
        about("Welds made since the last cap change or tip dress.", "a whole number, 0 or more"),
    ] = None
    historical: Annotated[
        bool | None,
        about("True: the weld is not live; it corrects figures and raises no alarm.", "true or false"),
    ] = False


AnyWeld = WeldMessage[Numbers] | WeldMessage[NumbersOrBytes]
WHOLE = "an object with the keys of a weld message"
_EXPECTED = expectations(WeldMessage)


class _Packed(WeldMessage[NumbersOrBytes], frozen=True, gc=False):
    """A weld in MessagePack."""


_JSON = msgspec.json.Decoder(WeldMessage[Numbers])
_MSGPACK = PackedDecoder(_Packed)


def read(reading: Reading, sink: Sink) -> None:
    """Read the welds of a message; an item that cannot be taken becomes a reject and its neighbours are read on."""
    place = reading.route.place
    if place is None:
        raise AssertionError("edge.topics gives every weld topic a place")
    frame = reading.frame
    decode = _JSON.decode if frame.json else _MSGPACK.decode
    taken: list[int] = []
    for item, raw in enumerate(frame.items):
        try:
            _take(decode(raw), reading.bounds, reading.limits, sink.welds)
        except DECODE_ERRORS as error:
            sink.reject(reading, explain(error, frame, item, _EXPECTED, WHOLE))
        except RefusedError as refused:
            sink.reject(reading, refused.of(item))
        else:
            taken.append(item)
    sink.place_welds(reading, taken, place)


def _take(weld: AnyWeld, bounds: ClockBounds, limits: Limits, columns: WeldColumns) -> None:
    """Check what the types cannot say, then add the weld: all of it, or (raising `RefusedError`) nothing."""
    names = (as_text(weld.id), as_text(weld.spot), as_text(weld.gun), as_text(weld.body), as_text(weld.program))
    if not "".join(names).isprintable() or not NO_NAMES.isdisjoint(names):
        for field, name in zip(("id", "spot", "gun", "body", "program"), names, strict=True):
            check_text(name, f"$.{field}")
    time_ns = bounds.read(weld.time, "$.time")
    longest = limits.max_samples
    current = None if weld.current_ka is None else curve_bytes(weld.current_ka, "$.current_ka", longest)
    voltage = curve_bytes(weld.voltage_v, "$.voltage_v", longest)
    force = None if weld.force_kn is None else curve_bytes(weld.force_kn, "$.force_kn", longest)
    displacement = (
        None if weld.displacement_mm is None else curve_bytes(weld.displacement_mm, "$.displacement_mm", longest)
    )
    curves = WeldCurves(current, voltage, force, displacement)
    samples = len(voltage) // SAMPLE_BYTES
    _check_lengths(curves, samples)
    wear_count = ABSENT_WEAR if weld.wear_count is None else weld.wear_count
    columns.add(WeldRow(names, time_ns, weld.dt_us, wear_count, bool(weld.historical), samples), curves)


def _check_lengths(curves: WeldCurves, samples: int) -> None:
    for channel, curve in zip(WeldCurves._fields, curves, strict=True):
        if curve is not None and len(curve) != samples * SAMPLE_BYTES:
            came = count(len(curve) // SAMPLE_BYTES, "sample")
            raise RefusedError(f"$.{channel}", came, f"{count(samples, 'sample')}, as voltage_v has")
