"""Every query of the Grafana dashboards, answered by a real InfluxDB that our own store filled."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from models.rates import Rate
from models.welds.features import FEATURES
from services.config import StoreSettings
from services.store import schema
from services.store.influx.store import InfluxStore
from services.store.protocol import Commit
from tests.influxd import Influxd

pytestmark = pytest.mark.system
DASHBOARDS = Path(__file__).resolve().parents[2] / "dashboards" / "grafana" / "dashboards"
START_NS = 1_790_000_000 * 10**9
MINUTE_NS = 60 * 10**9
CAUSES = {
    3: ("defect", "expulsion"),
    7: ("defect", "low_heat"),
    13: ("defect", "low_heat"),
    5: ("unjudged", "learning"),
}
WELDS = [
    {
        "weld_id": f"W{number}",
        "ordinal": number,
        "time_ns": START_NS + number * MINUTE_NS,
        "site": "SZ1",
        "area": "body",
        "line": f"FR{1 + number % 2}",
        "cell": f"C0{number % 3}",
        "gun": f"G{number % 3}",
        "spot": f'焊点 "{number % 6}"',
        "program": "P1",
        "body": f"B{number // 6}",
        "wear_count": number,
        "verdict": CAUSES.get(number, ("ok", ""))[0],
        "cause": CAUSES.get(number, ("ok", ""))[1],
        "score": number / 10,
        **{name: float(number) for name in FEATURES},
    }
    for number in range(60)
]
SOURCES = [
    {"source": f"SZ1/body/FR1/C0{k}/weld", "received": 100 * k, "stored": 90 * k, "rejected": 5 * k, "duplicate": 3 * k}
    | {"pending": 2 * k}
    for k in (1, 2, 3)
]
AGVS = [{"agv": f"KIT/{k}", "activity": "driving" if k % 3 else "idle"} for k in range(10)]
REJECT = {"seq": 9, "item": 0, "received_ns": START_NS, "source": "(unrouted)", "topic": "lineside/v1/x", "bytes": 12}
REJECT |= {"path": "$", "came": "3 levels", "expected": "7 levels"}


def table(rows: list[dict[str, Any]], of: pa.Schema) -> pa.Table:
    """Return rows of a schema; what they leave out is empty, zero or null as the schema allows."""
    blank = {field.name: "" if field.type == pa.string() else False if field.type == pa.bool_() else 0 for field in of}
    blank |= {field.name: None for field in of if pa.types.is_floating(field.type)}
    return pa.Table.from_pylist([blank | row for row in rows], of)


class Grafana:
    """Asks InfluxDB as Grafana does, with its variables put in."""

    def __init__(self, influxd: Influxd, settings: StoreSettings) -> None:
        self._influxd, self._settings = influxd, settings
        boards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]
        self.panels = {f"{board['uid']}: {panel['title']}": panel for board in boards for panel in board["panels"]}
        self.variables = [
            variable for board in boards for variable in board["templating"]["list"] if variable["type"] == "query"
        ]

    def ask(
        self, query: str, since_ns: int = START_NS, until_ns: int = START_NS + 60 * MINUTE_NS
    ) -> list[dict[str, str]]:
        spot = WELDS[3]["spot"].replace('"', '\\"')
        chosen = {
            "line:regex": "(FR1|FR2)",
            "line:doublequote": '"FR2"',
            "spot:doublequote": f'"{spot}"',
            "bucket": "15m",
            "feature": "r_beta_uohm",
        }
        for name, value in chosen.items():
            query = query.replace("${" + name + "}", value)
        assert "${" not in query
        option = (
            f'option v = {{defaultBucket: "{self._settings.bucket}", timeRangeStart: time(v: {since_ns}), '
            f"timeRangeStop: time(v: {until_ns}), windowPeriod: 1m}}"
        )
        lines = query.split("\n")
        head = [line for line in lines if line.startswith("import ")]
        flux = "\n".join([*head, option, *lines[len(head) :]])
        answer = httpx.post(
            f"{self._influxd.url}/api/v2/query",
            params={"org": self._settings.org},
            content=flux,
            headers={
                "Authorization": f"Token {self._settings.token}",
                "Content-Type": "application/vnd.flux",
                "Accept": "application/csv",
            },
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        tables = [list(csv.DictReader(io.StringIO(part))) for part in answer.text.strip().split("\r\n\r\n") if part]
        return [row for rows in tables for row in rows]

    def panel(self, name: str) -> list[dict[str, str]]:
        return self.ask(self.panels[name]["targets"][0]["query"])


@pytest.fixture(scope="module")
def grafana(influxd: Influxd) -> Grafana:
    settings = influxd.settings()
    store = InfluxStore(settings)
    store.commit(
        Commit(
            cursor=9,
            welds=table(WELDS, schema.WELD),
            agvs=table(AGVS, schema.AGV),
            rejects=table([REJECT], schema.REJECT),
            sources=table(SOURCES, schema.SOURCE),
            sources_at_ns=START_NS + 5 * MINUTE_NS,
        )
    )
    store.close()
    return Grafana(influxd, settings)


def rate(welds: list[dict[str, Any]]) -> Rate:
    count = Counter(weld["verdict"] for weld in welds)
    return Rate(count["ok"], count["defect"], count["unjudged"])


def test_every_panel_shows_something(grafana: Grafana) -> None:
    assert not [name for name in grafana.panels if not grafana.panel(name)]


def test_every_variable_offers_something(grafana: Grafana) -> None:
    assert len(grafana.variables) == 3
    for variable in grafana.variables:
        query = variable["query"]["query"].replace("start: -30d", "start: 2020-01-01T00:00:00Z")
        offered = {row["_value"] for row in grafana.ask(query)}
        if variable["name"] == "line":
            assert offered == {"FR1", "FR2"}
        else:
            assert offered == {weld["spot"] for weld in WELDS if weld["line"] == "FR2"}


def test_the_rate_is_ours_with_its_interval_and_n(grafana: Grafana) -> None:
    (row,) = grafana.panel("lineside-quality: Qualification rate")
    ours = rate(WELDS)
    assert [float(row[key]) for key in ("rate", "low", "high", "n")] == pytest.approx(
        [ours.rate, ours.low, ours.high, ours.n], rel=1e-12
    )


def test_the_rate_of_each_cell_is_ours_worst_first(grafana: Grafana) -> None:
    rows = grafana.panel("lineside-quality: Rate by line and cell")
    assert {(row["line"], row["cell"]) for row in rows} == {(weld["line"], weld["cell"]) for weld in WELDS}
    for row in rows:
        ours = rate([weld for weld in WELDS if (weld["line"], weld["cell"]) == (row["line"], row["cell"])])
        got = [float(row[key]) for key in ("rate", "low", "high", "n", "defect")]
        assert got == pytest.approx([ours.rate, ours.low, ours.high, ours.n, ours.defect], rel=1e-12)
    rates = [float(row["rate"]) for row in rows]
    assert rates == sorted(rates)


def test_the_rate_over_time_adds_up_by_line(grafana: Grafana) -> None:
    rows = grafana.panel("lineside-quality: Qualification rate by line")
    assert {row["line"] for row in rows} == {"FR1", "FR2"}
    assert {row["rate"] for row in rows} > {"1"}
    assert all(0 < float(row["rate"]) <= 1 for row in rows)


def test_defects_are_counted_by_cause_and_listed_newest_first(grafana: Grafana) -> None:
    rows = grafana.panel("lineside-quality: Defects by cause")
    assert [(row["cause"], row["defects"]) for row in rows] == [("low_heat", "2"), ("expulsion", "1")]
    listed = grafana.panel("lineside-quality: Last defects")
    defects = [weld for weld in reversed(WELDS) if weld["verdict"] == "defect"]
    assert [(row["spot"], row["cause"]) for row in listed] == [(weld["spot"], weld["cause"]) for weld in defects]


def test_a_spot_shows_its_own_welds_only(grafana: Grafana) -> None:
    own = [weld for weld in WELDS if weld["spot"] == WELDS[3]["spot"]]
    rows = grafana.panel("lineside-spot: Welds")
    assert [row["weld_id"] for row in rows] == [weld["weld_id"] for weld in reversed(own)]
    assert rows[-1]["cause"] == "expulsion"
    values = [float(row["_value"]) for row in grafana.panel("lineside-spot: ${feature}")]
    assert values == [weld["r_beta_uohm"] for weld in own]


def test_the_account_adds_up(grafana: Grafana) -> None:
    (row,) = grafana.panel("lineside-itself: Account")
    for name in ("received", "stored", "rejected", "duplicate", "pending"):
        assert float(row[name]) == sum(source[name] for source in SOURCES)
    assert float(row["unaccounted"]) == 0
    assert [row["source"] for row in grafana.panel("lineside-itself: Account by source")] == [
        source["source"] for source in reversed(SOURCES)
    ]
    assert [float(row["_value"]) for row in grafana.panel("lineside-itself: Pending")] == [12.0]


def test_fleet_rejects_and_verdicts_are_counted(grafana: Grafana) -> None:
    rows = grafana.panel("lineside-itself: AGVs by activity")
    assert [(row["activity"], row["vehicles"]) for row in rows] == [("driving", "6"), ("idle", "4")]
    (reject,) = grafana.panel("lineside-itself: Last rejects")
    assert (reject["source"], reject["came"], reject["expected"]) == ("(unrouted)", "3 levels", "7 levels")
    judged = Counter[str]()
    for row in grafana.panel("lineside-itself: Welds judged"):
        judged[row["_field"]] += int(float(row["_value"]))
    assert judged == Counter(weld["verdict"] for weld in WELDS)
