from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from edge.broker_watch import BrokerReport, report_path
from edge.findings import Finding
from services.api.moments import MOMENT
from services.config import Config, StoreSettings
from services.layout import DataLayout
from services.store.duck.store import DuckStore
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import NOW, S, Shop


def test_the_page_and_its_files_with_their_caching(shop: Shop, web_root: Path) -> None:
    client = client_of(shop, web_root=web_root)
    page = client.get("/")
    assert "<title>Lineside" in page.text
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    script = client.get("/assets/main-3KQ7Y2AB.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in script.headers["content-type"]
    assert client.get("/robots.txt").headers["cache-control"] == "no-cache"
    again = client.request("GET", "/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/spots/S1", "/spots/FR.12", "/spots/%E8%BD%A6%2F1", "/fleet", "/bodies/a/b"])
def test_routes_of_the_application_give_its_page(shop: Shop, web_root: Path, path: str) -> None:
    response = client_of(shop, web_root=web_root).get(path)
    assert response.status_code == 200
    assert "<title>Lineside" in response.text
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/assets/old-AAAAAAAA.js", "/missing.css", "/api/v1/x", "/assets/x.map"])
def test_missing_files_are_missing(shop: Shop, web_root: Path, path: str) -> None:
    problem = client_of(shop, web_root=web_root).problem(path, 404)
    assert path in problem["detail"]


@pytest.mark.parametrize("path", ["/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/%00"])
def test_nothing_outside_the_folder_is_served(shop: Shop, web_root: Path, path: str) -> None:
    response = client_of(shop, web_root=web_root).get(path)
    assert "secret" not in response.text.replace(path, "").replace("secret.txt", "")
    assert response.status_code in {200, 404}


def test_without_a_build_it_is_said_how_to_make_one(client: Client, shop: Shop, tmp_path: Path) -> None:
    assert "make web" in client.problem("/", 404)["detail"]
    assert "make web" in client_of(shop, web_root=tmp_path).problem("/spots/S1", 404)["detail"]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.tags: set[str] = set()
        self.fields: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in named)
        for name in ("src", "href", "action"):
            value = named.get(name)
            if value and not value.startswith(("/", "#")):
                self.outside.append(value)
        if tag in {"input", "select"}:
            self.fields.append(named.get("name"))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_reference_page_needs_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs")
    parser = _Links()
    parser.feed(page.text)
    assert parser.outside == []
    assert "script" not in parser.tags
    for path, item in client.json("/openapi.json")["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}" in parser.text
    assert "Body: application/json ReferenceOrder" in parser.text
    assert {"since", "by", "bucket", "cursor"} <= set(parser.fields)
    assert MOMENT in parser.text
    assert "`" not in parser.text
    assert client.get("/docs/style.css").headers["content-type"].startswith("text/css")


def test_openapi_describes_every_parameter_answer_and_problem(client: Client) -> None:
    document = client.json("/openapi.json")
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert "422" not in operation["responses"], path
            for status, answer in operation["responses"].items():
                if not status.startswith("2"):
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)
    rate = document["paths"]["/api/v1/rate"]["get"]
    assert set(rate["responses"]["200"]["content"]) == {
        "application/json",
        "text/csv",
        "application/vnd.apache.arrow.stream",
    }
    causes = next(p for p in rate["parameters"] if p["name"] == "cause")
    assert "expulsion" in causes["schema"]["enum"]


PATHS = {
    "/api/v1/users": "",  # an administrator's: tests/unit/api/test_users.py
    "/api/v1/tokens": "",
    "/api/v1/audit": "",
    "/api/v1/welds/{id}": "/api/v1/welds/K003%2F红-S1",
    "/api/v1/welds/{id}/curve": "/api/v1/welds/K000%2F红-S1/curve",
    "/api/v1/spots/{spot}": "/api/v1/spots/S1",
    "/api/v1/bodies/{body}": "/api/v1/bodies/K003%2F红",
    "/api/v1/agvs/{id}": "/api/v1/agvs/jungheinrich/0007",
    "/api/v1/spc": "/api/v1/spc?spot=S1",
    "/api/v1/rejects/{seq}/payload": "",  # bytes
    "/api/v1/guns/{gun}": "",  # no gun of this shop has worn: tests/unit/api/test_guns.py asks for one
    "/api/v1/models/{id}": "",  # nor has it a model: tests/unit/api/test_models.py asks for one
    "/metrics": "",  # text
}


def test_every_answer_is_as_documented(client: Client) -> None:
    document = client.json("/openapi.json")
    checked = 0
    for path, item in document["paths"].items():
        address = PATHS.get(path, path)
        if not address or "get" not in item:
            continue
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        validator.validate(client.json(address))
        example = item["get"]["responses"]["200"]["content"]["application/json"].get("example")
        if example is not None:
            validator.validate(example)
        checked += 1
    assert checked > 15
    problem = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    jsonschema.Draft202012Validator(problem).validate(client.problem("/api/v1/welds", 400, limit="x"))


def test_health(client: Client) -> None:
    assert client.json("/healthz")["status"] == "ok"


def test_ready_while_the_account_is_fresh(client: Client) -> None:
    ready = {"status": "ready", "account_age_s": 2.0, "live_feed": "disconnected"}
    assert client.json("/readyz") == {**ready, "broker_findings": 0}


def test_ready_counts_in_how_many_ways_the_broker_may_lose_messages(shop: Shop, tmp_path: Path) -> None:
    config = Config(data_dir=str(tmp_path))
    found = [Finding(level, "broker", "x") for level in ("fine", "unknown", "warning", "wrong")]
    report = BrokerReport("mqtt://x:1", (*found, Finding("warning", "access", "x")))
    report_path(DataLayout(config.data).journal).write_bytes(msgspec.json.encode(report))
    assert client_of(shop, config=config).json("/readyz")["broker_findings"] == 2


def test_not_ready_says_what_is_wrong(shop: Shop, closed_store: DuckStore) -> None:
    stale = client_of(shop, clock=lambda: NOW + 40 * S).problem("/readyz", 503)
    assert stale["field"] == "pipeline"
    assert "42 s old" in stale["detail"]
    away = client_of(shop, store=closed_store).problem("/readyz", 503)
    assert away["field"] == "store"


def metrics_of(client: Client) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_metrics(shop: Shop) -> None:
    client = client_of(shop)
    client.get("/api/v1/spots/S1")
    client.get("/api/v1/spots/none")
    metrics: dict[str, Any] = metrics_of(client)
    total = client.json("/api/v1/accounting")["total"]
    for kind in ("received", "stored", "rejected", "duplicate"):
        assert metrics[f'lineside_items_total{{kind="{kind}"}}'] == total[kind]
    assert metrics["lineside_items_pending"] == total["pending"]
    assert metrics["lineside_live_clients"] == 0
    assert metrics['lineside_live_missed_total{kind="welds"}'] == 0
    assert metrics['lineside_process_resident_memory_bytes{process="server"}'] > 2**20
    route = 'route="/api/v1/spots/{spot:path}"'
    assert metrics[f'lineside_http_request_seconds_count{{{route},status="200"}}'] == 1
    assert metrics[f'lineside_http_request_seconds_count{{{route},status="404"}}'] == 1


def test_metrics_tell_what_the_store_holds(shop: Shop) -> None:
    held = metrics_of(client_of(shop))["lineside_store_memory_bytes"]
    assert 0 < held <= StoreSettings().memory_mb * 2**20


def test_metrics_without_a_store_say_that_it_is_down(shop: Shop, closed_store: DuckStore) -> None:
    metrics = metrics_of(client_of(shop, store=closed_store))
    assert metrics["lineside_store_up"] == 0
    assert not any(name.startswith("lineside_items") for name in metrics)
