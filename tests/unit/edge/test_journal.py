"""The journal against a list that does the same, and against what can be wrong with a file."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import edge.journal
from edge.journal import (
    Entry,
    Journal,
    JournalDamaged,
    JournalError,
    JournalFull,
    JournalGap,
    JournalMissing,
    JournalReader,
)
from edge.journal_reader import MAX_ITEMS_AT_ONCE
from edge.sources.message import Message

ROOM = 2**30
ENTRY = st.tuples(
    st.sampled_from(["lineside/v1/a/b/c/d/weld", "x", "größe/焊点"]),
    st.binary(max_size=20_000),
    st.integers(0, 2**62),
    st.sampled_from(["s1", "s2", "(unrouted)"]),
    st.integers(1, 10_000),
)


def entry(payload: bytes = b"{}", source: str = "s", items: int = 1, received_ns: int = 1) -> Entry:
    return "topic", payload, received_ns, source, items


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


class AgainstAList(RuleBasedStateMachine):
    """Any sequence of appending, trimming, reading and opening again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.sqlite"
        self.journal = Journal.open(self.path, ROOM, 0)
        self.reader = JournalReader.open(self.path)
        self.all: list[Message] = []
        self.sources: list[str] = []
        self.trimmed = 0

    def teardown(self) -> None:
        self.reader.close()
        self.journal.close()
        shutil.rmtree(self.folder)

    @rule(entries=st.lists(ENTRY, max_size=6))
    def append(self, entries: list[Entry]) -> None:
        for topic, payload, received_ns, source, items in entries:
            self.all.append(Message(len(self.all) + 1, topic, payload, received_ns, items))
            self.sources.append(source)
        assert self.journal.append(entries) == len(self.all)

    @rule(data=st.data(), chunk=st.integers(1, 4), size=st.integers(1, 30_000))
    def trim(self, data: st.DataObject, chunk: int, size: int) -> None:
        upto = data.draw(st.integers(0, len(self.all)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(edge.journal, "TRIM_MESSAGES", chunk)
            patch.setattr(edge.journal, "TRIM_BYTES", size)
            dropped = list(itertools.takewhile(bool, iter(lambda: self.journal.trim(upto), None)))
        assert all(one <= chunk for one in dropped)
        assert sum(dropped) == max(0, upto - self.trimmed)
        self.trimmed = max(self.trimmed, upto)

    @rule(data=st.data(), count=st.integers(1, 5), size=st.integers(0, 40_000))
    def read(self, data: st.DataObject, count: int, size: int) -> None:
        after = data.draw(st.integers(self.trimmed, len(self.all)))
        expected = self.all[after : after + count]
        while len(expected) > 1 and (
            sum(len(message.payload) for message in expected) > size
            or sum(message.items for message in expected) > MAX_ITEMS_AT_ONCE
        ):
            expected.pop()
        assert self.reader.read(after, count, size) == expected

    @rule(data=st.data())
    def account(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(self.trimmed, len(self.all)))
        received: Counter[str] = Counter()
        pending: Counter[str] = Counter()
        last: dict[str, int] = {}
        for message, source in zip(self.all, self.sources, strict=True):
            received[source] += message.items
            pending[source] += message.items * (message.seq > after)
            last[source] = max(last.get(source, 0), message.received_ns)
        found = self.reader.account(after)
        assert {name: (c.received, c.pending, c.last_received_ns) for name, c in found.items()} == {
            name: (received[name], pending[name], last[name]) for name in received
        }
        oldest = self.reader.oldest_received_ns(after)
        assert oldest == (self.all[after].received_ns if after < len(self.all) else None)

    @precondition(lambda self: self.trimmed > 0)
    @rule(data=st.data())
    def ask_for_what_is_trimmed(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, self.trimmed - 1))
        for ask in (self.reader.account, self.reader.oldest_received_ns, lambda after: self.reader.read(after, 1, 1)):
            with pytest.raises(
                JournalGap, match=f"trimmed up to message {self.trimmed}; asked for those above {after}"
            ):
                ask(after)

    @rule(reader_too=st.booleans())
    def open_again(self, reader_too: bool) -> None:
        if reader_too:
            self.reader.close()
        self.journal.close()
        self.journal = Journal.open(self.path, ROOM, 0)
        if reader_too:
            self.reader = JournalReader.open(self.path)

    @invariant()
    def ends_agree(self) -> None:
        assert self.journal.last_seq == self.reader.last_seq() == len(self.all)
        assert self.journal.trimmed == self.trimmed


AgainstAList.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
test_against_a_list = AgainstAList.TestCase


def test_numbers_are_never_used_again(path: Path) -> None:
    with Journal.open(path, ROOM, 0) as journal:
        assert journal.append([entry()] * 3) == 3
        assert journal.trim(3) == 3
    with Journal.open(path, ROOM, 0) as journal:
        assert journal.append([entry()]) == 4


def test_an_append_that_fails_leaves_nothing(path: Path) -> None:
    with Journal.open(path, ROOM, 0) as journal, JournalReader.open(path) as reader:
        journal.append([entry(source="old")])
        with pytest.raises(UnicodeEncodeError):  # met when half of it is written
            journal.append([entry(source="old"), entry(source="new"), ("topic \ud800", b"", 1, "new", 1)])
        assert reader.last_seq() == 1
        assert {name: count.received for name, count in reader.account(0).items()} == {"old": 1}
        assert journal.append([entry(source="new")]) == 2
        assert reader.account(0)["new"].received == 1


def test_it_keeps_to_its_bound_on_disk_and_goes_on_after_trimming(path: Path) -> None:
    bound = 2 * 2**20
    with Journal.open(path, bound, 0) as journal:
        for _ in range(4):
            with pytest.raises(JournalFull, match=f"its bound is {bound}"):
                fill(journal, path, bound)
            taken = journal.last_seq
            live = taken - journal.trimmed
            assert live * 3000 > bound / 3  # the bound is used, not just kept
            while journal.trim(taken):
                pass
    assert taken > 1000


def fill(journal: Journal, path: Path, bound: int) -> None:
    while True:
        journal.append([entry(os.urandom(3000))] * 10)
        assert on_disk(path) <= bound


def test_a_reader_that_hangs_stops_the_journal_before_the_log_fills_the_disk(path: Path) -> None:
    bound = 2 * 2**20
    with Journal.open(path, bound, 0) as journal:
        journal.append([entry()])
        hanging = sqlite3.connect(path, isolation_level=None)
        hanging.execute("BEGIN")
        hanging.execute("SELECT * FROM message").fetchall()
        with pytest.raises(JournalFull, match="a reader that hangs keeps it from being emptied"):
            fill_and_trim(journal)
        assert on_disk(path) <= bound
        hanging.close()
        journal.append([entry()])


def fill_and_trim(journal: Journal) -> None:
    while True:
        journal.trim(journal.append([entry(os.urandom(3000))] * 10))


def test_room_goes_back_to_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.journal, "KEEP_FREE_BYTES", 2**20)
    with Journal.open(path, ROOM, 0) as journal:
        for _ in range(10):
            journal.append([entry(bytes(100_000))] * 10)
        peak = journal.used_bytes()
        assert peak > 10**7
        for _ in range(20):
            journal.trim(journal.last_seq)
    assert path.stat().st_size < peak / 4


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob("journal.sqlite*") if not file.name.endswith("-shm"))


def test_it_leaves_the_disk_what_it_is_told_to(path: Path) -> None:
    path.parent.mkdir()
    free = shutil.disk_usage(path.parent).free
    with Journal.open(path, ROOM, 10 * free) as journal:
        with pytest.raises(JournalFull, match=f"at least {10 * free} are to stay free"):
            journal.append([entry()])
        assert journal.last_seq == 0


def test_a_cursor_that_is_not_about_this_journal_trims_nothing(path: Path) -> None:
    with Journal.open(path, ROOM, 0) as journal:
        journal.append([entry()] * 2)
        with pytest.raises(ValueError, match="ends at message 2; cannot trim up to 3"):
            journal.trim(3)
        assert journal.trimmed == 0


def test_there_is_one_writer(path: Path) -> None:
    with (
        Journal.open(path, ROOM, 0),
        pytest.raises(JournalError, match=f"has another writer, process {os.getpid()}; expected one"),
    ):
        Journal.open(path, ROOM, 0)
    Journal.open(path, ROOM, 0).close()


def test_a_reader_says_that_there_is_nothing_yet(path: Path) -> None:
    with pytest.raises(JournalMissing, match="does not exist"):
        JournalReader.open(path)
    path.parent.mkdir()
    path.touch()
    with pytest.raises(JournalMissing, match="is being made"):
        JournalReader.open(path)


def test_a_journal_that_is_moved_away_is_noticed_at_both_ends(path: Path) -> None:
    with Journal.open(path, ROOM, 0) as journal, JournalReader.open(path) as reader:
        journal.append([entry()])
        path.rename(path.with_name("elsewhere"))
        with pytest.raises(JournalMissing, match="was moved or removed"):
            journal.append([entry()])
        with pytest.raises(JournalMissing, match="was moved or removed"):
            reader.read(0, 1, 1)


def write_text(path: Path) -> None:
    path.write_text("this is no database\n" * 100)


def write_other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()


def write_later_layout(path: Path) -> None:
    Journal.open(path, ROOM, 0).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (write_text, "is damaged or no journal"),
        (write_other_database, "is an SQLite file of something else"),
        (write_later_layout, "has layout 99; this version of Lineside reads layout 2"),
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(path: Path, write: object, says: str) -> None:
    path.parent.mkdir()
    write(path)  # type: ignore[operator]  # one of the three above
    before = path.read_bytes()
    with pytest.raises(JournalError, match=says):
        Journal.open(path, ROOM, 0)
    with pytest.raises(JournalError, match=says):
        JournalReader.open(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    with Journal.open(path, ROOM, 0) as journal:
        journal.append([entry(bytes(5000))] * 50)
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="is damaged"):
        Journal.open(path, ROOM, 0)
    with pytest.raises(JournalDamaged, match="is damaged"), JournalReader.open(path) as reader:
        reader.read(0, 100, 2**20)


APPEND_FOR_EVER = """
import sys
from pathlib import Path
from edge.journal import Journal
with Journal.open(Path(sys.argv[1]), 2**30, 0) as journal:
    while True:
        print(journal.append([("topic", bytes(500), 1, "s", 2)] * 7), flush=True)
"""


def test_kill_9_keeps_every_group_whole_and_the_account_with_it(path: Path) -> None:
    promised = 0
    for groups in (3, 40, 11):
        command = [sys.executable, "-c", APPEND_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(groups):
                promised = int(writer.stdout.readline())
            writer.kill()
        with JournalReader.open(path) as reader:
            last = reader.last_seq()
            assert last >= promised
            assert last % 7 == 0
            assert reader.account(0)["s"].received == 2 * last
            assert [message.seq for message in reader.read(0, 10**6, 2**30)] == list(range(1, last + 1))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """A journal that was not closed would keep its lock, and the next test would not say why."""
    before = open_files()
    yield
    assert open_files() <= before
