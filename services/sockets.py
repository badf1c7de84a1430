"""Listening sockets, and the one error that users meet there."""

from __future__ import annotations

import errno
import socket

from edge.settings import SettingsError


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `SettingsError` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends what is small at once; else an answer's body waits 40 ms for the client to
    # acknowledge its head (Nagle's algorithm and delayed acknowledgements).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {port} on {host} is taken; choose another with --port") from None
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
