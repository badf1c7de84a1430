"""Change points of what is stored: counted by the store, found by `models.changes`, said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.changes.causes import REACH_NS, Cause, Happening, Happenings
from models.changes.search import mean_changes, rate_changes
from models.changes.units import Change, Unit
from models.welds.drift import WATCHED
from models.welds.explain import NAMES
from services.api import steps
from services.api.context import Context
from services.api.problems import ProblemError
from services.api.schemas_spc import ChangeCause, ChangeOut
from services.api.steps import Span
from services.store.protocol import Filters
from services.times import utc

UNIT = ("cell", "gun", "spot", "program")
MAX_VALUES = 2_000_000
"""Units times buckets that are searched: what takes a second or two."""
MAX_EVENTS = 20_000
MAX_SPOTS = 20
LIKELY = 0.1
"""An event is named in the sentence when one lies so close by chance in less than one case of ten."""
_KINDS = {
    "cap_change": "cap change", "tip_dress": "tip dress", "program_change": "programme change",
    "maintenance": "maintenance", "sheet_change": "new batch of sheet", "reference_reset": "reference reset",
    "reference_pin": "reference pin", "reference_unpin": "reference unpin", "spot_exclude": "exclusion of a spot",
    "spot_include": "inclusion of a spot", "model_activate": "change of model", "model_retire": "change of model",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Grid:
    """Which unit and bucket each row of a store's answer belongs to."""

    units: list[Unit]
    unit: NDArray[np.int64]
    bucket: NDArray[np.int64]
    edges_ns: NDArray[np.int64]

    def lay_out(self, values: NDArray[np.float64], empty: float = 0.0) -> NDArray[np.float64]:
        """Return values of the rows as (units, buckets)."""
        out = np.full((len(self.units), len(self.edges_ns) - 1), empty)
        out[self.unit, self.bucket] = values
        return out


def find_changes(ctx: Context, filters: Filters, span: Span, only: str, feature: str) -> list[ChangeOut]:
    """Return the changes within a span, those of the rate first, each kind by its evidence.

    Raises `ProblemError` when there is too much to search.
    """
    filters = replace(filters, since_ns=span.since_ns, until_ns=span.until_ns)
    step_ns = steps.default_step(span).ns
    found: list[Change] = []
    units: list[Unit] = []
    if only != "feature" and not feature:
        table = ctx.store.tally(filters, UNIT, step_ns)
        grid = _grid(table, step_ns, span)
        defect, ok = (grid.lay_out(table[name].to_numpy().astype(np.float64)) for name in ("defect", "ok"))
        # Until its first good weld a unit learns what is normal: nothing else is judged then but what is grossly bad.
        defect *= np.cumsum(ok, axis=1) > 0
        found += rate_changes(grid.units, grid.edges_ns, defect, defect + ok)
        units = grid.units
    moved: list[Change] = []
    if only != "defect_rate":
        for name in (feature,) if feature else WATCHED:
            table = ctx.store.means(filters, name, UNIT, step_ns)
            grid = _grid(table, step_ns, span)
            means, n = table["mean"].to_numpy(), table["n"].to_numpy().astype(np.float64)
            moved += mean_changes(grid.units, grid.edges_ns, grid.lay_out(means, np.nan), grid.lay_out(n), name)
            units = grid.units if len(grid.units) > len(units) else units
    happenings = _happenings(ctx, filters, span) if found or moved else Happenings([], (0, 0))
    answer = [_answer(ctx, change, [], units, happenings) for change in found]
    return answer + [_answer(ctx, change, also, units, happenings) for change, also in _together(moved)]


def _grid(table: pa.Table, step_ns: int, span: Span) -> _Grid:
    first_ns = span.since_ns // step_ns * step_ns
    edges = np.arange(first_ns, span.until_ns + step_ns, step_ns, dtype=np.int64)
    if not len(table):
        return _Grid([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), edges)
    unit, first = np.zeros(len(table), dtype=np.int64), np.zeros(0, dtype=np.int64)
    for name in UNIT:
        column = table[name].combine_chunks().dictionary_encode()
        codes = unit * len(column.dictionary) + np.asarray(column.indices, dtype=np.int64)
        _, first, unit = np.unique(codes, return_index=True, return_inverse=True)
    values = len(first) * (len(edges) - 1)
    if values > MAX_VALUES:
        detail = f"{values} values would be searched; expected at most {MAX_VALUES}: narrow the place"
        raise ProblemError(400, detail, expected=f"at most {MAX_VALUES} values")
    units = [Unit(**row) for row in table.select(UNIT).take(pa.array(first)).to_pylist()]
    bucket = (table["bucket_ns"].to_numpy() - first_ns) // step_ns
    return _Grid(units, unit, bucket, edges)


def _happenings(ctx: Context, filters: Filters, span: Span) -> Happenings:
    # What names no gun or spot concerns them all the same: only the place is asked for.
    since_ns = max(0, span.since_ns - REACH_NS)
    wanted = Filters(filters.site, filters.area, since_ns=since_ns, until_ns=span.until_ns)
    rows = ctx.store.events(wanted, MAX_EVENTS).to_pylist()
    names = ("kind", "time_ns", "cell", "gun", "spot", "program", "note")
    events = (Happening(row["event_id"], *(row[name] for name in names)) for row in rows)
    return Happenings(events, (since_ns, span.until_ns))


def _together(moved: Sequence[Change]) -> list[tuple[Change, list[str]]]:
    """Put changes of several features of one group at one time together, under the one with the most evidence."""
    heads: list[tuple[Change, list[str]]] = []
    for change in sorted(moved, key=lambda change: -change.evidence):
        for head, also in heads:
            same = (head.level, head.name) == (change.level, change.name)
            if same and head.earliest_ns <= change.latest_ns and change.earliest_ns <= head.latest_ns:
                if change.feature not in {head.feature, *also}:
                    also.append(change.feature)
                break
        else:
            heads.append((change, []))
    return heads


def _answer(ctx: Context, change: Change, also: list[str], units: Sequence[Unit], happenings: Happenings) -> ChangeOut:
    group = [unit for unit in units if unit.name(change.level) == change.name]
    likely = happenings.causes(change, group)
    spots = list(dict.fromkeys(unit.spot for unit in change.members))
    return ChangeOut(
        kind="defect_rate" if change.kind == "defect_rate" else "feature",
        by=change.level,  # type: ignore[arg-type]  # one of LEVELS; pydantic checks it
        name=change.name,
        feature=change.feature,
        also=also,
        time=utc(change.time_ns),
        earliest=utc(change.earliest_ns),
        latest=utc(change.latest_ns),
        before=change.before,
        after=change.after,
        change=change.after - change.before,
        low=change.low,
        high=change.high,
        share=change.share,
        evidence=change.evidence,
        spots=spots[:MAX_SPOTS],
        spots_changed=len(spots),
        causes=[_cause(cause) for cause in likely],
        sentence=_sentence(change, also, len(spots), likely, ZoneInfo(ctx.plant.timezone)),
    )


def _cause(cause: Cause) -> ChangeCause:
    event = cause.happening
    return ChangeCause(
        event=event.id,
        kind=event.kind,
        time=utc(event.time_ns),
        gun=event.gun,
        spot=event.spot,
        program=event.program,
        note=event.note,
        lead_s=cause.lead_ns / 1e9,
        chance=cause.chance,
    )


def _sentence(change: Change, also: Sequence[str], spots: int, likely: Sequence[Cause], zone: ZoneInfo) -> str:
    where = {"plant": "the whole plant", "program": "programme"}.get(change.level, change.level)
    name = f"{where} {change.name}".strip()
    went = "rose" if change.after > change.before else "fell"
    when = f"at {_clock(change.time_ns, zone)} ({_clock(change.earliest_ns, zone)} to {_clock(change.latest_ns, zone)})"
    if change.kind == "defect_rate":
        text = f"The defect rate of {name} {went} from {change.before:.2%} to {change.after:.2%} {when}"
        if change.share is not None and change.level != "plant":
            fewer = "additional" if change.after > change.before else "missing"
            text += f"; that is {change.share:.0%} of the plant's {fewer} defects since then"
    else:
        half = (change.high - change.low) / 2
        size = abs(change.after - change.before)
        text = f"{NAMES[change.feature][0]} of {name} {went} by {size:.1f} ± {half:.1f} σ {when}"
        if also:
            text += f", and with it {', '.join(NAMES[name][0] for name in also)}"
    if spots and change.level != "spot":
        text += f"; {spots} spots show it by themselves"
    if likely and likely[0].chance <= LIKELY:
        minutes = likely[0].lead_ns / 60e9
        near = f"{minutes:.0f} min after" if minutes >= 0.5 else "at the time of"
        text += f"; {near} {_what(likely[0].happening)}"
    return f"{text}."


def _what(event: Happening) -> str:
    of = next((f" of {what} {name}" for what, name in (("gun", event.gun), ("spot", event.spot)) if name), "")
    return f"a {_KINDS[event.kind]}{of}" + (f" (“{event.note}”)" if event.note else "")


def _clock(time_ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, zone).strftime("%d %b %H:%M")
