"""What is acknowledged, when, and under which packet id."""

from __future__ import annotations

from edge.inbox import Inbox, Received


def put(inbox: Inbox, payload: str, mid: int = 0, *, qos: int = 1, dup: bool = False) -> None:
    message = Received("topic", payload.encode(), received_ns=1, qos=qos, mid=mid, journaled=True)
    inbox.put(message, dup=dup)


def take(inbox: Inbox, count: int = 100, size: int = 10**6) -> list[str]:
    return [message.payload.decode() for message in inbox.take(count, size, 0.0)]


def connected() -> Inbox:
    inbox = Inbox(max_kept=3, max_kept_bytes=100, max_loose=2, max_loose_bytes=10)
    inbox.begin()
    return inbox


def test_only_what_is_settled_is_acknowledged_once_and_in_order() -> None:
    inbox = connected()
    put(inbox, "a", 7)
    put(inbox, "b", qos=0)
    put(inbox, "c", 5)
    assert take(inbox) == ["a", "b", "c"]
    assert inbox.acks() == []
    put(inbox, "d", 6)
    inbox.settle()
    assert inbox.acks() == [7, 5]
    assert inbox.acks() == []
    assert take(inbox) == ["d"]


def test_a_group_keeps_to_its_bounds_and_to_the_order_of_arrival() -> None:
    inbox = connected()
    for payload, qos in (("aa", 1), ("bb", 0), ("cc", 1), ("dd", 0)):
        put(inbox, payload, qos=qos)
    assert take(inbox, size=5) == ["aa", "bb"]
    inbox.settle()
    assert take(inbox, count=1) == ["cc"]
    inbox.settle()
    assert take(inbox, size=1) == ["dd"]  # larger than the bound: alone
    inbox.settle()
    assert take(inbox) == []


def test_an_acknowledgement_never_crosses_to_another_connection() -> None:
    inbox = connected()
    put(inbox, "committed", 1)
    take(inbox)
    inbox.settle()
    put(inbox, "under way", 2)
    take(inbox)
    put(inbox, "waiting", 3)
    inbox.begin()  # before any of the three was acknowledged
    assert inbox.acks() == []
    inbox.settle()
    assert take(inbox) == ["waiting"]
    inbox.settle()
    assert inbox.acks() == []


def test_what_comes_again_takes_the_place_of_its_copy() -> None:
    inbox = connected()
    put(inbox, "under way", 1)
    take(inbox)
    put(inbox, "waiting", 2)
    inbox.begin()
    put(inbox, "waiting", 12, dup=True)
    put(inbox, "under way", 11, dup=True)
    inbox.settle()
    assert take(inbox) == ["waiting"]
    inbox.settle()
    assert inbox.acks() == [11, 12]
    assert take(inbox) == []


def test_each_copy_is_replaced_once() -> None:
    inbox = connected()
    put(inbox, "same", 1)
    put(inbox, "same", 2)
    inbox.begin()
    for mid in (11, 12, 13):
        put(inbox, "same", mid, dup=True)
    assert take(inbox) == ["same"] * 3
    inbox.settle()
    assert inbox.acks() == [11, 12, 13]


def test_what_is_new_is_not_taken_for_a_copy() -> None:
    inbox = connected()
    put(inbox, "same", 1)
    inbox.begin()
    put(inbox, "same", 2)  # not marked as sent again
    assert take(inbox) == ["same", "same"]
    inbox.settle()
    put(inbox, "same", 3, dup=True)  # its copy is on disk: this one is journaled as well, and seen as a duplicate later
    assert take(inbox) == ["same"]


def test_qos_0_drops_its_oldest_and_counts_them() -> None:
    inbox = connected()
    put(inbox, "kept", 1)
    for payload in ("a", "b", "c"):
        put(inbox, payload, qos=0)
    assert inbox.dropped == 1
    put(inbox, "d" * 10, qos=0)
    assert inbox.dropped == 3
    assert take(inbox) == ["kept", "d" * 10]


def test_qos_1_is_never_dropped_but_says_when_to_stop_reading() -> None:
    inbox = connected()
    put(inbox, "x" * 99)
    assert inbox.has_room()
    put(inbox, "x")
    assert not inbox.has_room()
    assert take(inbox, count=1) == ["x" * 99]
    assert inbox.has_room()
    assert (len(inbox), inbox.size_bytes) == (2, 1)
    put(inbox, "y")
    put(inbox, "z")
    assert not inbox.has_room()
    inbox.settle()
    assert take(inbox) == ["x", "y", "z"]
