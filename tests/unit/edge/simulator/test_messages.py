from functools import lru_cache

import msgspec
import numpy as np
import pytest

from edge.simulator.feeder import HISTORICAL_NS, WELDS_PER_LIST, Feeder
from edge.simulator.messages import encode_welds
from edge.simulator.outbox import Outbox, Parcel
from edge.simulator.settings import Electrodes, FaultRates
from edge.sources import Decoded, Limits, Message, decode
from edge.sources.envelope import count_items
from edge.topics import ROOT, TRUTH_ROOT

from .making import NAMES, NOON_NS, SMALL, S, same_bits

LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=4 << 20, max_samples=20_000)
BUSY = msgspec.structs.replace(
    SMALL, faults=FaultRates(sample_gap=0.05, clipped=0.02, low_force=0.02), electrodes=Electrodes(dress_welds=40)
)
STOP_NS = NOON_NS + 240 * S


@lru_cache(maxsize=1)
def feeder() -> Feeder:
    return Feeder(BUSY)


def received(parcels: list[Parcel], sent_ns: int) -> Decoded:
    """Decode parcels as the pipeline would, in the order in which they are sent; nothing may be rejected."""
    outbox = Outbox(NOON_NS)
    outbox.push(parcels, STOP_NS)
    sent = [parcel for _, parcel in outbox.take(STOP_NS + 10 * S, len(parcels))]
    payloads = [(parcel.topic, parcel.encode(sent_ns)) for parcel in sent if not parcel.topic.startswith(TRUTH_ROOT)]
    messages = [Message(k, topic, body, sent_ns, count_items(body)) for k, (topic, body) in enumerate(payloads)]
    decoded = decode(messages, LIMITS)
    assert not decoded.rejects, decoded.rejects[0].reject.reason
    return decoded


@pytest.mark.parametrize("way", ["past", "live"])
def test_what_is_published_is_what_was_welded(way: str) -> None:
    made = feeder().shop.welds(NOON_NS, STOP_NS)
    parcels = feeder().past(NOON_NS, STOP_NS) if way == "past" else feeder().live(NOON_NS, STOP_NS)
    decoded = received(parcels, STOP_NS)
    batch = decoded.welds
    assert len(batch) == sum(parcel.welds for parcel in parcels) == len(made.batch)
    at = {weld: k for k, weld in enumerate(batch.id)}
    for k, weld in enumerate(made.batch.id):
        ours, theirs = made.batch.take(k, k + 1), batch.take(at[weld], at[weld] + 1)
        same_bits_but_history = [getattr(ours, name) == getattr(theirs, name) for name in NAMES]
        assert all(same_bits_but_history)
        assert ours.time_ns[0] == theirs.time_ns[0]
        for curve in ("current_ka", "voltage_v", "force_kn", "displacement_mm"):
            np.testing.assert_array_equal(getattr(ours, curve), getattr(theirs, curve))
        place = decoded.weld_place[at[weld]]
        assert (place.site, place.area, place.cell) == (BUSY.site, BUSY.area, ours.gun[0].rsplit("-", 1)[0])
    events = feeder().shop.events(NOON_NS, STOP_NS)
    assert events
    assert len(decoded.events) == len(events)


def test_json_and_messagepack_carry_the_same_bits() -> None:
    batch = feeder().shop.welds(NOON_NS, NOON_NS + 20 * S).batch
    sound = np.logical_and.reduceat(np.isfinite(batch.voltage_v), batch.offsets[:-1])
    batch = batch.select(sound)
    topic = f"{ROOT}/a/b/c/d/weld"
    decoded = []
    for as_json in (True, False):
        payload = encode_welds(batch, range(len(batch)), as_json=as_json, late_before_ns=0)
        assert payload.startswith(b"[") == as_json
        decoded.append(decode([Message(1, topic, payload, STOP_NS, count_items(payload))], LIMITS).welds)
    same_bits(*decoded)
    same_bits(decoded[0], batch)


def test_a_weld_is_historical_by_its_age_when_it_is_sent() -> None:
    parcels = feeder().past(NOON_NS, STOP_NS)
    decoded = received(parcels, STOP_NS)
    np.testing.assert_array_equal(decoded.welds.historical, decoded.welds.time_ns < STOP_NS - HISTORICAL_NS)
    assert 0 < decoded.welds.historical.mean() < 1
    assert received(parcels, STOP_NS + 120 * S).welds.historical.all()


def test_lists_stay_small_and_in_the_order_of_what_was_done_to_the_guns() -> None:
    parcels = feeder().past(NOON_NS, STOP_NS)
    assert max(parcel.welds for parcel in parcels) <= WELDS_PER_LIST
    decoded = received(parcels, STOP_NS)
    cell_of = {gun: gun.rsplit("-", 1)[0] for gun in decoded.welds.gun}
    for placed in decoded.events:
        event_cell = placed.place.cell
        for k, gun in enumerate(decoded.welds.gun):
            if cell_of[gun] == event_cell:
                after = decoded.weld_seq[k] > placed.seq
                assert after == (decoded.welds.time_ns[k] >= placed.time_ns)


def test_truth_travels_on_its_own_topic_alone() -> None:
    for parcels in (feeder().past(NOON_NS, STOP_NS), feeder().live(NOON_NS, STOP_NS)):
        told = [parcel for parcel in parcels if parcel.topic.startswith(TRUTH_ROOT + "/")]
        truths = [truth for parcel in told for truth in msgspec.json.decode(parcel.encode(STOP_NS))]
        assert sorted(truth["id"] for truth in truths) == sorted(
            truth.id for _, truth in feeder().shop.welds(NOON_NS, STOP_NS).truth
        )
        assert {"id", "spot", "cause", "severity", "nugget_mm", "min_nugget_mm"} <= set(truths[0])
        for parcel in parcels:
            if parcel not in told:
                assert parcel.topic.startswith(ROOT + "/")
                body = parcel.encode(STOP_NS)
                assert not any(word in body for word in (b"severity", b"nugget", b"fault", b"cause"))


def test_a_live_weld_is_due_when_it_ends_and_goes_alone() -> None:
    for parcel in feeder().live(NOON_NS, NOON_NS + 30 * S):
        if parcel.welds:
            assert parcel.welds == 1
            assert 0.15 * S < parcel.due_ns - parcel.start_ns < 0.7 * S


def test_a_plant_too_fast_for_single_messages_sends_short_lists_that_lose_nothing() -> None:
    fast = Feeder(msgspec.structs.replace(SMALL, speed=60.0, spots=600))
    until_ns = NOON_NS + 4 * S
    parcels = [parcel for parcel in fast.live(NOON_NS, until_ns) if parcel.welds]
    made = fast.shop.welds(NOON_NS, until_ns)
    assert sum(parcel.welds for parcel in parcels) == len(made.batch) > 2000
    assert len(parcels) < len(made.batch) / 5
    end_ns = dict(zip(made.batch.id, made.end_ns.tolist(), strict=True))
    for parcel in parcels:
        body = parcel.encode(until_ns)
        message = Message(1, parcel.topic, body, until_ns, count_items(body))
        ends = [end_ns[weld] for weld in decode([message], LIMITS).welds.id]
        assert parcel.due_ns == max(ends)
        assert max(ends) - min(ends) < S // 10


def parcel(due: int, start: int = 0, welds: int = 1) -> Parcel:
    return Parcel(due, start or due, "t", lambda _: b"", welds)


def test_the_outbox_gives_out_in_order_of_time_what_is_due() -> None:
    outbox = Outbox(0)
    outbox.push([parcel(30), parcel(10), parcel(20), parcel(10, welds=2)], 100)
    taken = outbox.take(20, 10)
    assert [(p.due_ns, p.welds) for _, p in taken] == [(10, 1), (10, 2), (20, 1)]
    assert outbox.take(20, 10) == []
    assert [p.due_ns for _, p in outbox.take(99, 10)] == [30]


def test_what_was_not_acknowledged_goes_out_again_in_its_place() -> None:
    outbox = Outbox(0)
    outbox.push([parcel(10), parcel(20), parcel(30)], 100)
    (first, _), _ = outbox.take(25, 10)
    outbox.done(first)
    assert (outbox.welds, outbox.acknowledged) == (2, 1)
    assert outbox.published_until_ns() == 20
    outbox.restore()
    assert [p.due_ns for _, p in outbox.take(99, 10)] == [20, 30]


def test_published_until_is_the_oldest_that_is_waiting_or_in_flight() -> None:
    outbox = Outbox(5)
    assert outbox.published_until_ns() == 5
    outbox.push([parcel(50, start=40), parcel(60, start=45)], 100)
    taken = outbox.take(99, 10)
    assert outbox.published_until_ns() == 40
    outbox.done(taken[0][0])
    assert outbox.published_until_ns() == 45
    outbox.done(taken[1][0])
    assert outbox.published_until_ns() == 100
