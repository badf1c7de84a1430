from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from models.welds.features import FEATURES
from services.api.problems import ProblemError
from services.api.tables import ARROW, CSV, JSON, negotiate
from tests.unit.api.conftest import Client
from tests.unit.api.shop import AGVS, BODIES, DOOR, NOW, REJECTS, S, Shop

LISTS = [
    "/api/v1/welds?limit=40",
    "/api/v1/bodies?limit=30",
    "/api/v1/agvs",
    "/api/v1/sources",
    "/api/v1/rejects",
    "/api/v1/events",
    "/api/v1/rate",
    "/api/v1/rate?by=line,cell",
    "/api/v1/trend?bucket=1h&since=-14h&by=line",
    "/api/v1/pareto",
    "/api/v1/spc/rate?since=-14h&by=line",
]


def ask(client: Client, path: str, accept: str) -> Any:
    response = client.request("GET", path, headers={"accept": accept})
    assert response.status_code == 200, response.text
    return response


def items_of(client: Client, path: str) -> list[dict[str, Any]]:
    body = client.json(path)
    items = body if isinstance(body, list) else body.get("items", [body])
    return [{**item.pop("group", {}), **item} for item in items]


def walk(client: Client, path: str) -> list[list[dict[str, Any]]]:
    pages, cursor = [], None
    while True:
        page = client.json(path + (f"&cursor={cursor}" if cursor else ""))
        pages.append(page["items"])
        cursor = page["next"]
        if cursor is None:
            return pages
        assert re.fullmatch(r"[\w-]+", cursor)


def newest_first(shop: Shop) -> list[str]:
    rows = sorted(shop.welds, key=lambda row: (row["time_ns"], row["ordinal"]), reverse=True)
    return [row["weld_id"] for row in rows]


@pytest.mark.parametrize("limit", [1000, 100, 37])
def test_paging_gives_every_weld_exactly_once(client: Client, shop: Shop, limit: int) -> None:
    pages = walk(client, f"/api/v1/welds?limit={limit}")
    assert [item["id"] for page in pages for item in page] == newest_first(shop)
    assert all(len(page) == limit for page in pages[:-1])


def test_the_last_page_is_known_to_be_the_last(client: Client, shop: Shop) -> None:
    assert client.json("/api/v1/welds", body="K000/红", limit=1000)["next"] is None
    of_body = len([row for row in shop.welds if row["body"] == "K000/红"])
    assert client.json("/api/v1/welds", body="K000/红", limit=of_body)["next"] is None


def test_paging_goes_on_under_the_same_filters(client: Client, shop: Shop) -> None:
    pages = walk(client, f"/api/v1/welds?limit=10&spot={DOOR}&verdict=ok")
    wanted = {row["weld_id"] for row in shop.welds if row["spot"] == DOOR and row["verdict"] == "ok"}
    assert [item["id"] for page in pages for item in page] == [i for i in newest_first(shop) if i in wanted]


def test_bodies_and_rejects_page_exactly_once(client: Client) -> None:
    bodies = [item["body"] for page in walk(client, "/api/v1/bodies?limit=9") for item in page]
    assert bodies == [f"K{k:03d}/红" for k in reversed(range(BODIES))]
    rejects = [(item["seq"], item["item"]) for page in walk(client, "/api/v1/rejects?limit=3") for item in page]
    assert rejects == sorted(((row["seq"], row["item"]) for row in REJECTS), reverse=True)


def test_the_link_header_leads_through_every_page_in_every_form(client: Client, shop: Shop) -> None:
    for accept in (JSON, CSV, ARROW):
        path, seen = f"/api/v1/welds?limit=150&spot={DOOR}&since=-14h", 0
        while path:
            response = ask(client, path, accept)
            if accept == JSON:
                seen += len(response.json()["items"])
            elif accept == CSV:
                seen += len(list(csv.DictReader(io.StringIO(response.text))))
            else:
                seen += pa.ipc.open_stream(response.content).read_all().num_rows
            link = response.headers.get("link", "")
            match = re.fullmatch(r'<(/api/v1/welds\?[\x21-\x7e]+)>; rel="next"', link)
            assert bool(match) == bool(link)
            path = match[1] if match else ""
        since = NOW - 14 * 3600 * S
        assert seen == len([row for row in shop.welds if row["spot"] == DOOR and row["time_ns"] >= since])


@pytest.mark.parametrize("cursor", ["xx", "W10", "é", "WyJ3ZWxkcyIsMV0", "a" * 999])
def test_a_cursor_that_is_none_is_refused(client: Client, cursor: str) -> None:
    problem = client.problem("/api/v1/welds", 400, cursor=cursor)
    assert problem["field"] == "cursor"


def test_a_cursor_of_another_list_is_refused(client: Client) -> None:
    cursor = client.json("/api/v1/rejects", limit=2)["next"]
    assert "welds" in client.problem("/api/v1/welds", 400, cursor=cursor)["expected"]
    client.json("/api/v1/rejects", limit=2, cursor=cursor)


@pytest.mark.parametrize("path", LISTS)
def test_csv_says_what_json_says(client: Client, path: str) -> None:
    items = items_of(client, path)
    assert items
    response = ask(client, path, CSV)
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert len(rows) == len(items)
    for row, item in zip(rows, items, strict=True):
        assert list(row)[: len(item)] == list(item)
        for name, value in item.items():
            assert_cell(row[name], value)


def assert_cell(cell: str, value: Any) -> None:
    match value:
        case None:
            assert cell == ""
        case bool():
            assert cell == str(value).lower()
        case int() | float():
            assert float(cell) == value
        case list() | dict():
            assert json.loads(cell) == value
        case _:
            assert cell in {value, "'" + value}


@pytest.mark.parametrize("path", LISTS)
def test_arrow_says_what_json_says(client: Client, path: str) -> None:
    items = items_of(client, path)
    response = ask(client, path, ARROW)
    assert response.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(response.content).read_all()
    rows = table.to_pylist()
    assert len(rows) == len(items)
    for row, item in zip(rows, items, strict=True):
        for name, value in item.items():
            if pa.types.is_timestamp(table.schema.field(name).type):
                assert row[name] == (value and datetime.fromisoformat(value))
            elif not isinstance(value, (list, dict)):
                assert row[name] == value


def test_types_do_not_depend_on_the_rows(client: Client) -> None:
    full = pa.ipc.open_stream(ask(client, "/api/v1/welds", ARROW).content).read_all()
    empty = pa.ipc.open_stream(ask(client, "/api/v1/welds?body=none", ARROW).content).read_all()
    assert empty.num_rows == 0
    assert empty.schema == full.schema


def test_tables_of_welds_carry_the_features(client: Client, shop: Shop) -> None:
    table = pa.ipc.open_stream(ask(client, "/api/v1/welds?limit=1000", ARROW).content).read_all()
    by_id = {row["weld_id"]: row for row in shop.welds}
    checked = 0
    for row in table.to_pylist():
        for name in FEATURES:
            for column in (name, f"z_{name}"):
                want = by_id[row["id"]][column]
                assert row[column] == (want if want is None else pytest.approx(want, rel=1e-6))
                checked += want is not None
    assert checked > 1000


def test_text_that_would_be_a_formula_is_made_harmless_and_numbers_are_not(client: Client) -> None:
    events = list(csv.DictReader(io.StringIO(ask(client, "/api/v1/events", CSV).text)))
    assert [row["note"] for row in events].count("'=1+1") == 1
    rejects = list(csv.DictReader(io.StringIO(ask(client, "/api/v1/rejects", CSV).text)))
    assert {row["came"] for row in rejects} == {"'-5"}
    agvs = list(csv.DictReader(io.StringIO(ask(client, "/api/v1/agvs", CSV).text)))
    assert agvs[0]["y_m"] == "-2.25"
    assert len(agvs) == len(AGVS)


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; q=0.9", CSV),
        ("text/*", CSV),
        ("application/json;q=0.5, text/csv;q=0.9", CSV),
        ("application/vnd.apache.arrow.stream, text/csv;q=0.9", ARROW),
        ("application/*;q=0.3, application/json;q=0.1, text/csv;q=0.2", ARROW),
        ("*/*;q=0.1, text/csv;q=0", JSON),
        ("application/json;q=0, */*", CSV),
    ],
)
def test_accept_is_negotiated_by_quality(accept: str, best: str) -> None:
    assert negotiate(accept) == best


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "*/*;q=0", "image/*", "text/csv;q=x"])
def test_what_cannot_be_had_is_406(client: Client, accept: str) -> None:
    with pytest.raises(ProblemError):
        negotiate(accept)
    response = client.request("GET", "/api/v1/welds", headers={"accept": accept})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["field"] == "Accept"
    assert "text/csv" in response.json()["expected"]


def test_caches_are_told_that_the_form_depends_on_accept(client: Client) -> None:
    assert "accept" in client.get("/api/v1/agvs").headers["vary"].lower()
