"""The task that sends to one browser ends when it is told to: whoever has been logged out hears nothing more."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from services.api.live import _pump
from services.api.outbox import Outbox


class Socket:
    """A browser that takes its next message when `taken` is set."""

    def __init__(self) -> None:
        self.greeted = False
        self.sending, self.taken = asyncio.Event(), asyncio.Event()

    async def send_text(self, _: str) -> None:
        if self.greeted:
            self.sending.set()
            await self.taken.wait()
        self.greeted = True


def test_a_cancellation_is_not_lost_when_it_comes_as_a_message_goes_out() -> None:
    async def cancel_after(turns: int) -> None:
        socket, outbox = Socket(), Outbox()
        outbox.put_state("rate", "{}")
        pump = asyncio.create_task(_pump(cast("Any", socket), outbox, "{}"))
        await socket.sending.wait()
        socket.taken.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        pump.cancel()
        await asyncio.wait({pump}, timeout=2)
        assert pump.cancelled(), f"it goes on after {turns} turns of the loop"

    for turns in range(5):
        asyncio.run(cancel_after(turns))
