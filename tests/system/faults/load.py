"""The known load: what a small body shop sends in some hours, as messages in one order, from a seed.

Welds packed and in JSON, one by one and in lists, events, vehicles, and messages that must be rejected. Some messages
come twice, out of order or late, and now and then a cell sends its last hour again: all of that is part of the load,
so that an undisturbed run gets it too, and whatever differs then is a fault's doing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import msgspec

from edge.simulator.fleet import Fleet
from edge.simulator.messages import encode_event, encode_welds
from edge.simulator.settings import FaultRates, SimulatorSettings
from edge.simulator.shop import Shop
from edge.topics import Place

S = 10**9
HOUR_NS = 3600 * S
WINDOW_NS, FLEET_NS = 600 * S, 5 * S
"""What is made at a time; vehicles' messages are placed among the welds to the second of these."""
TWICE, SWAPPED, DELAYED, BROKEN, LISTED = 0.02, 0.02, 0.005, 0.01, 0.2
"""Shares of the messages that come twice, after their follower or much later, are broken, and of the welds in lists."""
DELAY = (20, 400)
"""By how many messages."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message."""

    topic: str
    payload: bytes


def plant_settings(seed: int) -> SimulatorSettings:
    """Return a plant small enough for each spot to be judged within a few minutes, and bad enough for defects."""
    bad = dict.fromkeys(("over_current", "low_force", "edge_weld", "no_current", "dead_voltage", "fit_up"), 0.004)
    return SimulatorSettings(
        seed=seed % 2**31,
        site="faults",
        lines=1,
        cells=4,
        guns=8,
        spots=40,
        bodies_per_hour=120,
        agvs=4,
        json_cells=0.5,
        faults=FaultRates(**bad),
    )


def make_load(seed: int, n: int, start_ns: int) -> list[Sent]:
    """Return `n` messages whose source times begin at `start_ns`."""
    rng = random.Random(f"load {seed}")
    messages: list[Sent] = []
    hour: list[tuple[int, Sent]] = []
    for time_ns, message in _in_order(seed, start_ns, rng):
        hour.append((time_ns, message))
        messages.append(message)
        if rng.random() < TWICE:
            messages.append(message)
        if rng.random() < BROKEN:
            messages.append(_broken(len(messages), message.topic, rng))
        if len(messages) >= n:
            break
        if len(hour) > 900:  # a device lost its place
            topic = rng.choice([sent.topic for _, sent in hour if sent.topic.endswith("/weld")])
            messages += [sent for at_ns, sent in hour if sent.topic == topic and at_ns > time_ns - HOUR_NS]
            hour = []
    for k in range(len(messages) - 1):
        if rng.random() < SWAPPED:
            messages[k], messages[k + 1] = messages[k + 1], messages[k]
    for k in sorted((k for k in range(len(messages)) if rng.random() < DELAYED), reverse=True):
        messages.insert(min(len(messages) - 1, k + rng.randint(*DELAY)), messages.pop(k))
    return messages[:n]


def _in_order(seed: int, start_ns: int, rng: random.Random) -> Iterator[tuple[int, Sent]]:
    """Yield time and message of everything that the plant sends, in order of time, without end."""
    settings = plant_settings(seed)
    shop = Shop(settings)
    layout = shop.layout
    fleet = Fleet(settings, layout, start_ns)
    places = [
        Place(settings.site, settings.area, line, cell)
        for cell, line in zip(layout.cell, layout.cell_line, strict=True)
    ]
    while True:
        stop_ns = start_ns + WINDOW_NS
        found: list[tuple[int, Sent]] = []
        made = shop.welds(start_ns, stop_ns)
        for (cell, _), group in groupby(range(len(made.batch)), key=lambda k: (int(made.cell[k]), made.batch.body[k])):
            welds = list(group)
            size = len(welds) if rng.random() < LISTED else 1
            for part in (welds[k : k + size] for k in range(0, len(welds), size)):
                payload = encode_welds(made.batch, part, as_json=bool(layout.json[cell]), late_before_ns=0)
                found.append((int(made.end_ns[part].max()), Sent(places[cell].topic("weld"), payload)))
        for event in shop.events(start_ns, stop_ns):
            cell = int(layout.cell_of_gun[event.gun])
            payload = encode_event(event, layout.gun[event.gun], as_json=bool(layout.json[cell]))
            found.append((event.time_ns, Sent(places[cell].topic("event"), payload)))
        for part_ns in range(start_ns, stop_ns, FLEET_NS):
            for topic, payload, _, _ in fleet.messages(part_ns, part_ns + FLEET_NS):
                if topic.endswith(("/state", "/connection")):
                    found.append((part_ns, Sent(topic, payload)))
        yield from sorted(found, key=lambda item: item[0])
        start_ns = stop_ns


def _broken(number: int, topic: str, rng: random.Random) -> Sent:
    """Return a message that must be rejected, each with words of its own."""
    kinds = [
        json.dumps({"id": f"broken-{number}", "spot": "S", "time": f"never {number}"}).encode(),
        b'{"broken": %d' % number,
        msgspec.msgpack.encode({"id": f"packed-{number}", "spot": number}),
    ]
    return Sent(topic if topic.startswith("lineside/") else f"lineside/v1/faults/nowhere/{number}", rng.choice(kinds))
