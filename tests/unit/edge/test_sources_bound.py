"""Sources are bounded where they are first seen, in the collector, and told apart from there on by the journal."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge.committer import Committer
from edge.inbox import Inbox, Received
from edge.journal import Journal
from edge.journal_reader import MAX_ITEMS_AT_ONCE, JournalReader
from edge.sources.envelope import MAX_ITEMS
from edge.topics import CROWDED, UNROUTED

LOG = logging.getLogger("test")


def commit(path: Path, topics: list[str], max_sources: int, payload: bytes = b'{"id":"w"}') -> None:
    """Journal messages as the collector does, in a process of its own."""
    with Journal.open(path, 2**26, 2**20) as journal:
        inbox = Inbox()
        for mid, topic in enumerate(topics):
            inbox.put(Received(topic, payload, 1, 1, mid, journaled=True), dup=False)
        stop = threading.Event()
        stop.set()
        Committer(journal, path.with_name("cursor"), 2**26, inbox, lambda: None, LOG, max_sources).run(stop)


def test_a_device_that_invents_topics_makes_no_more_sources_than_there_may_be(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    known = [f"lineside/v1/s/a/L1/C{k}/weld" for k in range(3)]
    invented = [f"lineside/v1/s/a/L1/x{k}/weld" for k in range(50)]
    commit(path, [*known, *invented, "nonsense"], 3)
    commit(path, [known[1], "lineside/v1/s/a/L1/new/weld"], 3)  # a restart knows them again
    with JournalReader.open(path) as reader:
        account = reader.account(0)
        messages = reader.read(0, 1000, 2**24)
    assert set(account) == {"s/a/L1/C0/weld", "s/a/L1/C1/weld", "s/a/L1/C2/weld", CROWDED, UNROUTED}
    assert account[CROWDED].received == 51
    assert [message.topic for message in messages if not message.crowded] == [*known, "nonsense", known[1]]


def test_few_bytes_that_are_many_items_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    payload = b"[" + b"0," * (MAX_ITEMS - 1) + b"0]"
    commit(path, ["lineside/v1/s/a/L1/C1/weld"] * 7, 10, payload)
    with JournalReader.open(path) as reader:
        seen, sizes = 0, []
        while batch := reader.read(seen, 1000, 2**24):
            seen = batch[-1].seq
            sizes.append(sum(message.items for message in batch))
    assert max(sizes) == MAX_ITEMS_AT_ONCE
    assert sum(sizes) == 7 * MAX_ITEMS
