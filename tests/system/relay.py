"""A network between two ends that can go bad: it swallows what goes one way, is slow, or cuts the connection."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Relay:
    """Hands every connection to its port on to another one, on this machine; what the server says `answer_s` late."""

    def __init__(self, port: int, *, answer_s: float = 0) -> None:
        self._target, self._answer_s = port, answer_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._swallowing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Relay:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()

    def swallow_upstream(self) -> None:
        """From now on nothing that the client sends arrives, though it thinks so."""
        self._swallowing.set()

    def cut(self) -> None:
        """Break all connections; new ones are whole."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._swallowing.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for way in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._hand_on, args=way)
                self._threads.append(thread)
                thread.start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, upstream: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not upstream:
                    time.sleep(self._answer_s)
                if not (upstream and self._swallowing.is_set()):
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
