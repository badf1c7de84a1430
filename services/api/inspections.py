"""What inspections found, as people send it: a JSON object, a list of them, or CSV; each item stands by itself."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.sources.clock import STAMP_EXPECTED, ClockBounds
from edge.sources.event import MAX_NOTE, MAX_NUGGET_MM, NUGGET_EXPECTED
from edge.sources.fields import MAX_NAME, TEXT_EXPECTED, check_text
from edge.sources.message import Limits
from edge.sources.rejects import RefusedError
from models.welds.causes import DEFECT_CAUSES
from models.welds.trained import RESULTS, is_result
from services.api.problems import ProblemError, wrong

FIELDS = ("weld", "result", "method", "nugget_mm", "time", "by", "note")
REQUIRED = ("weld", "result")
MAX_ITEMS = 1000
RESULT_EXPECTED = f"one of {', '.join(RESULTS)}, or a defect's cause ({', '.join(DEFECT_CAUSES)})"
NAME_EXPECTED = f"text of at most {MAX_NAME} characters"
WELD_EXPECTED = f"the id of a weld that Lineside has judged, text of 1 to {MAX_NAME} characters"


class WrongItemError(Exception):
    """One item cannot be taken."""

    def __init__(self, field: str, came: object, expected: str) -> None:
        self.problem = wrong(field, came, expected).problem
        super().__init__(self.problem.detail)


@dataclass(frozen=True, slots=True)
class Item:
    """One inspection as sent, or why it cannot be one."""

    row: int
    """Line of the CSV, or index in the JSON list, from 0."""
    weld: str
    event: Mapping[str, Any]
    """Fields of an event message."""
    error: WrongItemError | None = None


def read_items(body: bytes, *, is_csv: bool, limits: Limits, now_ns: int) -> list[Item]:
    """Return the items of a request's body, each checked by itself; `now_ns` is when it came.

    Raises `ProblemError` (400) for a body that cannot be split into items, has none, or more than `MAX_ITEMS`.
    """
    rows = list(_csv_rows(body) if is_csv else _json_rows(body))
    if not rows:
        raise ProblemError(400, "there is no inspection; expected at least one", field="body")
    bounds = ClockBounds.of(now_ns, limits)
    return [_item(row, raw, bounds) for row, raw in rows]


def _csv_rows(body: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = body.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        raise ProblemError(400, f"the CSV is not UTF-8 ({error})", field="body", expected="UTF-8") from None
    head = text.partition("\n")[0]
    # Where the comma is the decimal sign, spreadsheets separate by semicolons.
    european = ";" in head and "," not in head
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if european else ",", strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        _check_header(names)
        reader.fieldnames = names
        for count, raw in enumerate(reader):
            _check_count(count + 1)
            yield reader.line_num, _cells(raw, european=european)
    except csv.Error as error:
        detail = f"line {reader.line_num} of the CSV cannot be read ({error})"
        raise ProblemError(400, detail, field="body", expected="CSV as RFC 4180 has it") from None


def _check_header(names: list[str]) -> None:
    expected = f"{','.join(REQUIRED)} and any of {','.join(FIELDS[len(REQUIRED) :])}"
    for name in names:
        if name not in FIELDS:
            close = difflib.get_close_matches(name.lower(), FIELDS, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ProblemError(400, f"unknown column {name!r}{hint}", field=name, came=name, expected=expected)
    missing = [name for name in REQUIRED if name not in names]
    if missing or len(set(names)) < len(names):
        came = ",".join(names)
        detail = f"the header is {came!r}; expected {expected}, each once"
        raise ProblemError(400, detail, field="header", came=came, expected=expected)


def _cells(raw: Mapping[str | None, Any], *, european: bool) -> dict[str, Any]:
    """Return what the cells of one line say; empty cells say nothing."""
    cells: dict[str, Any] = {}
    for name, value in raw.items():
        if name is None or value is None:
            cells["_cells"] = "more" if name is None else "fewer"
            continue
        text = value.strip()
        if text:
            cells[name] = text
    nugget = cells.get("nugget_mm")
    if nugget is not None:
        with suppress(ValueError):  # what is no number stays text, and is told as such
            cells["nugget_mm"] = float(nugget.replace(",", ".") if european else nugget)
    return cells


def _json_rows(body: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"the body is not JSON ({error})", field="body", expected="JSON") from None
    items = document if isinstance(document, list) else [document]
    _check_count(len(items))
    for row, raw in enumerate(items):
        if not isinstance(raw, dict):
            raise wrong(f"item {row}", raw, "an object with weld and result")
        yield row, raw


def _check_count(count: int) -> None:
    if count > MAX_ITEMS:
        expected = f"at most {MAX_ITEMS} inspections in one request"
        raise ProblemError(400, f"there are more inspections than are taken at once; expected {expected}", field="body")


def _item(row: int, raw: Mapping[str, Any], bounds: ClockBounds) -> Item:
    try:
        event = _event(raw, bounds)
    except WrongItemError as error:
        weld = raw.get("weld")
        return Item(row, weld if isinstance(weld, str) else "", {}, error)
    return Item(row, event["weld"], event)


def _event(raw: Mapping[str, Any], bounds: ClockBounds) -> dict[str, Any]:
    if "_cells" in raw:
        raise WrongItemError("line", f"a line with {raw['_cells']} cells than the header", "one cell per column")
    for name in raw:
        if name not in FIELDS:
            close = difflib.get_close_matches(name.lower(), FIELDS, n=1, cutoff=0.5)
            raise WrongItemError(name, "an unknown field", close[0] if close else f"one of {', '.join(FIELDS)}")
    given = {name: value for name, value in raw.items() if value is not None and value != ""}
    event: dict[str, Any] = {"kind": "inspection"}
    for name, most in (("weld", MAX_NAME), ("result", MAX_NAME), ("method", MAX_NAME), ("by", MAX_NAME)):
        expected = {"weld": WELD_EXPECTED, "result": RESULT_EXPECTED}.get(name, NAME_EXPECTED)
        event |= _text(given, name, most, expected, required=name in REQUIRED)
    event |= _text(given, "note", MAX_NOTE, f"text of at most {MAX_NOTE} characters", required=False)
    if not is_result(event["result"]):
        raise WrongItemError("result", event["result"], RESULT_EXPECTED)
    event |= _nugget(given)
    if "time" in given:
        event["time"] = _time(given["time"], bounds)
        # The same finding sent again is the same event: a file that is imported twice counts once.
        told = "\0".join(str(event.get(name, "")) for name in FIELDS)
        event["id"] = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
    return event


def _nugget(given: Mapping[str, Any]) -> dict[str, float]:
    nugget = given.get("nugget_mm")
    if nugget is None:
        return {}
    is_number = isinstance(nugget, int | float) and not isinstance(nugget, bool)
    if not is_number or not 0 < nugget <= MAX_NUGGET_MM:  # which NaN is not, nor an int too large for a float
        raise WrongItemError("nugget_mm", nugget, NUGGET_EXPECTED)
    return {"nugget_mm": float(nugget)}


def _time(time: object, bounds: ClockBounds) -> int:
    if not isinstance(time, str):
        raise WrongItemError("time", time, STAMP_EXPECTED)
    try:
        return bounds.read(time, "time", expected=STAMP_EXPECTED)
    except RefusedError as refused:
        raise WrongItemError("time", time, refused.expected) from None


def _text(given: Mapping[str, Any], name: str, most: int, expected: str, *, required: bool) -> dict[str, str]:
    value = given.get(name)
    if value is None:
        if required:
            raise WrongItemError(name, "absent or empty", expected)
        return {}
    if isinstance(value, int) and not isinstance(value, bool):  # controllers number things
        value = str(value)
    if not isinstance(value, str) or len(value) > most:
        raise WrongItemError(name, value, expected)
    try:
        check_text(value, name)
    except RefusedError:
        raise WrongItemError(name, value, TEXT_EXPECTED) from None
    return {name: value}
