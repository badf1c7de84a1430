"""Turning windows of time into parcels: lists per cell for the past, single messages for what is live."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge.simulator.messages import encode_event, encode_truth, encode_welds
from edge.simulator.outbox import Parcel
from edge.simulator.schedule import GunEvent, S
from edge.simulator.settings import SimulatorSettings
from edge.simulator.shop import Made, Shop, Truth
from edge.topics import ROOT, TRUTH_ROOT, Place
from models.welds.batch import WeldBatch

WELDS_PER_LIST = 150
SINGLES_PER_S = 250
"""Welds a second up to which each is a message of its own ..."""
GROUP_NS = S // 10
"""... a faster plant sends those of a cell that end within this time as one list: a broker client in Python cannot
publish thousands of messages a second."""
HISTORICAL_NS = 60 * S
"""A weld older than this when it is sent is marked historical."""


class Feeder:
    """Makes the parcels of a shop; the same window gives the same parcels."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.shop = Shop(settings)
        layout = self.shop.layout
        places = [
            Place(settings.site, settings.area, line, cell)
            for cell, line in zip(layout.cell, layout.cell_line, strict=True)
        ]
        self._weld_topics = [place.topic("weld") for place in places]
        self._event_topics = [place.topic("event") for place in places]
        self._truth_topics = [topic.replace(ROOT, TRUTH_ROOT, 1) for topic in self._weld_topics]

    def past(self, start_ns: int, stop_ns: int) -> list[Parcel]:
        """Return lists of welds per cell, cut where something was done to a gun, so that the order is kept."""
        made, events = self.shop.welds(start_ns, stop_ns), self.shop.events(start_ns, stop_ns)
        parcels = [self._event(event) for event in events]
        cell_of_event = [self._cell(event) for event in events]
        for cell in range(len(self._weld_topics)):
            welds = np.flatnonzero(made.cell == cell)
            cuts = [event.time_ns for event, at in zip(events, cell_of_event, strict=True) if at == cell]
            for part in np.split(welds, np.searchsorted(made.batch.time_ns[welds], cuts)):
                firsts = range(0, len(part), WELDS_PER_LIST)
                parcels += [self._welds(made, part[k : k + WELDS_PER_LIST].tolist(), due_ns=None) for k in firsts]
            truths = [truth for k, truth in made.truth if made.cell[k] == cell]
            if truths:
                parcels.append(self._truth(cell, truths, truths[0].time_ns))
        return parcels

    def live(self, start_ns: int, stop_ns: int) -> list[Parcel]:
        """Return each weld as a message of its own, due when it ends; short lists per cell when there are too many."""
        made = self.shop.welds(start_ns, stop_ns)
        parcels = [self._event(event) for event in self.shop.events(start_ns, stop_ns)]
        parcels += [self._welds(made, group, int(made.end_ns[group].max())) for group in self._groups(made)]
        parcels += [self._truth(int(made.cell[k]), [truth], int(made.end_ns[k])) for k, truth in made.truth]
        return parcels

    def _groups(self, made: Made) -> list[list[int]]:
        if self.shop.schedule.welds_per_s <= SINGLES_PER_S:
            return [[k] for k in range(len(made.batch))]
        groups: dict[tuple[int, int], list[int]] = {}
        for k, key in enumerate(zip(made.cell.tolist(), (made.end_ns // GROUP_NS).tolist(), strict=True)):
            groups.setdefault(key, []).append(k)
        return list(groups.values())

    def _cell(self, event: GunEvent) -> int:
        return int(self.shop.layout.cell_of_gun[event.gun])

    def _event(self, event: GunEvent) -> Parcel:
        cell, gun = self._cell(event), self.shop.layout.gun[event.gun]
        payload = encode_event(event, gun, as_json=bool(self.shop.layout.json[cell]))
        return Parcel(event.time_ns, event.time_ns, self._event_topics[cell], lambda _: payload, 0)

    def _welds(self, made: Made, welds: list[int], due_ns: int | None) -> Parcel:
        start_ns, cell = int(made.batch.time_ns[welds[0]]), int(made.cell[welds[0]])
        encode = partial(_encode_welds, made.batch, welds, bool(self.shop.layout.json[cell]))
        return Parcel(due_ns or start_ns, start_ns, self._weld_topics[cell], encode, len(welds))

    def _truth(self, cell: int, truths: list[Truth], due_ns: int) -> Parcel:
        payload = encode_truth(truths)
        return Parcel(due_ns, truths[0].time_ns, self._truth_topics[cell], lambda _: payload, 0)


def _encode_welds(batch: WeldBatch, welds: list[int], as_json: bool, sent_ns: int) -> bytes:
    return encode_welds(batch, welds, as_json=as_json, late_before_ns=sent_ns - HISTORICAL_NS)
