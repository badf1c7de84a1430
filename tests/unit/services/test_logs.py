"""What a log line has, and what becomes of a flood of them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.logs import IN_WINDOW, KINDS, WINDOW_S, Repetition

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import logging, sys
from services.logs import set_up_logging
set_up_logging("collector", sys.argv[1])
log = logging.getLogger("lineside.collector")
for k in range(40):
    log.error("the source %s is not taken", f"s{k}", extra={"source": f"s{k}"})
log.warning("%s; trying again", "one trouble")
log.warning("%s; trying again", "another")
secret = "hunter2"
try:
    raise ValueError("why")
except ValueError:
    log.exception("it failed")
"""


def lines_of(wanted: str, **environ: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, wanted],
        cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stderr.splitlines()


def test_json_is_an_object_a_line_with_the_same_keys_everywhere() -> None:
    lines = [json.loads(line) for line in lines_of("json")]
    for line in lines:
        assert {"timestamp", "level", "logger", "process", "event"} <= line.keys()
        assert line["process"] == "collector"
    assert lines[0]["source"] == "s0"
    assert lines[0]["event"] == "the source s0 is not taken"
    [failed] = [line for line in lines if line["event"] == "it failed"]
    assert failed["exception"].endswith("ValueError: why")


def test_a_flood_is_told_a_few_times_and_counted_and_hides_no_other_trouble() -> None:
    lines = [json.loads(line) for line in lines_of("json")]
    flood = [line for line in lines if line["event"].startswith("the source s")]
    assert len(flood) == IN_WINDOW
    assert [line["event"] for line in lines if "trying again" in line["event"]] == [
        "one trouble; trying again",
        "another; trying again",
    ]
    last = lines[-1]  # at the end of the process
    assert (last["repeated"], last.get("source")) == (40 - IN_WINDOW, None)
    assert last["event"] == "repeated, and not told each time: the source %s is not taken"


def test_text_is_for_people_and_shows_no_variables() -> None:
    text = "\n".join(lines_of("text"))
    assert "the source s0 is not taken" in text
    assert "process=collector" in text
    assert "ValueError: why" in text
    assert "hunter2" not in text.replace('secret = "hunter2"', "")


def test_workers_write_as_their_supervisor_was_told() -> None:
    assert not lines_of("", LINESIDE_LOG_FORMAT="text")[0].startswith("{")
    assert lines_of("", LINESIDE_LOG_FORMAT="json")[0].startswith("{")
    assert lines_of("", LINESIDE_LOG_FORMAT="auto")[0].startswith("{")


def record(text: str, *values: object, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("x", level, __file__, 1, text, values, None)


def test_after_a_minute_the_next_line_says_how_many_there_were() -> None:
    now = [0.0]
    repetition = Repetition(lambda: now[0])
    told = [repetition.filter(record("this is always the same %d", k)) for k in range(12)]
    assert told == [True] * IN_WINDOW + [False] * (12 - IN_WINDOW)
    assert repetition.filter(record("this is always the same %d", 1, level=logging.INFO))  # another level
    now[0] = WINDOW_S
    late = record("this is always the same %d", 99)
    assert repetition.filter(late)
    assert late.__dict__["repeated"] == 12 - IN_WINDOW


def test_what_was_withheld_is_told_even_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    repetition = Repetition(lambda: now[0])
    for k in range(12):
        repetition.filter(record("this is always the same %d", k))
    repetition.tell()
    assert not caplog.records
    now[0] = WINDOW_S
    repetition.tell()
    repetition.tell()
    [line] = caplog.records
    assert line.__dict__["repeated"] == 12 - IN_WINDOW
    assert line.levelno == logging.ERROR


def test_ever_new_kinds_do_not_grow_the_memory() -> None:
    repetition = Repetition(lambda: 0.0)
    for k in range(3 * KINDS):
        repetition.filter(record("%s", f"trouble {k}"))
    assert len(repetition._kinds) == KINDS
