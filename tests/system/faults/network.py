"""A network that can fail: each connection to a port is handed on to another, until it is told not to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Literal

from tests.running import free_port

Mode = Literal["good", "refused", "silent", "slow"]
CHUNK = 65536


class Link:
    """One port that leads to another.

    `refused`: nothing listens. `silent`: connections stand, and nothing comes through (half-open). `slow`: every chunk
    waits. Connections that were silent never come back: what was swallowed is missing in them.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self.delay_s = 0.0
        self._mode: Mode = "good"
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._thread.start()
        self._call(self._listen())

    def set(self, mode: Mode, delay_s: float = 0.0) -> None:
        """Change how the network is."""
        self._call(self._change(mode, delay_s))

    def close(self) -> None:
        self._call(self._change("refused", 0.0))
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]  # coroutines only

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _change(self, mode: Mode, delay_s: float) -> None:
        before, self._mode, self.delay_s = self._mode, mode, delay_s
        if mode == "refused" and self._server is not None:
            self._server.close()
            self._server = None
        if mode == "refused" or before == "silent":
            for writer in list(self._writers):
                writer.transport.abort()
        if mode != "refused" and self._server is None:
            await self._listen()
        await asyncio.sleep(0)

    async def _end(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._hand_on(reader, far_writer), self._hand_on(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._mode == "silent":
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()
