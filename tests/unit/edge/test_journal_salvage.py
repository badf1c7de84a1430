"""What a damaged journal gives: every message that is whole, under its number, and the names of the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.journal import Entry, Journal, JournalDamaged, JournalMissing, JournalReader
from edge.journal_requests import requested_salvage
from edge.journal_salvage import finish_swap, salvage
from edge.sources.journal_record import Damage, decode_record
from edge.topics import JOURNAL

ROOM = 2**28
TOPIC = "lineside/v1/s/a/l/c/weld"
SOURCE = "s/a/l/c/weld"


def entry(number: int, items: int = 1) -> Entry:
    return TOPIC, b"payload of message %05d, " % number * 40, number, SOURCE, items


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.sqlite"


def fill(path: Path, n: int = 200) -> None:
    """Keep n messages, of two items each, and let the log go into the database."""
    with Journal.open(path, ROOM, 0) as journal:
        for start in range(1, n + 1, 10):
            journal.append([entry(number, 2) for number in range(start, start + 10)])


def flip(path: Path, number: int, bit: int = 3) -> None:
    """Flip one bit of a message, wherever the file has it: pages that are not in use keep old copies."""
    words = b"payload of message %05d, " % number
    path.write_bytes(path.read_bytes().replace(words, bytes([words[0] ^ 1 << bit]) + words[1:]))


def numbers(path: Path, after: int = 0) -> list[int]:
    with JournalReader.open(path) as reader:
        found: list[int] = []
        while batch := reader.read(found[-1] if found else after, 50, 2**24):
            found += [message.seq for message in batch]
        return found


def record(path: Path, seq: int) -> Damage:
    with JournalReader.open(path) as reader:
        (message,) = reader.read(seq - 1, 1, 2**20)
    assert message.topic == JOURNAL
    found = decode_record(message.payload)
    assert isinstance(found, Damage)
    return found


def test_a_flipped_bit_is_found_and_costs_that_message_alone(path: Path) -> None:
    fill(path)
    flip(path, 77)
    with JournalReader.open(path) as reader:
        assert [message.seq for message in reader.read(0, 100, 2**24)] == list(
            range(1, 77)
        )  # what is before it is good
        with pytest.raises(JournalDamaged, match="message 77 is not there or not as it was written"):
            reader.read(76, 100, 2**24)
        reader.request_salvage("a reader says so")
        assert requested_salvage(path) == "a reader says so"
        damage = salvage(path, 0, "a reader says so")
        assert (damage.gaps, damage.lost, damage.numbers) == ([(77, 77)], 1, "77")
        with pytest.raises(JournalMissing, match="was moved"):
            reader.read(76, 100, 2**24)
    assert requested_salvage(path) == ""
    assert numbers(path) == [*range(1, 77), *range(78, 202)]
    assert record(path, 201) == Damage("a reader says so", [(77, 77)], {SOURCE: 400})
    with Journal.open(path, ROOM, 0) as journal, JournalReader.open(path) as reader:
        assert journal.append([entry(202)]) == 202
        account = reader.account(76)
        assert (account[SOURCE].received, account[SOURCE].pending) == (401, 2 * 123 + 1)
        assert journal.trim(202) > 0


def test_a_request_about_another_file_asks_nothing(path: Path) -> None:
    fill(path, 10)
    with JournalReader.open(path) as reader:
        salvage(path, 0, "first")
        reader.request_salvage("too late")
    assert requested_salvage(path) == ""


def cut_the_log(path: Path) -> None:
    wal = path.with_name(path.name + "-wal")
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size * 2 // 3 + 100)


def forget_the_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def cut_the_database(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 1000)


def overwrite_the_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\x00" * 4096)


def remove_it(path: Path) -> None:
    path.unlink()


def empty_it(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "harm", [cut_the_log, forget_the_log, cut_the_database, overwrite_the_head, remove_it, empty_it]
)
def test_whatever_is_lost_is_named_and_no_number_comes_again(
    path: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The files as a kill leaves them: half of the messages in the database, the others in its log."""
    fill(path, 100)
    left = tmp_path / "left" / path.name
    with Journal.open(path, ROOM, 0) as journal:
        for start in range(101, 201, 10):
            journal.append([entry(number, 2) for number in range(start, start + 10)])
        left.parent.mkdir()
        for file in path.parent.glob("journal.sqlite*"):
            if not file.name.endswith("-shm"):
                (left.parent / file.name).write_bytes(file.read_bytes())
    harm(left)
    try:
        with Journal.open(left, ROOM, 0) as journal:
            assert journal.last_seq == 200
        whole = numbers(left)
    except JournalDamaged as damaged:
        damage = salvage(left, 0, str(damaged))
        assert damage.lost > 0
        lost = {seq for first, last in damage.gaps for seq in range(first, last + 1)}
        whole = numbers(left)
        assert whole == [seq for seq in range(1, 202) if seq not in lost]
        assert record(left, 201) == damage
        with Journal.open(left, ROOM, 0) as journal:
            assert journal.append([entry(202)]) == 202
    else:
        assert harm is overwrite_the_head  # the log has that page too: nothing was lost
        assert whole == list(range(1, 201))


def test_what_the_pipeline_has_taken_is_not_missed(path: Path) -> None:
    fill(path)
    flip(path, 20)
    flip(path, 150)
    assert salvage(path, 100, "x").gaps == [(150, 150)]
    assert numbers(path, 100) == [*range(101, 150), *range(151, 202)]


def test_a_crash_between_building_and_swapping_is_made_up_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path)
    flip(path, 5)
    with monkeypatch.context() as patch:
        patch.setattr("edge.journal_salvage.finish_swap", lambda _: None)
        salvage(path, 0, "x")
    assert path.with_name("journal.sqlite.salvaged").exists()
    path.rename(path.with_name("journal.sqlite.damaged"))  # the crash came in the middle of it
    with Journal.open(path, ROOM, 0) as journal:
        assert journal.last_seq == 201
    assert numbers(path) == [1, 2, 3, 4, *range(6, 202)]
    finish_swap(path)  # once more does nothing
    assert numbers(path)[-1] == 201


def test_a_second_damage_keeps_the_first_on_record(path: Path) -> None:
    fill(path)
    flip(path, 50)
    salvage(path, 0, "first")
    flip(path, 60)
    assert salvage(path, 0, "second").gaps == [(50, 50), (60, 60)]
    assert record(path, 201).reason == "first"
    assert record(path, 202).reason == "second"


def test_a_wrong_account_is_noticed_by_both_ends(path: Path) -> None:
    fill(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE source SET received = received + 1")
    connection.close()
    with JournalReader.open(path) as reader, pytest.raises(JournalDamaged, match="the account of"):
        reader.account(0)
    with pytest.raises(JournalDamaged, match="the account of"):
        Journal.open(path, ROOM, 0)
    assert salvage(path, 0, "x").gaps == []
    assert record(path, 201).received == {SOURCE: 400}  # counted anew from what is there


def test_a_journal_of_the_first_layout_is_read_on(path: Path) -> None:
    fill(path, 20)
    with sqlite3.connect(path) as connection:
        for table in ("source", "payload", "mark"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN crc")
        connection.execute("DROP TABLE gap")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(JournalMissing, match="not brought up to 2 yet"):
        JournalReader.open(path)
    with Journal.open(path, ROOM, 0) as journal:
        assert journal.append([entry(21, 2)]) == 21
    assert numbers(path) == list(range(1, 22))
    with JournalReader.open(path) as reader:
        assert reader.account(0)[SOURCE].received == 42
