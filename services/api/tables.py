"""Lists in the form that the client accepts: JSON, CSV or an Arrow IPC stream."""

from __future__ import annotations

import csv
import io
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pyarrow as pa
from fastapi import Depends, Request
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from services.api.problems import ProblemError

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
OFFERED = (JSON, CSV, ARROW)
"""In the order in which they are preferred when the client does not care."""
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""Text that begins so is a formula to spreadsheet programs, and gets an apostrophe before it. So does text that begins
with an apostrophe: whoever reads the CSV by program takes one leading apostrophe off, and has what was there."""

_TYPES: dict[object, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    str: pa.string(),
    datetime: pa.timestamp("us", "UTC"),
}

Row = Mapping[str, Any]


def negotiate(accept: str) -> str:
    """Return which of `OFFERED` an Accept header likes best. Raises `ProblemError` (406) when it likes none.

    Source: RFC 9110, 12.5.1; the most specific range that matches a type gives its quality.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best, best_quality = "", 0.0
    for offer in OFFERED:
        matching = [
            (specific, quality)
            for specific, pattern in enumerate(("*/*", f"{offer.split('/')[0]}/*", offer))
            for name, quality in ranges
            if name == pattern
        ]
        quality = max(matching)[1] if matching else 0.0
        if quality > best_quality:
            best, best_quality = offer, quality
    if not best:
        expected = f"one of {', '.join(OFFERED)}"
        detail = f"Accept is {accept!r}; expected {expected}"
        raise ProblemError(406, detail, field="Accept", came=accept, expected=expected)
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    return name, quality


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows with typed columns; nested lists and objects are JSON text."""

    columns: pa.Schema
    rows: Sequence[Row]

    def csv(self) -> str:
        """Return the rows as CSV (RFC 4180) with a header; empty cells are nulls or empty text."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns.names)
        writer.writerows([_cell(row[name]) for name in self.columns.names] for row in self.rows)
        return out.getvalue()

    def arrow(self) -> bytes:
        """Return the rows as an Arrow IPC stream."""
        table = pa.Table.from_pylist([dict(row) for row in self.rows], schema=self.columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        stream: bytes = sink.getvalue().to_pybytes()
        return stream


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case str() if value.startswith(RISKY):
            return "'" + value
        case _:
            return value


def columns_of(model: type[BaseModel], groups: Sequence[str] = ()) -> list[pa.Field[Any]]:
    """Return a model's fields as columns; a `group` becomes one text column per name in `groups`, first."""
    fields: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in groups]
    for name, info in model.model_fields.items():
        if name != "group":
            fields.append(pa.field(name, _arrow_type(info.annotation)))
    return fields


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _TYPES:
        return _TYPES[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return _arrow_type(next(arg for arg in args if arg is not type(None)))
    if origin in {Literal, list, dict} or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return pa.string()
    raise TypeError(f"{annotation} has no column type")


def rows_of(items: Iterable[BaseModel]) -> list[Row]:
    """Return models as rows for `columns_of`."""
    rows: list[Row] = []
    for item in items:
        row = item.model_dump()
        for name, value in row.items():
            if isinstance(value, list) or (isinstance(value, dict) and name != "group"):
                row[name] = msgspec.json.encode(value).decode()
        rows.append({**row.pop("group", {}), **row})
    return rows


@dataclass(frozen=True, slots=True)
class Listing:
    """How one request wants its list."""

    media_type: str
    url: Any
    """Of the request (`starlette.datastructures.URL`)."""

    @property
    def tabular(self) -> bool:
        """Whether a `Sheet` is asked for."""
        return self.media_type != JSON

    def sheet(self, sheet: Sheet, cursor: str | None = None) -> Response:
        """Return the answer in CSV or Arrow."""
        body = sheet.csv() if self.media_type == CSV else sheet.arrow()
        kind = "text/csv; charset=utf-8; header=present" if self.media_type == CSV else ARROW
        return Response(body, headers=self._headers(cursor), media_type=kind)

    def json(self, page: BaseModel, cursor: str | None = None) -> Response:
        """Return the answer in JSON."""
        return Response(page.model_dump_json(), headers=self._headers(cursor), media_type=JSON)

    def answer(
        self,
        model: type[BaseModel],
        items: Sequence[BaseModel],
        *,
        page: type[BaseModel] | None = None,
        cursor: str | None = None,
        groups: Sequence[str] = (),
    ) -> Response:
        """Return `items` of `model` in any form; as JSON in a `page` (with its `next`) or as a plain list."""
        if self.tabular:
            return self.sheet(Sheet(pa.schema(columns_of(model, groups)), rows_of(items)), cursor)
        if page is not None:
            return self.json(page(items=items, next=cursor), cursor)
        body = TypeAdapter(list[model]).dump_json(list(items))  # type: ignore[valid-type]  # the model is a value here
        return Response(body, headers=self._headers(cursor), media_type=JSON)

    def _headers(self, cursor: str | None) -> dict[str, str]:
        headers = {"Vary": "Accept"}
        if cursor is not None:
            target = self.url.include_query_params(cursor=cursor)
            headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
        return headers


async def _listing(request: Request) -> Listing:
    return Listing(negotiate(request.headers.get("accept", "")), request.url)


AsListing = Annotated[Listing, Depends(_listing)]
"""The dependency of every list."""
