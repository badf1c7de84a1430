"""The web server as it runs, over the small shop, on a port of its own in a thread."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec

from services.accounts.accounts import Accounts
from services.accounts.model import Caller
from services.config import AccountSettings, Api, Broker, Config
from services.serving import serve
from tests.running import free_port, wait_until
from tests.unit.api.shop import PLANT, Shop

SHELL = Caller("shell", "root", None, "")


class WebServer:
    """`serve` with accounts in `folder`; `api` as the settings file would have it."""

    def __init__(self, shop: Shop, folder: Path, *, broker_port: int = 1, **api: Any) -> None:
        self.port = free_port()
        self.config = Config(
            data_dir=str(folder),
            broker=Broker(port=broker_port),
            api=msgspec.structs.replace(Api(port=self.port), **api),
            accounts=AccountSettings(folder=str(folder / "accounts")),
        )
        self.accounts = Accounts(self.config)
        self.url = f"http{'s' if self.config.api.cert_file else ''}://127.0.0.1:{self.port}"
        self.feed = self.url.replace("http", "ws", 1) + "/api/v1/live"
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=serve, args=(self.config, PLANT, shop.store, shop.evidence, self._stop), daemon=True
        )

    def start(self) -> None:
        self._thread.start()
        wait_until(self._answers, 20, "the server's start")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()
        self.accounts.close()

    def log_in(self, client: httpx.Client, name: str, password: str) -> httpx.Response:
        body = {"name": name, "password": password}
        return client.post(f"{self.url}/api/v1/session", json=body, headers={"origin": self.url})

    def _answers(self) -> bool:
        assert self._thread.is_alive()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
