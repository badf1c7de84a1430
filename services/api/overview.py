"""The `rate` and `sources` messages of the live feed, read from the store once for all browsers."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import TypeAdapter

from services.api.collector import collector_out
from services.api.context import Context
from services.api.schemas import SourceOut
from services.api.wire import rates_of, source_out, total_of
from services.store.protocol import Filters
from services.times import rfc3339

WITHOUT_CALENDAR_NS = 8 * 3600 * 10**9
_SOURCES = TypeAdapter(list[SourceOut])


def rate_message(ctx: Context) -> str:
    """Return the rate of the running shift, or of the last 8 h, per line and on both levels. Raises `StoreError`."""
    now_ns = ctx.clock()
    shift = ctx.running_shift()
    since_ns, until_ns = (shift.start_ns, shift.end_ns) if shift else (now_ns - WITHOUT_CALENDAR_NS, now_ns)
    # Without a shift nothing is cut off at the end: a source's clock may be a little ahead of ours.
    filters = Filters(since_ns=since_ns, until_ns=until_ns if shift else None)
    rows = ctx.store.tally(filters, ("line",)).to_pylist()
    bodies = ctx.store.body_tally(filters.since_ns, filters.until_ns)
    counts: dict[str, list[int]] = {name: [row[name] for row in rows] for name in ("ok", "defect", "unjudged")}
    lines: list[dict[str, Any]] = [
        {"group": {"line": row["line"]}, **rate} for row, rate in zip(rows, rates_of(*counts.values()), strict=True)
    ]
    message = {
        "type": "rate",
        "since": rfc3339(since_ns),
        "until": rfc3339(until_ns),
        "welds": rates_of(*(sum(column) for column in counts.values()))[0],
        "lines": lines,
        "bodies": rates_of(*bodies)[0],
    }
    return msgspec.json.encode(message).decode()


def sources_message(ctx: Context) -> str:
    """Return every source, the total of the account and how the collector is. Raises `StoreError`."""
    _, table = ctx.store.sources()
    now_ns = ctx.clock()
    items = _SOURCES.dump_json([source_out(row, now_ns) for row in table.to_pylist()]).decode()
    collector = collector_out(ctx.evidence.collector(), now_ns)
    told = collector.model_dump_json() if collector else "null"
    return f'{{"type":"sources","items":{items},"account":{total_of(table).model_dump_json()},"collector":{told}}}'
