"""Requests that change something: who may ask, in which form, and what is wrong is named. No broker is needed here."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.api.guard import MAX_BODY_BYTES
from services.config import Broker, Config
from tests.running import free_port
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import DOOR, Shop

PATH = "/api/v1/spots/S1/reference"
ORDER = {"action": "pin", "note": "released", "by": "M. Weber"}


@pytest.fixture(scope="module")
def alone(shop: Shop) -> Client:
    """A server whose broker is away."""
    return client_of(shop, config=Config(broker=Broker(port=free_port())))


def refused(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    return body


def test_a_broker_that_is_away_is_said_and_nothing_is_promised(alone: Client) -> None:
    response = alone.request("POST", PATH, json=ORDER)
    assert "did not acknowledge" in refused(response, 503)["detail"]
    assert response.headers["retry-after"]


@pytest.mark.parametrize("origin", ["http://evil.example", "http://testserver.evil.example", "null"])
def test_a_page_of_another_site_may_change_nothing(alone: Client, origin: str) -> None:
    problem = refused(alone.request("POST", PATH, json=ORDER, headers={"Origin": origin}), 403)
    assert (problem["field"], problem["came"]) == ("Origin", origin)


def test_a_page_of_this_server_may(alone: Client) -> None:
    response = alone.request("POST", PATH, json=ORDER, headers={"Origin": "http://testserver"})
    assert response.status_code == 503  # it got as far as the broker


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_not_taken(alone: Client, sent: str) -> None:
    body = b'{"action": "pin", "note": "n", "by": "b"}'
    problem = refused(alone.request("POST", PATH, content=body, headers={"Content-Type": sent}), 415)
    assert problem["field"] == "Content-Type"
    assert "application/json" in problem["expected"]


def test_a_body_without_end_is_not_read(alone: Client) -> None:
    headers = {"Content-Type": "application/json"}
    large = alone.request("POST", PATH, content=b" " * (MAX_BODY_BYTES + 1), headers=headers)
    assert refused(large, 413)["field"] == "Content-Length"
    chunked = alone.request("POST", PATH, content=b"{}", headers={**headers, "Transfer-Encoding": "chunked"})
    refused(chunked, 411)


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"action": "drop"}, "action", "'pin', 'unpin', 'reset', 'exclude' or 'include'"),
        ({"by": ""}, "by", "at least 1 character"),
        ({"note": "x" * 1001}, "note", "at most 1000 characters"),
        ({"action": "exclude", "program": "7"}, "program", "none: exclude concerns the spot as a whole"),
        ({"extra": 1}, "extra", "not permitted"),
        ({"by": "a\nb"}, "by", "text without control characters"),
    ],
)
def test_a_wrong_field_is_named(alone: Client, change: dict[str, Any], field: str, expected: str) -> None:
    problem = refused(alone.request("POST", PATH, json=ORDER | change), 400)
    assert problem["field"] == field
    assert expected in problem["detail"]


@pytest.mark.parametrize("field", ["action", "note", "by"])
def test_a_missing_field_is_named(alone: Client, field: str) -> None:
    body = {name: value for name, value in ORDER.items() if name != field}
    assert refused(alone.request("POST", PATH, json=body), 400)["detail"] == f"{field} is missing"


def test_broken_json_is_said(alone: Client) -> None:
    response = alone.request("POST", PATH, content=b'{"action": ', headers={"Content-Type": "application/json"})
    assert refused(response, 400)["expected"] == "well-formed JSON"


def test_what_is_not_there_is_named(alone: Client) -> None:
    assert refused(alone.request("POST", "/api/v1/spots/nobody/reference", json=ORDER), 404)["field"] == "spot"
    problem = refused(alone.request("POST", f"/api/v1/spots/{DOOR}/reference", json=ORDER | {"program": "8"}), 404)
    assert problem["field"] == "program"
    assert "was welded with '7'" in problem["detail"]
