from __future__ import annotations

from dataclasses import asdict

from benchmarks import rows
from benchmarks.path.contenders import NodeRed, OverDuckDB, OverInfluxDB, Plain
from benchmarks.path.results import Result


def result(name: str, encoding: str, size: int, cpu_s: float, store_cpu_s: float = 0.0) -> dict[str, object]:
    return asdict(Result(name, encoding, size, 60_000, cpu_s, store_cpu_s, 9.0))


def test_the_path_is_held_against_its_goals_with_the_stores_time_and_shown_without() -> None:
    found = {
        "found": [
            result(OverDuckDB.name, "packed", 100, 2.4),
            result(OverDuckDB.name, "JSON", 100, 5.1),
            result(OverInfluxDB.name, "packed", 100, 3.0, 9.0),
            result(Plain.name, "packed", 100, 12.0, 8.4),
            result(NodeRed.name, "JSON", 100, 10.0, 5.3),
        ]
    }
    told = [(row.name, row.figure, row.met) for row in rows.path(found)]
    assert told == [
        ("curves per processor second, packed, 100 a message", "25,000", True),
        ("curves per processor second, JSON, 100 a message", "11,765", False),
        ("the same, JSON, 100 a message, over Node-RED", "3.0 times; 2.0 if influxd cost nothing", True),
        ("the same, packed, 100 a message, over plain Python", "8.5 times; 5.0 if influxd cost nothing", True),
    ]


def test_a_question_has_met_its_goal_by_its_p95() -> None:
    asked = [{"question": name, "p50": 20.0, "p95": p95} for name, p95 in (("rate", 199.0), ("welds", 200.0))]
    found = {"rows": 30_000_000, "found": asked, "mb_per_million": 215.2, "start_s": {"empty": [1, 3, 2], "full": [4]}}
    told = list(rows.queries(found | {"resident_mb_at_start": 370.0, "resident_mb": 1375.0}))
    assert [(row.figure, row.met) for row in told[:3]] == [
        ("p50 20 ms, p95 199 ms", True),
        ("p50 20 ms, p95 200 ms", False),
        ("215 MB", None),
    ]
    assert told[3].figure == "2.00 s / 4.00 s"


def test_only_a_plant_that_does_nothing_is_idle() -> None:
    found = {
        "cores_taken": {"0 welds/s, 0 browser(s)": {"lineside": 0.031}, "0 welds/s, 1 browser(s)": {"lineside": 0.04}}
    }
    assert [(row.figure, row.met) for row in rows.idle(found)] == [("3.1%", False), ("4.0%", None)]


def test_questions_to_influxdb_say_of_how_many_welds_each_is() -> None:
    one = {"question": "rate", "p50": 20.4, "p95": 31.0}
    found = {
        "close_s_per_day": 7.6,
        "counted": {"rows": 3_000_000, "found": [one]},
        "searched": {"rows": 150_000, "found": [one | {"question": "weld by id"}]},
    }
    assert [(row.name, row.figure) for row in rows.influx(found)] == [
        ("InfluxDB: closing a day of 330,000 welds", "8 s"),
        ("InfluxDB: rate; 3 million welds", "p50 20 ms, p95 31 ms"),
        ("InfluxDB: weld by id; 0.15 million welds", "p50 20 ms, p95 31 ms"),
    ]
