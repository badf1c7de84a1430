import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.api.joined import Joined
from tests.running import wait_until


def test_all_who_wait_share_the_next_search_and_none_gets_an_older_one() -> None:
    joined: Joined[int] = Joined()
    begun, go = threading.Event(), threading.Event()
    searches: list[int] = []

    def find() -> int:
        searches.append(len(searches) + 1)
        begun.set()
        go.wait(10)
        return searches[-1]

    asking: list[int] = []

    def ask() -> int:
        asking.append(1)
        return joined.get(find)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask)
        assert begun.wait(10)
        later = [pool.submit(ask) for _ in range(7)]  # the state may have changed since the first search began
        wait_until(lambda: len(asking) == 8, 10, "all questions")
        go.set()
        assert first.result(10) == 1
        assert {one.result(10) for one in later} == {2}
    assert joined.get(find) == 3


def test_an_error_is_its_caller_s_alone() -> None:
    joined: Joined[int] = Joined()
    began, go = threading.Event(), threading.Event()

    def fail() -> int:
        began.set()
        go.wait(10)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(joined.get, fail)
        assert began.wait(10)
        waiting = pool.submit(joined.get, lambda: 7)
        go.set()
        with pytest.raises(ValueError, match="no"):
            failing.result(10)
        assert waiting.result(10) == 7
