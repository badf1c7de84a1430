"""Inspections as people send and read them. What the broker gets is tested in `tests/system/test_learning.py`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.api.inspections import MAX_ITEMS
from services.config import Broker, Config
from services.store import schema
from services.store.protocol import Commit
from tests.running import free_port
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import EVENTS, NOW, S, Shop, make_shop
from tests.unit.store.rows import filled, table

PATH = "/api/v1/inspections"
Inspected = tuple[Shop, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inspected]:
    """The shop, and one inspection of every fifth weld, a minute apart; one of a weld that nobody has."""
    shop = make_shop(tmp_path_factory.mktemp("inspected"))
    found = []
    for k, weld in enumerate([*shop.welds[::5], {"weld_id": "nobody", "spot": "S1", "gun": "G1", "program": "7"}]):
        details = {"weld": weld["weld_id"], "result": "stick" if k % 3 == 0 else "ok", "method": "chisel"}
        if k % 2:
            details["nugget_mm"] = 4.25
        event = {name: weld.get(name, "x") for name in ("site", "area", "line", "cell", "gun", "spot", "program")}
        event |= {"event_id": f"e{k}", "time_ns": NOW - (500 - k) * 60 * S, "kind": "inspection", "by": "=Meyer"}
        found.append(filled(schema.EVENT, k, **event, note="", details=json.dumps(details)))
    shop.store.commit(Commit(cursor=101, events=table(found, schema.EVENT)))
    found += [event for event in EVENTS if event["kind"] == "inspection"]
    yield shop, sorted(found, key=lambda event: (event["time_ns"], event["event_id"]))
    shop.store.close()


@pytest.fixture(scope="module")
def client(inspected: Inspected) -> Client:
    """A server whose broker is away."""
    return client_of(inspected[0], config=Config(broker=Broker(port=free_port())))


def post(client: Client, body: Any, *, kind: str = "application/json") -> Any:
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return client.request("POST", PATH, content=content, headers={"Content-Type": kind})


def test_each_inspection_stands_beside_the_verdict_that_the_weld_had_got(client: Client, inspected: Inspected) -> None:
    shop, events = inspected
    welds = {weld["weld_id"]: weld for weld in shop.welds}
    items = client.json(PATH, limit=1000)["items"]
    assert [item["id"] for item in items] == [event["event_id"] for event in events[::-1]]
    agreed = set()
    for item in items:
        weld = welds.get(item["weld"])
        if weld is None:
            assert (item["verdict"], item["agrees"], item["curve_kept"]) == ("", None, False)
            continue
        assert (item["verdict"], item["cause"], item["spot"]) == (weld["verdict"], weld["cause"], weld["spot"])
        expected = None if weld["verdict"] == "unjudged" else (item["result"] == "ok") == (weld["verdict"] == "ok")
        assert item["agrees"] is expected
        agreed.add(expected)
        assert item["nugget_mm"] in {None, 4.25}
    assert agreed == {None, True, False}


def test_pages_and_filters(client: Client, inspected: Inspected) -> None:
    whole = client.json(PATH, limit=1000)["items"]
    found, cursor = [], None
    while True:
        page = client.json(PATH, limit=7, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["items"]) == 7
    assert found == whole
    for name in ("result", "verdict", "spot", "weld"):
        value = whole[3][name]
        wanted = [item for item in whole if item[name] == value]
        assert 0 < len(wanted) < len(whole)
        assert client.json(PATH, limit=1000, **{name: value})["items"] == wanted
    assert client.problem(PATH, 400, results="stick")["detail"].endswith("did you mean 'result'?")


def test_csv_is_safe_in_a_spreadsheet(client: Client) -> None:
    response = client.request("GET", f"{PATH}?limit=5", headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert {row["by"] for row in rows} == {"'=Meyer"}
    assert {row["method"] for row in rows} == {"chisel"}


GOOD = {"weld": "w", "result": "stick"}


@pytest.mark.parametrize(
    ("change", "field", "came", "expected"),
    [
        ({"weld": "nobody"}, "weld", "nobody", "a weld that Lineside has judged"),
        ({"weld": ""}, "weld", "absent or empty", "text of 1 to 128"),
        ({"weld": "x" * 200}, "weld", "x" * 119 + "…", "text of 1 to 128"),
        ({"result": "bad"}, "result", "bad", "one of ok, stick, undersize, expulsion, no_weld, other"),
        ({"result": None}, "result", "absent or empty", "one of ok, stick"),
        ({"nugget_mm": 0}, "nugget_mm", "0", "a number above 0 and at most 50"),
        ({"nugget_mm": 51}, "nugget_mm", "51", "a number above 0 and at most 50"),
        ({"nugget_mm": "5 mm"}, "nugget_mm", "5 mm", "a number above 0"),
        ({"nugget_mm": True}, "nugget_mm", "True", "a number above 0"),
        ({"time": "yesterday"}, "time", "yesterday", "an RFC 3339 time"),
        ({"time": "2020-01-01T00:00:00Z"}, "time", "2020-01-01T00:00:00Z", "at most 366 days before"),
        ({"time": 5}, "time", "5", "an RFC 3339 time"),
        ({"by": "a\nb"}, "by", "a\nb", "without control characters"),
        ({"nuget_mm": 4}, "nuget_mm", "an unknown field", "nugget_mm"),
    ],
)
def test_what_is_wrong_with_an_item_is_named(
    client: Client,
    inspected: Inspected,
    change: dict[str, Any],
    field: str,
    came: str,
    expected: str,
) -> None:
    weld = inspected[0].welds[0]["weld_id"]
    response = post(client, [GOOD | {"weld": weld} | change])
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["field"], problem["came"]) == (field, came)
    assert expected in problem["expected"]
    assert (problem["accepted"], problem["refused"]) == (0, 1)
    assert problem["items"][0]["row"] == 0
    assert problem["items"][0]["problem"]["field"] == field


@pytest.mark.parametrize(
    ("text", "field", "detail"),
    [
        ("weld,resutl\nw,ok\n", "resutl", "did you mean 'result'?"),
        ("weld,method\nw,chisel\n", "header", "the header is 'weld,method'"),
        ("weld,result,result\nw,ok,ok\n", "header", "each once"),
        ("weld,result\n", "body", "there is no inspection"),
        ("", "header", "the header is ''"),
        ('weld,result\n"w,ok\n', "body", "cannot be read"),
        (b"weld,result\n\xff,ok\n", "body", "not UTF-8"),
        ("weld,result\n" + "w,ok\n" * (MAX_ITEMS + 1), "body", "more inspections than are taken at once"),
    ],
)
def test_a_csv_that_cannot_be_taken_as_a_whole(client: Client, text: str | bytes, field: str, detail: str) -> None:
    response = post(client, text, kind="text/csv")
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [(b"{", "not JSON"), ([], "no inspection"), ([3], "item 0 is '3'"), ([GOOD] * 1001, "at most 1000")],
)
def test_json_that_cannot_be_taken_as_a_whole(client: Client, body: Any, detail: str) -> None:
    response = post(client, body)
    assert response.status_code == 400, response.text
    assert detail in response.json()["detail"]


def test_lines_of_a_csv_are_counted_as_an_editor_does(client: Client) -> None:
    text = '\ufeffweld;result;note;nugget_mm\nnobody;ok;"two\nlines";4,5\nnobody;ok;;x\nnobody;ok\nnobody;bad;;5\n'
    problems = post(client, text, kind="text/csv").json()["items"]
    assert [(item["row"], item["problem"]["field"]) for item in problems] == [
        (3, "note"),
        (4, "nugget_mm"),
        (5, "line"),
        (6, "result"),
    ]


def test_a_good_one_is_not_promised_when_the_broker_is_away(client: Client, inspected: Inspected) -> None:
    response = post(client, GOOD | {"weld": inspected[0].welds[0]["weld_id"]})
    assert response.status_code == 503
    assert "did not acknowledge" in response.json()["detail"]


def test_parameters_are_refused(client: Client) -> None:
    assert client.request("POST", f"{PATH}?dry=1", json=GOOD).status_code == 400


def test_the_document_says_both_forms(client: Client) -> None:
    operation = client.json("/openapi.json")["paths"][PATH]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "text/csv"}
    assert "202" in operation["responses"]
