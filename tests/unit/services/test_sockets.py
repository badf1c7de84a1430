"""Sockets that the server listens on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from services.sockets import listen
from tests.running import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_accepted_connection_sends_small_packets_at_once(host: str) -> None:
    async def accepted() -> int:
        got: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        port = free_port()
        async with await asyncio.start_server(take, sock=listen(host, port)):
            _, writer = await asyncio.open_connection(host, port)
            found = await got
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(accepted()) == 1
