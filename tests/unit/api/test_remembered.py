import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest

from services.api.remembered import Remembered
from tests.unit.api.conftest import client_of
from tests.unit.api.shop import Shop

MORE_THAN_THREADS = 60
"""The server has forty."""


def ask(remembered: Remembered[int], question: str, find: Callable[[], int]) -> int:
    return asyncio.run(remembered.get(question, find))


def test_an_answer_is_found_once_and_anew_when_it_is_old() -> None:
    now, found = [0.0], []
    remembered: Remembered[int] = Remembered(30.0, lambda: now[0])

    def find() -> int:
        found.append(1)
        return len(found)

    assert [ask(remembered, "a", find), ask(remembered, "a", find)] == [1, 1]
    assert ask(remembered, "b", find) == 2
    now[0] = 29.9
    assert ask(remembered, "a", find) == 1
    now[0] = 30.1
    assert ask(remembered, "a", find) == 3


def test_what_took_long_is_kept_longer() -> None:
    now, found = [0.0], []
    remembered: Remembered[int] = Remembered(30.0, lambda: now[0])

    def find() -> int:
        now[0] += 10
        found.append(1)
        return len(found)

    assert ask(remembered, "a", find) == 1
    now[0] = 49.9
    assert ask(remembered, "a", find) == 1
    now[0] = 50.1
    assert ask(remembered, "a", find) == 2


def test_an_error_is_not_remembered() -> None:
    remembered: Remembered[int] = Remembered()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        ask(remembered, "a", fail)
    assert ask(remembered, "a", lambda: 7) == 7


def test_many_who_wait_for_one_search_keep_nobody_else_waiting(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, found = threading.Event(), threading.Event(), []

    def find(*_: object) -> list[object]:
        found.append(1)
        begun.set()
        assert go.wait(30)
        return []

    monkeypatch.setattr("services.api.routes.spc.find_changes", find)

    async def herd() -> None:
        transport = httpx.ASGITransport(client_of(shop).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            waiting = [asyncio.create_task(client.get("/api/v1/changes?since=-8h")) for _ in range(MORE_THAN_THREADS)]
            try:
                assert await asyncio.to_thread(begun.wait, 30)
                await asyncio.sleep(0.2)  # so that all of them wait
                async with asyncio.timeout(20):
                    other = await client.get("/api/v1/accounting")
                assert (other.status_code, any(task.done() for task in waiting)) == (200, False)
            finally:
                go.set()
            answers = await asyncio.gather(*waiting)
        assert [answer.json() for answer in answers] == [[]] * MORE_THAN_THREADS

    asyncio.run(herd())
    assert found == [1]
