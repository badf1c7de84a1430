"""Actions end what they cure from their own moment on, and change nothing else: a counterfactual is a fair one."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.simulator.faults import CODE, FAULTS, SEATS, SPELL_FAULTS, SpellRecord
from edge.simulator.maintenance import CURES, Action, Maintenance
from edge.simulator.settings import FaultRates, SimulatorSettings, Spells
from edge.simulator.shop import Made, Shop

from .making import NOON_NS, S, chain, same_bits

QUIET = FaultRates(**dict.fromkeys(FaultRates.__struct_fields__, 0.0))
TROUBLED = SimulatorSettings(
    seed=5, lines=1, cells=3, guns=6, spots=60, unlisted_spots=0, agvs=0, faults=QUIET,
    spells=Spells(per_gun_and_day=4.0, min_h=1.0, max_h=3.0, worst_rate=0.6, mains_dips_per_day=0.0),
)  # fmt: skip
HOUR = 3600 * S
PLAIN = Shop(TROUBLED)
STOP_NS = NOON_NS + 30 * HOUR


def spell_of(seat: str) -> SpellRecord:
    """Return a long spell whose trouble lies there and that no other spell of its gun meets."""
    spells = PLAIN.faults.spells(NOON_NS, STOP_NS)
    alone = [
        spell
        for spell in spells
        if spell.seat == seat
        and spell.end_ns - spell.start_ns > 1.5 * HOUR
        and not any(o is not spell and o.gun == spell.gun and o.start_ns < spell.end_ns for o in spells)
    ] or [spell for spell in spells if spell.seat == seat]
    return max(alone, key=lambda spell: spell.end_ns - spell.start_ns)


def at_fault(shop: Shop, gun: int, fault: str, start_ns: int, stop_ns: int) -> list[int]:
    """Return the times of a gun's welds with this fault."""
    slots = shop.schedule.welds(start_ns, stop_ns)
    mine = (shop.layout.gun_of_spot[slots.spot] == gun) & (shop.faults.draw(slots).code == CODE[fault])
    return slots.time_ns[mine].tolist()


@pytest.mark.parametrize(("kind", "seat"), CURES.items())
def test_the_right_action_ends_a_spell_and_a_wrong_one_does_not(kind: str, seat: str) -> None:
    spell = spell_of(seat)
    middle = (spell.start_ns + spell.end_ns) // 2 // 10**6 * 10**6
    window = (spell.start_ns, spell.end_ns)
    before = at_fault(PLAIN, spell.gun, spell.fault, *window)
    assert sum(time >= middle for time in before) > 5
    cured = PLAIN.with_actions([Action(kind, spell.gun, middle)])
    assert at_fault(cured, spell.gun, spell.fault, *window) == [time for time in before if time < middle]
    for other in set(CURES) - {kind}:
        useless = PLAIN.with_actions([Action(other, spell.gun, middle)])
        assert at_fault(useless, spell.gun, spell.fault, *window) == before
    elsewhere = PLAIN.with_actions([Action(kind, (spell.gun + 1) % 6, middle), Action(kind, spell.gun, spell.end_ns)])
    assert at_fault(elsewhere, spell.gun, spell.fault, *window) == before


def test_an_action_before_the_spell_does_not_prevent_it() -> None:
    spell = spell_of("gun")
    early = PLAIN.with_actions([Action("repair", spell.gun, spell.start_ns - 10**6)])
    window = (spell.start_ns, spell.end_ns)
    assert at_fault(early, spell.gun, spell.fault, *window) == at_fault(PLAIN, spell.gun, spell.fault, *window)


def test_records_and_events_tell_how_a_spell_ended() -> None:
    spell = spell_of("gun")
    middle = (spell.start_ns + spell.end_ns) // 2 // 10**6 * 10**6
    shop = PLAIN.with_actions([Action("repair", spell.gun, middle)])
    now = next(s for s in shop.faults.spells(NOON_NS, STOP_NS) if s.start_ns == spell.start_ns and s.gun == spell.gun)
    assert (now.end_ns, now.cured, now.fault) == (middle, True, spell.fault)
    mine = [e for e in shop.events(spell.start_ns, spell.end_ns + 1) if e.gun == spell.gun and e.kind == "maintenance"]
    assert [(event.time_ns, event.note) for event in mine] == [(middle, "repair")]
    assert not spell.cured
    told = [e for e in PLAIN.events(spell.start_ns, spell.end_ns + 1) if e.gun == spell.gun and e.note]
    assert [(event.time_ns, event.note) for event in told] == [(spell.end_ns, spell.fault.replace("_", " "))]


def test_nothing_before_an_action_or_at_another_gun_changes() -> None:
    moment = NOON_NS + 40 * 60 * S
    acted = PLAIN.with_actions([Action(kind, 2, moment) for kind in CURES])
    window = (NOON_NS, NOON_NS + HOUR)
    one, other = PLAIN.welds(*window).batch, acted.welds(*window).batch
    touched = (np.array(one.gun) == PLAIN.layout.gun[2]) & (one.time_ns >= moment)
    assert one.id == other.id
    same_bits(one.select(~touched), other.select(~touched))
    assert (one.wear_count[touched] != other.wear_count[touched]).any()


def test_a_dress_out_of_turn_starts_the_count_with_the_next_body() -> None:
    gun = 3
    per_body = int(PLAIN.layout.gun_spots[gun])
    count = PLAIN.schedule.welds(NOON_NS, NOON_NS + 3 * HOUR)
    mine = PLAIN.layout.gun_of_spot[count.spot] == gun
    wear, body, time = count.wear_count[mine], count.body[mine], count.time_ns[mine]
    k = int(np.flatnonzero((wear > 8 * per_body) & (wear < 12 * per_body) & (wear % per_body == 4))[0])
    shop = PLAIN.with_actions([Action("tip_dress", gun, int(time[k]))])
    now = shop.schedule.welds(NOON_NS, NOON_NS + 3 * HOUR)
    new, dress = now.wear_count[mine], now.dress[mine]
    same_body = body == body[k]
    np.testing.assert_array_equal(new[same_body], wear[same_body])
    following = np.flatnonzero(body > body[k])[: 3 * per_body]
    np.testing.assert_array_equal(new[following], np.arange(3 * per_body))
    assert (dress[following] == count.dress[mine][following] + 1).all()
    np.testing.assert_array_equal(now.cap_count, count.cap_count)
    scheduled = np.flatnonzero((wear == 0) & (body > body[k]))[0]
    np.testing.assert_array_equal(new[scheduled:], wear[scheduled:])  # the timetable's own dress comes all the same


ACTION = st.tuples(st.sampled_from(sorted(CURES)), st.integers(0, 5), st.integers(-60, 900))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=3), st.lists(ACTION, max_size=8))
def test_any_split_of_time_gives_the_same_welds(cuts: list[int], done: list[tuple[str, int, int]]) -> None:
    shop = PLAIN.with_actions([Action(kind, gun, NOON_NS + at * S) for kind, gun, at in done])
    edges = [0, *sorted(cuts), 900]
    parts = [shop.welds(NOON_NS + a * S, NOON_NS + b * S) for a, b in itertools.pairwise(edges) if b > a]
    whole = shop.welds(NOON_NS, NOON_NS + 900 * S)
    same_bits(chain([part.batch for part in parts]), whole.batch)
    assert truths(parts) == truths([whole])
    events = [e for a, b in itertools.pairwise(edges) for e in shop.events(NOON_NS + a * S, NOON_NS + b * S)]
    assert events == shop.events(NOON_NS, NOON_NS + 900 * S)


def truths(parts: list[Made]) -> list[bytes]:
    return [msgspec.json.encode(truth) for part in parts for _, truth in part.truth]


def test_last_and_count_are_those_of_a_plain_loop() -> None:
    draw, n = np.random.default_rng(3), 40
    actions = [
        Action(str(kind), int(gun), int(at) * 10**6)
        for kind, gun, at in zip(
            draw.choice(list(CURES), n), draw.integers(0, 4, n), draw.integers(0, 50, n), strict=True
        )
    ]
    record = Maintenance(actions)
    gun, time = draw.integers(0, 5, 300), draw.integers(0, 60, 300) * 10**6
    for kind in CURES:
        mine = [action for action in actions if action.kind == kind]
        done = [
            [action.time_ns for action in mine if action.gun == g and action.time_ns <= t]
            for g, t in zip(gun, time, strict=True)
        ]
        assert record.last_ns(kind, gun, time).tolist() == [max(times, default=-1) for times in done]
        assert record.count(kind, gun, time).tolist() == [len(times) for times in done]


def test_an_unknown_action_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match="'prayer'; expected one of repair, tip_dress, quarantine"):
        Maintenance([Action("prayer", 0, 0)])


def test_every_fault_of_a_spell_has_a_cure() -> None:
    assert len(SEATS) == len(SPELL_FAULTS)
    assert set(SEATS.tolist()) == set(CURES.values())
    assert set(SPELL_FAULTS) <= set(FAULTS)
