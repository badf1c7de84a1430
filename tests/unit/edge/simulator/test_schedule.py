import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.simulator.layout import build_layout
from edge.simulator.schedule import Schedule, Slots
from edge.simulator.settings import Electrodes, SimulatorSettings

from .making import NOON_NS, S

FIELDS = ("body", "spot", "time_ns", "wear_count", "cap_count", "dress")


def schedule(**changes: object) -> Schedule:
    values = {"seed": 7, "cells": 4, "guns": 9, "spots": 180, "agvs": 0} | changes
    chosen = SimulatorSettings(**values)
    return Schedule(chosen, build_layout(chosen))


WHOLE = schedule()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 600 * S), max_size=6), st.sampled_from([0, 30 * 86400 * S]))
def test_any_split_of_time_gives_the_same_welds_and_events(cuts: list[int], later: int) -> None:
    start = NOON_NS + later
    edges = [start, *sorted(start + cut for cut in cuts), start + 600 * S]
    parts = [WHOLE.welds(a, b) for a, b in itertools.pairwise(edges)]
    whole = WHOLE.welds(start, start + 600 * S)
    for name in FIELDS:
        together = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(together, getattr(whole, name))
    events = [event for a, b in itertools.pairwise(edges) for event in WHOLE.events(a, b)]
    assert events == WHOLE.events(start, start + 600 * S)


def test_every_body_gets_every_spot_once_and_leaves_after_one_takt_per_cell() -> None:
    slots = WHOLE.welds(NOON_NS, NOON_NS + 1200 * S)
    per_body = Counter(slots.body.tolist())
    whole = [body for body, n in per_body.items() if n == len(WHOLE.layout.spot)]
    assert len(whole) >= 15
    for body in whole:
        mine = slots.body == body
        assert len(set(slots.spot[mine].tolist())) == len(WHOLE.layout.spot)
        into_s = (slots.time_ns[mine] - int(WHOLE.entry_s(np.array([body]))[0]) * S) / S
        cell = WHOLE.layout.cell_of_spot[slots.spot[mine]]
        assert (np.floor(into_s / WHOLE.takt_s) == cell).all()


def test_the_default_load_is_fifty_welds_a_second() -> None:
    chosen = SimulatorSettings(unlisted_spots=0)
    timetable = Schedule(chosen, build_layout(chosen))
    assert timetable.welds_per_s == pytest.approx(50)
    assert len(timetable.welds(NOON_NS, NOON_NS + 60 * S).body) == pytest.approx(3000, abs=60)


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0, 7.0, 60.0])
def test_speed_shortens_the_takt_and_bodies_enter_on_whole_seconds(speed: float) -> None:
    timetable = schedule(speed=speed)
    assert timetable.takt_s == pytest.approx(60 / speed)
    body = timetable.bodies_within(0, NOON_NS, NOON_NS + 600 * S)
    entry = timetable.entry_s(body)
    assert (np.diff(entry) >= 1).all()
    assert len({timetable.body_name(int(k)) for k in body}) == len(body)
    if speed <= 7:  # at one body a second a gun would have to weld faster than it can
        slots = timetable.welds(NOON_NS, NOON_NS + 120 * S)
        gun = timetable.layout.gun_of_spot[slots.spot]
        for k in range(9):
            order = slots.body[gun == k] * 1000 + timetable.layout.place[slots.spot[gun == k]]
            assert (np.diff(order) > 0).all()


def test_a_body_is_named_after_the_second_at_which_it_entered() -> None:
    body = WHOLE.bodies_within(0, NOON_NS, NOON_NS + 60 * S)
    entry = int(WHOLE.entry_s(body[1:2])[0])
    name = WHOLE.body_name(int(body[1]))
    assert name == f"251125-{entry % 86400:05d}"


def test_wear_counts_every_weld_of_a_gun_and_starts_again_at_each_event() -> None:
    timetable = schedule(electrodes=Electrodes(dress_welds=60, dresses_per_cap=4))
    start, stop = NOON_NS, NOON_NS + 3600 * S
    slots, events = timetable.welds(start, stop), timetable.events(start, stop)
    assert {event.kind for event in events} == {"tip_dress", "cap_change"}
    gun = timetable.layout.gun_of_spot[slots.spot]
    for k in range(9):
        mine = np.flatnonzero(gun == k)
        fresh = mine[1:][np.diff(slots.wear_count[mine]) != 1]
        assert (slots.wear_count[fresh] == 0).all()
        new_caps = mine[1:][np.diff(slots.cap_count[mine]) != 1]
        assert (slots.cap_count[new_caps] == 0).all()
        for kind, firsts in (("any", fresh), ("cap_change", new_caps)):
            times = [e.time_ns for e in events if e.gun == k and kind in {"any", e.kind}]
            welds = slots.time_ns[mine]
            # Each event lies between the last weld of the worn tips and the first of the new ones.
            expected = [int(np.searchsorted(welds, time)) for time in times]
            assert [mine[i] for i in expected if 0 < i < len(mine)] == firsts.tolist()


def test_a_window_without_welds_is_empty() -> None:
    slots = WHOLE.welds(NOON_NS, NOON_NS)
    assert isinstance(slots, Slots)
    assert len(slots) == 0
