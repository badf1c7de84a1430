from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.plant import EMPTY
from services.api.moments import parse_duration
from services.api.steps import Span, default_step
from tests.unit.api.conftest import Client, client_of
from tests.unit.api.shop import DOOR, FIRST, HOUR, NEW, NOW, ODD, Shop

Row = dict[str, Any]


def naive_rate(rows: list[Row]) -> Row:
    """Return the rate of some welds by the textbook."""
    count = Counter(row["verdict"] for row in rows)
    ok, n = count["ok"], count["ok"] + count["defect"]
    low = high = rate = None
    if n:
        z, p = 1.959963984540054, ok / n
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        rate = p
        low = (centre - half) / (1 + z * z / n) if ok else 0.0
        high = (centre + half) / (1 + z * z / n) if ok < n else 1.0
    return {
        "ok": ok, "defect": count["defect"], "unjudged": count["unjudged"], "n": n,
        "rate": rate, "low": low and pytest.approx(low), "high": high and pytest.approx(high),
    }  # fmt: skip


def grouped(rows: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def test_the_shop_has_every_verdict_and_more_than_one_cause(shop: Shop) -> None:
    assert {row["verdict"] for row in shop.welds} == {"ok", "defect", "unjudged"}
    assert len({row["cause"] for row in shop.welds if row["verdict"] == "defect"}) >= 2


@pytest.mark.parametrize(
    ("params", "keep"),
    [
        ({}, lambda _: True),
        ({"line": "L1"}, lambda row: row["line"] == "L1"),
        ({"cell": "C3", "gun": "G3"}, lambda row: row["cell"] == "C3"),
        ({"spot": DOOR}, lambda row: row["spot"] == DOOR),
        ({"spot": ODD, "program": "8"}, lambda row: row["spot"] == ODD),
        ({"program": "9"}, lambda _: False),
        ({"body": "K007/红"}, lambda row: row["body"] == "K007/红"),
        ({"cause": "expulsion"}, lambda row: row["cause"] == "expulsion"),
        ({"verdict": "ok"}, lambda row: row["verdict"] == "ok"),
        ({"site": "wolfsburg", "area": "biw", "line": ""}, lambda _: True),
        ({"since": "-6h"}, lambda row: row["time_ns"] >= NOW - 6 * HOUR),
        ({"until": "2026-11-25T00:00:00Z"}, lambda row: row["time_ns"] < FIRST + 3 * HOUR),
        (
            {"since": "2026-11-25T06:30:00+08:00", "until": "-10h"},
            lambda row: FIRST + HOUR * 1.5 <= row["time_ns"] < NOW - 10 * HOUR,
        ),
    ],
)
def test_rate_of_what_the_filters_select(client: Client, shop: Shop, params: Row, keep: Callable[[Row], bool]) -> None:
    assert client.json("/api/v1/rate", **params) == naive_rate([row for row in shop.welds if keep(row)])


def test_since_is_inclusive_and_until_exclusive_to_the_nanosecond(client: Client, shop: Shop) -> None:
    first = "2026-11-24T21:00:00.123456789Z"
    assert client.json("/api/v1/rate", until=first)["unjudged"] == 0
    assert client.json("/api/v1/rate", since=first, until="2026-11-24T21:00:00.123456790Z")["unjudged"] == 1


def test_a_plus_sign_that_became_a_space_is_still_a_zone(client: Client) -> None:
    right = client.request("GET", "/api/v1/rate?since=2026-11-25T06:30:00%2B08:00").json()
    assert client.request("GET", "/api/v1/rate?since=2026-11-25T06:30:00+08:00").json() == right


@pytest.mark.parametrize("by", ["line", "line,cell", "spot", "body", "program,gun", "site,area", "cause"])
def test_rate_in_groups(client: Client, shop: Shop, by: str) -> None:
    names = by.split(",")
    answer = client.json("/api/v1/rate", by=by)
    expected = grouped(shop.welds, lambda row: tuple(row[name] for name in names))
    assert [tuple(item["group"].values()) for item in answer] == sorted(expected)
    for item in answer:
        assert list(item["group"]) == names
        assert {k: v for k, v in item.items() if k != "group"} == naive_rate(expected[tuple(item["group"].values())])


def shift_of(row: Row) -> str:
    local = datetime.fromtimestamp(row["time_ns"] / 1e9, ZoneInfo("Asia/Shanghai"))
    if 6 <= local.hour < 14:
        return f"{local.date()} early"
    if 14 <= local.hour < 22:
        return f"{local.date()} late"
    return f"{(local - timedelta(hours=6)).date()} night"


def test_rate_by_shift_follows_the_calendar(client: Client, shop: Shop) -> None:
    answer = client.json("/api/v1/rate", by="shift")
    expected = grouped(shop.welds, shift_of)
    assert len(expected) == 3
    assert [item["group"]["shift"] for item in answer] == ["2026-11-24 night", "2026-11-25 early", "2026-11-25 late"]
    for item in answer:
        assert {k: v for k, v in item.items() if k != "group"} == naive_rate(expected[item["group"]["shift"]])


def test_rate_by_shift_and_line_within_a_window(client: Client, shop: Shop) -> None:
    answer = client.json("/api/v1/rate", by="line,shift", since="-10h", until="-2h")
    rows = [row for row in shop.welds if NOW - 10 * HOUR <= row["time_ns"] < NOW - 2 * HOUR]
    expected = grouped(rows, lambda row: (row["line"], shift_of(row)))
    assert {tuple(item["group"].values()) for item in answer} == set(expected)
    for item in answer:
        assert item["n"] == naive_rate(expected[tuple(item["group"].values())])["n"]


def test_rate_by_shift_without_a_calendar_says_what_is_missing(shop: Shop) -> None:
    problem = client_of(shop, plant=EMPTY).problem("/api/v1/rate", 400, by="shift")
    assert problem["field"] == "by"
    assert "calendar" in problem["expected"]


def test_body_level(client: Client, shop: Shop) -> None:
    complete = [row for row in shop.bodies if row["complete"]]
    assert {row["verdict"] for row in complete} >= {"ok", "defect"}
    assert client.json("/api/v1/rate", level="body") == naive_rate(complete)
    recent = [row for row in complete if row["first_ns"] >= NOW - 5 * HOUR]
    assert client.json("/api/v1/rate", level="body", since="-5h") == naive_rate(recent)
    by_shift = client.json("/api/v1/rate", level="body", by="shift")
    assert sum(item["n"] + item["unjudged"] for item in by_shift) == len(complete)


@pytest.mark.parametrize("bucket", ["1h", "15m", "2h"])
def test_trend_counts_each_weld_once_in_its_bucket(client: Client, shop: Shop, bucket: str) -> None:
    step = {"1h": HOUR, "15m": HOUR // 4, "2h": 2 * HOUR}[bucket]
    answer = client.json("/api/v1/trend", bucket=bucket, since="-14h")
    rows = [row for row in shop.welds if row["time_ns"] >= NOW - 14 * HOUR]
    expected = grouped(rows, lambda row: row["time_ns"] // step * step)
    assert len(answer) == len(expected)
    for item in answer:
        start = datetime.fromisoformat(item["start"])
        assert datetime.fromisoformat(item["end"]) - start == timedelta(seconds=step // 10**9)
        counts = {k: v for k, v in item.items() if k not in {"group", "start", "end"}}
        assert counts == naive_rate(expected[int(start.timestamp()) * 10**9])


def test_trend_by_line(client: Client, shop: Shop) -> None:
    answer = client.json("/api/v1/trend", bucket="4h", since="-20h", by="line")
    expected = grouped(shop.welds, lambda row: (row["line"], row["time_ns"] // (4 * HOUR)))
    assert len(answer) == len(expected)
    assert sum(item["n"] + item["unjudged"] for item in answer) == len(shop.welds)


def test_days_begin_at_the_plants_midnight(client: Client, shop: Shop) -> None:
    answer = client.json("/api/v1/trend", bucket="1d", since="-3d")
    assert [item["start"] for item in answer] == ["2026-11-24T16:00:00Z"]  # the 25th in Shanghai
    assert answer[0]["end"] == "2026-11-25T16:00:00Z"
    assert answer[0]["n"] == naive_rate(shop.welds)["n"]
    week = client.json("/api/v1/trend", bucket="7d", since="-3d")
    assert week[0]["start"] == "2026-11-22T16:00:00Z"  # Monday the 23rd


@pytest.mark.parametrize("length", ["40s", "10m", "1h", "8h", "1d", "3d", "30d", "365d", "3000d"])
def test_the_default_bucket_gives_24_to_96_points(length: str) -> None:
    span = Span(NOW - parse_duration(length).ns, NOW)
    step = default_step(span)
    points = {time_ns // step.ns for time_ns in range(span.since_ns, span.until_ns, max(1, step.ns // 2))}
    assert 24 <= len(points) <= 96


def test_trend_on_body_level(client: Client, shop: Shop) -> None:
    complete = [row for row in shop.bodies if row["complete"]]
    answer = client.json("/api/v1/trend", level="body", bucket="1h", since="-16h")
    assert len(answer) == len({row["first_ns"] // HOUR for row in complete})
    assert sum(item["n"] for item in answer) == naive_rate(complete)["n"]
    days = client.json("/api/v1/trend", level="body", bucket="1d", since="-2d")
    assert sum(item["defect"] for item in days) == naive_rate(complete)["defect"]


def test_pareto(client: Client, shop: Shop) -> None:
    causes = Counter(row["cause"] for row in shop.welds if row["verdict"] == "defect")
    total = sum(causes.values())
    answer = client.json("/api/v1/pareto")
    assert [(bar["cause"], bar["defects"]) for bar in answer] == sorted(causes.items(), key=lambda x: (-x[1], x[0]))
    running = 0
    for bar in answer:
        running += bar["defects"]
        interval = naive_rate([{"verdict": "ok"}] * bar["defects"] + [{"verdict": "defect"}] * (total - bar["defects"]))
        assert bar["share"] == pytest.approx(bar["defects"] / total)
        assert bar["cumulative"] == pytest.approx(running / total)
        assert (bar["share_low"], bar["share_high"]) == (interval["low"], interval["high"])
    assert answer[-1]["cumulative"] == 1.0


def test_pareto_of_no_defects_is_empty(client: Client) -> None:
    assert client.json("/api/v1/pareto", body="no such") == []


@pytest.mark.parametrize(
    ("path", "params", "field", "expected"),
    [
        ("rate", {"by": "lines"}, "by", "line, cell"),
        ("rate", {"by": "line,line"}, "by", "once"),
        ("rate", {"level": "car"}, "level", "'weld' or 'body'"),
        ("rate", {"level": "body", "line": "L1"}, "line", "only since, until"),
        ("rate", {"level": "body", "by": "spot"}, "by", "shift"),
        ("rate", {"by": "shift", "since": "2020-01-01T00:00:00Z"}, None, "at most 200"),
        (
            "rate",
            {"by": "shift", "since": "1970-01-01T00:00:00Z", "until": "2262-01-01T00:00:00Z"},
            None,
            "at most 200",
        ),
        ("rate", {"cause": "expulsoin"}, "cause", "expulsion"),
        ("rate", {"verdict": "bad"}, "verdict", "ok, defect, unjudged"),
        ("rate", {"since": "-1h", "until": "-2h"}, "since", "before until"),
        ("rate", {"since": "2026-11-25T06:30:00"}, "since", "with a zone"),
        ("rate", {"since": "2026-02-30T06:30:00Z"}, "since", ""),
        ("rate", {"since": "1950-01-01T00:00:00Z"}, "since", "1970"),
        ("trend", {"bucket": "0m"}, "bucket", "15m"),
        ("trend", {"bucket": "15"}, "bucket", "15m"),
        ("trend", {"bucket": "1s"}, None, "10000"),
        ("trend", {"bucket": "1d", "since": "-300d"}, None, "at most 200"),
        ("trend", {"bucket": "1d", "since": "-3d", "by": "shift"}, "by", "/rate?by=shift"),
        ("trend", {"bucket": "10m", "since": "-9d", "level": "body"}, None, "at most 200"),
        ("pareto", {"verdict": "ok"}, "verdict", "defect"),
        ("pareto", {"by": "line"}, "by", "since"),
    ],
)
def test_wrong_parameters_are_named(client: Client, path: str, params: Row, field: str | None, expected: str) -> None:
    problem = client.problem(f"/api/v1/{path}", 400, **params)
    assert problem.get("field") == field
    assert expected in problem["expected"]
    if field and field != "by":
        assert problem["came"] == params[field]


def test_too_many_rows_are_refused_not_cut(client: Client, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.api.steps.MAX_CELLS", 100)
    problem = client.problem("/api/v1/rate", 400, by="body,spot")
    assert f"{len(grouped(shop.welds, lambda row: (row['body'], row['spot'])))} rows" in problem["detail"]


def test_new_spots_count_like_any_other(client: Client, shop: Shop) -> None:
    rows = [row for row in shop.welds if row["spot"] == NEW]
    assert client.json("/api/v1/rate", spot=NEW, line="L9") == naive_rate(rows)


def test_a_future_since_gives_nothing(client: Client) -> None:
    future = datetime.fromtimestamp(NOW / 1e9 + 3600, UTC).isoformat()
    assert client.json("/api/v1/rate", since=future)["n"] == 0
    assert client.json("/api/v1/trend", since=future) == []
