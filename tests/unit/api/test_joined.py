import asyncio
import threading

import pytest

from services.api.joined import Joined


def test_all_who_wait_share_the_next_search_and_none_gets_an_older_one() -> None:
    joined: Joined[int] = Joined()
    begun, go = threading.Event(), threading.Event()
    searches: list[int] = []

    def find() -> int:
        searches.append(len(searches) + 1)
        begun.set()
        go.wait(10)
        return searches[-1]

    async def ask() -> tuple[int, list[int], int]:
        first = asyncio.create_task(joined.get(find))
        assert await asyncio.to_thread(begun.wait, 10)
        later = [asyncio.create_task(joined.get(find)) for _ in range(7)]  # what is asked for may have changed since
        await asyncio.sleep(0)  # all of them ask
        go.set()
        return await first, await asyncio.gather(*later), await joined.get(find)

    assert asyncio.run(ask()) == (1, [2] * 7, 3)


def test_an_error_is_its_caller_s_alone() -> None:
    joined: Joined[int] = Joined()
    begun, go = threading.Event(), threading.Event()

    def fail() -> int:
        begun.set()
        go.wait(10)
        raise ValueError("no")

    async def ask() -> int:
        failing = asyncio.create_task(joined.get(fail))
        assert await asyncio.to_thread(begun.wait, 10)
        waiting = asyncio.create_task(joined.get(lambda: 7))
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(ValueError, match="no"):
            await failing
        return await waiting

    assert asyncio.run(ask()) == 7
