from __future__ import annotations

import logging

import pytest

from services.api.guard import allowed_hosts
from services.config import Api, Config
from services.store.duck.store import DuckStore
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import Shop

ROUTES = [
    "plant", "rate", "trend", "pareto", "welds", "welds/x", "welds/x/curve", "spots/S1", "bodies", "bodies/x", "agvs",
    "agvs/x/y", "sources", "accounting", "rejects", "rejects/1/payload", "events",
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_an_unknown_parameter_is_an_error_everywhere(client: Client, route: str) -> None:
    problem = client.problem(f"/api/v1/{route}", 400, sprogram="7")
    assert problem["field"] == "sprogram"
    assert "unknown parameter 'sprogram'" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "wrong", "right"),
    [
        ("welds", "sinse", "since"),
        ("welds", "programme", "program"),
        ("welds", "LINE", "line"),
        ("bodies", "curser", "cursor"),
        ("trend", "buckets", "bucket"),
        ("rejects", "sources", "source"),
    ],
)
def test_the_right_name_is_suggested(client: Client, path: str, wrong: str, right: str) -> None:
    problem = client.problem(f"/api/v1/{path}", 400, **{wrong: "x"})
    assert problem["detail"] == f"unknown parameter {wrong!r}; did you mean {right!r}?"
    assert right in problem["expected"].removeprefix("one of ").split(", ")


def test_a_name_like_no_other_is_answered_with_all_of_them(client: Client) -> None:
    problem = client.problem("/api/v1/rejects", 400, zzz="x")
    assert problem["detail"] == "unknown parameter 'zzz'"
    assert problem["expected"] == "one of source, limit, cursor"


def test_a_parameter_with_braces_is_shown_as_it_came(client: Client) -> None:
    problem = client.problem("/api/v1/welds", 400, **{"{site}": "1"})
    assert problem["field"] == "{site}"
    assert client.problem("/api/v1/welds", 400, since="{0}")["came"] == "{0}"


def test_blank_values_count_as_not_given(client: Client) -> None:
    blank = client.json("/api/v1/welds", line="", limit="", since="", cursor="", verdict="", cause="")
    assert blank == client.json("/api/v1/welds")


def test_a_parameter_given_twice_is_refused(client: Client) -> None:
    problem = client.problem("/api/v1/welds?line=L1&line=L2", 400)
    assert problem["field"] == "line"


@pytest.mark.parametrize(("limit", "expected"), [("0", "1"), ("1001", "1000"), ("-1", "1"), ("ten", "integer")])
def test_the_limit_has_limits(client: Client, limit: str, expected: str) -> None:
    problem = client.problem("/api/v1/welds", 400, limit=limit)
    assert (problem["field"], problem["came"]) == ("limit", limit)
    assert expected in problem["expected"]


def test_long_values_are_shortened_in_the_answer(client: Client) -> None:
    problem = client.problem("/api/v1/welds", 400, since="x" * 5000)
    assert len(problem["came"]) == 120
    assert client.problem("/api/v1/welds", 400, site="x" * 201)["field"] == "site"


def test_text_never_reaches_the_store_as_a_statement(client: Client, shop: Shop) -> None:
    assert client.json("/api/v1/rate", spot="' OR 1=1 --")["n"] == 0
    assert client.json("/api/v1/rate", line="L1'; DROP TABLE weld; --")["n"] == 0
    assert client.json("/api/v1/rate")["n"] > 0


def test_unknown_routes_are_problems(client: Client) -> None:
    assert "/docs" in client.problem("/api/v1/weld", 404)["detail"]
    client.problem("/api/", 404)
    client.problem("/api/v2/welds", 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_problems(client: Client, method: str) -> None:
    response = client.request(method, "/api/v1/welds")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == "GET"
    assert response.json()["detail"] == f"/api/v1/welds does not take {method}; expected GET"


def test_head_is_answered_as_get(client: Client) -> None:
    response = client.request("HEAD", "/api/v1/agvs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


STORE_ROUTES = [route for route in ROUTES if not route.startswith("rejects/")]


@pytest.mark.parametrize("route", STORE_ROUTES)
def test_a_store_that_is_away_is_503_with_retry_after(shop: Shop, closed_store: DuckStore, route: str) -> None:
    response = client_of(shop, store=closed_store).get(f"/api/v1/{route}")
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert "duckdb" not in response.text  # nor any other detail of the store


def test_an_unexpected_error_shows_only_an_id_that_is_in_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(DuckStore, "agvs", fail)
    broken = client_of(shop)
    with caplog.at_level(logging.ERROR):
        problem = broken.problem("/api/v1/agvs", 500)
    reference = problem["detail"].rpartition(" ")[2]
    assert "secret" not in str(problem)
    assert reference in caplog.text
    assert "KeyError" in caplog.text


def test_security_headers_are_on_good_and_bad_answers(client: Client) -> None:
    for path in ("/api/v1/agvs", "/api/v1/nothing", "/docs", "/healthz"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8800", "[::1]:8800", "LOCALHOST:1", "testserver"])
def test_names_of_this_machine_are_answered(client: Client, host: str) -> None:
    assert client.request("GET", "/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8800", "", "[::2]"])
def test_other_names_are_refused_on_loopback(client: Client, host: str) -> None:
    response = client.request("GET", "/api/v1/welds", headers={"host": host})
    assert response.status_code == 400
    assert response.json()["field"] == "Host"


def test_a_server_for_the_network_answers_to_any_name(shop: Shop) -> None:
    public = client_of(shop, config=Config(api=Api(host="0.0.0.0")), extra_hosts=[])
    assert public.request("GET", "/healthz", headers={"host": "lineside.plant.example"}).status_code == 200


def test_which_hosts_are_allowed() -> None:
    assert allowed_hosts(Api(host="0.0.0.0")) is None
    assert allowed_hosts(Api(host="lineside.example")) is None
    assert allowed_hosts(Api(behind_proxy="127.0.0.1")) is None
    assert "127.0.0.5" in (allowed_hosts(Api(host="127.0.0.5")) or ())
    assert "[::1]" in (allowed_hosts(Api(host="::1")) or ())
    assert "localhost" in (allowed_hosts(Api(host="localhost")) or ())


def test_large_answers_are_compressed(client: Client) -> None:
    response = client.request("GET", "/api/v1/welds?limit=100", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.json()["items"]) == 100
