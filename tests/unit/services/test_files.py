import pytest

from services.deadletter import DeadLetters, read_dead_letter
from services.files import replace_file


def test_a_write_that_fails_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "deep" / "file"
    replace_file(path, lambda fresh: fresh.write_text("old"))

    def fail(fresh) -> None:
        fresh.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fail)
    assert path.read_text() == "old"


def test_rejected_bytes_come_back_and_the_oldest_go_first(tmp_path) -> None:
    letters = DeadLetters(tmp_path, max_bytes=10)
    letters.keep(1, b"12345")
    letters.keep(2, b"1234")
    letters.keep(1, b"12345")
    assert read_dead_letter(tmp_path, 1) == b"12345"
    DeadLetters(tmp_path, max_bytes=10).keep(3, b"123")  # a restart counts what is there
    assert [read_dead_letter(tmp_path, seq) for seq in (1, 2, 3)] == [None, b"1234", b"123"]


def test_a_payload_larger_than_the_bound_is_kept_alone(tmp_path) -> None:
    letters = DeadLetters(tmp_path, max_bytes=4)
    letters.keep(1, b"12")
    letters.keep(2, b"123456789")
    assert [read_dead_letter(tmp_path, seq) for seq in (1, 2)] == [None, b"123456789"]
