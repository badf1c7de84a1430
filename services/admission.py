"""How much is remembered one by one: streams, guns, programmes and vehicles, each within a bound of its own.

A device that invents names would else fill the memory, and the tables behind it. What is known already goes on; a name
beyond a bound is rejected, and the reject says which bound. The answer depends on what came before in the journal and
on nothing else, so that a replay lets in the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sized
from dataclasses import dataclass, field
from typing import Protocol

from edge.sources import PlacedEvent
from edge.sources.rejects import RefusedError, show
from services.config import PlantLimits

GUN_KINDS = frozenset({"cap_change", "tip_dress"})
"""Events after which a gun is remembered, whether or not it has welded."""


@dataclass(slots=True)
class Admitted:
    """What has been let in, as a snapshot keeps it."""

    streams: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """(gun, spot, programme) by the source that began them."""
    guns: list[str] = field(default_factory=list)
    """Those that only events have named."""
    excluded: list[str] = field(default_factory=list)
    """Spots that are excluded now."""


class Known(Sized, Container[str], Protocol):
    """Names of one kind."""


class Admission:
    """Lets in what is known or has room. Not for two threads at once."""

    def __init__(self, limits: PlantLimits, admitted: Admitted | None = None) -> None:
        self._limits = limits
        self._streams: dict[tuple[str, str, str], str] = {}
        self._begun: Counter[str] = Counter()
        self._guns: dict[str, None] = {}
        self._programs: dict[str, None] = {}
        self._excluded: dict[str, None] = {}
        admitted = admitted or Admitted()
        for source, streams in admitted.streams.items():
            for stream in streams:
                self._add(source, stream)
        self._guns.update(dict.fromkeys(admitted.guns))
        self._excluded.update(dict.fromkeys(admitted.excluded))

    def check_weld(self, source: str, gun: str, spot: str, program: str) -> None:
        """Let in a weld's stream. Raises `RefusedError` when there is no room for it."""
        stream = (gun, spot, program)
        if stream in self._streams:
            return
        limits = self._limits
        _check_room("$.gun", gun, self._guns, limits.guns, "guns")
        _check_room("$.program", program, self._programs, limits.programs, "programs")
        if self._begun[source] >= limits.streams_per_source:
            raise _full("$.spot", spot, "streams of this source", limits.streams_per_source, "streams_per_source")
        if len(self._streams) >= limits.streams:
            raise _full("$.spot", spot, "streams", limits.streams, "streams")
        self._add(source, stream)

    def check_event(self, event: PlacedEvent) -> None:
        """Let in what an event makes to be remembered. Raises `RefusedError` when there is no room for it."""
        if event.kind in GUN_KINDS:
            _check_room("$.gun", event.gun, self._guns, self._limits.guns, "guns")
            self._guns[event.gun] = None
        elif event.kind == "spot_exclude":
            _check_room("$.spot", event.spot, self._excluded, self._limits.streams, "streams")
            self._excluded[event.spot] = None
        elif event.kind == "spot_include":
            self._excluded.pop(event.spot, None)

    def check_agv(self, agv: str, known: Known) -> None:
        """Raise `RefusedError` for a vehicle that is not `known` when there is no room for it."""
        _check_room("topic", agv, known, self._limits.agvs, "agvs")

    def snapshot(self) -> Admitted:
        """Return what was let in."""
        welding = {gun for gun, _, _ in self._streams}
        admitted = Admitted(guns=[gun for gun in self._guns if gun not in welding], excluded=list(self._excluded))
        for stream, source in self._streams.items():
            admitted.streams.setdefault(source, []).append(stream)
        return admitted

    def _add(self, source: str, stream: tuple[str, str, str]) -> None:
        self._streams[stream] = source
        self._begun[source] += 1
        self._guns[stream[0]] = self._programs[stream[2]] = None


def _check_room(path: str, name: str, known: Known, limit: int, setting: str) -> None:
    if name not in known and len(known) >= limit:
        raise _full(path, name, setting, limit, setting)


def _full(path: str, name: str, what: str, limit: int, setting: str) -> RefusedError:
    return RefusedError(path, f"{show(name)}, which is new", f"one of the {limit} {what} known (limits.{setting})")
