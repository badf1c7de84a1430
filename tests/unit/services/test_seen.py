import time
from itertools import count

from services.seen import Seen, fingerprint


def test_a_fingerprint_is_the_same_in_every_process_and_knows_its_parts_apart() -> None:
    assert fingerprint("weld", "1") == 0x745B381D8581EE7A
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_the_oldest_are_forgotten_first() -> None:
    seen = Seen(3)
    for k in range(5):
        seen.add(k)
    seen.forget()
    assert [k in seen for k in range(5)] == [False, False, True, True, True]


def test_a_snapshot_keeps_what_and_in_which_order() -> None:
    seen = Seen(3, [2**64 - 1, 1, 2])
    again = Seen(3, seen.snapshot().tolist())
    again.add(7)
    again.forget()
    assert 2**64 - 1 not in again
    assert all(k in again for k in (1, 2, 7))


def test_forgetting_one_costs_the_same_however_many_were_forgotten_before() -> None:
    """Looking for the oldest key of a dict steps over all that were dropped: a thousand times as long here."""
    capacity = 100_000
    seen = Seen(capacity, range(capacity))
    numbers = count(capacity)

    def shortest_ns() -> int:
        spans = []
        for _ in range(50):
            seen.add(next(numbers))
            began = time.perf_counter_ns()
            seen.forget()
            spans.append(time.perf_counter_ns() - began)
        return min(spans)

    at_first = shortest_ns()
    for _ in range(capacity):
        seen.add(next(numbers))
    seen.forget()
    assert shortest_ns() < 20 * at_first
    assert len(seen) == len(seen.snapshot()) == capacity
