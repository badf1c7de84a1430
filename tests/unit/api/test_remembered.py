import threading

import pytest

from services.api.remembered import Remembered


def test_an_answer_is_found_once_and_anew_when_it_is_old() -> None:
    now, found = [0.0], []
    remembered: Remembered[int] = Remembered(30.0, lambda: now[0])

    def find() -> int:
        found.append(1)
        return len(found)

    assert [remembered.get("a", find), remembered.get("a", find)] == [1, 1]
    assert remembered.get("b", find) == 2
    now[0] = 29.9
    assert remembered.get("a", find) == 1
    now[0] = 30.1
    assert remembered.get("a", find) == 3


def test_what_took_long_is_kept_longer() -> None:
    now, found = [0.0], []
    remembered: Remembered[int] = Remembered(30.0, lambda: now[0])

    def find() -> int:
        now[0] += 10
        found.append(1)
        return len(found)

    assert remembered.get("a", find) == 1
    now[0] = 49.9
    assert remembered.get("a", find) == 1
    now[0] = 50.1
    assert remembered.get("a", find) == 2


def test_an_error_is_not_remembered() -> None:
    remembered: Remembered[int] = Remembered()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        remembered.get("a", fail)
    assert remembered.get("a", lambda: 7) == 7


def test_many_who_ask_at_once_wait_for_one_search() -> None:
    remembered: Remembered[int] = Remembered()
    found, go, answers = [], threading.Event(), []

    def find() -> int:
        found.append(1)
        go.wait(10)
        return 5

    threads = [threading.Thread(target=lambda: answers.append(remembered.get("a", find))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert answers == [5] * 8
    assert len(found) == 1
