from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.app import create_app
from services.config import Config
from services.store.duck.store import DuckStore
from tests.unit.api.shop import NOW, PLANT, Shop, make_shop


class Client:
    """Asks an application in this process, over ASGI, as a server would."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.request("GET", path, params=params or None)

    def json(self, path: str, **params: Any) -> Any:
        """Return the JSON of an answer that must be good."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def problem(self, path: str, status: int, **params: Any) -> dict[str, Any]:
        """Return the problem document of an answer that must be one."""
        response = self.get(path, **params)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        body: dict[str, Any] = response.json()
        assert body["status"] == status
        assert body["title"]
        assert body["detail"]
        return body


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = make_shop(tmp_path_factory.mktemp("shop"))
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def client(shop: Shop) -> Client:
    return client_of(shop)


def client_of(shop: Shop, **changes: Any) -> Client:
    parts: dict[str, Any] = {
        "store": shop.store,
        "evidence": shop.evidence,
        "plant": PLANT,
        "config": Config(),
        "web_root": None,
        "clock": lambda: NOW,
        "extra_hosts": ["testserver"],
    }
    return Client(create_app(**{**parts, **changes}))


@pytest.fixture
def closed_store(tmp_path: Path) -> DuckStore:
    """A store that answers every call with a `StoreError`."""
    store = DuckStore(tmp_path / "closed.duckdb")
    store.close()
    return store


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    """A folder as the web build leaves it."""
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>Lineside</title>", encoding="utf-8")
    (root / "assets" / "main-3KQ7Y2AB.js").write_text("export {};", encoding="utf-8")
    (root / "robots.txt").write_text("User-agent: *", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    return root
