"""What every store can do. Both backends pass the one contract suite in `tests/`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from services.errors import OperatorError
from services.store import schema


class StoreError(OperatorError):
    """The store did not take or give the data; the same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows; empty means all. `since_ns` is inclusive, `until_ns` exclusive."""

    site: str = ""
    area: str = ""
    line: str = ""
    cell: str = ""
    gun: str = ""
    spot: str = ""
    program: str = ""
    cause: str = ""
    verdict: str = ""
    body: str = ""
    kind: str = ""
    """Of events; welds, bodies and spots have none."""
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that follows from the journal up to `cursor`, to be made durable as one.

    Committing the same again changes nothing: rows are keyed (see `schema`), totals are absolute, and bodies, AGVs and
    sources of a commit whose cursor is before the newest are passed over, as what is there follows from more.
    """

    cursor: int
    """Journal sequence number up to which everything is in this or an earlier commit."""
    welds: pa.Table = field(default_factory=schema.WELD.empty_table)
    bodies: pa.Table = field(default_factory=schema.BODY.empty_table)
    spots: pa.Table = field(default_factory=schema.SPOT_STATE.empty_table)
    agvs: pa.Table = field(default_factory=schema.AGV.empty_table)
    events: pa.Table = field(default_factory=schema.EVENT.empty_table)
    rejects: pa.Table = field(default_factory=schema.REJECT.empty_table)
    sources: pa.Table = field(default_factory=schema.SOURCE.empty_table)
    """The account of every source that changed, as one consistent snapshot."""
    sources_at_ns: int = 0
    """When the account was taken."""


class Store(Protocol):
    """Results, written by one pipeline and read by any number of servers. Methods are safe to call from any thread."""

    def commit(self, commit: Commit) -> None:
        """Make a commit durable. Raises `StoreError`; then nothing or part is written, and a retry completes it."""

    def cursor(self) -> int:
        """Return the newest committed cursor, 0 when nothing was committed."""

    def welds(
        self,
        filters: Filters,
        limit: int,
        before: tuple[int, int] | None = None,
        columns: pa.Schema = schema.WELD,
    ) -> pa.Table:
        """Return up to `limit` rows of `schema.WELD`, newest first by (time_ns, ordinal), those before `before`.

        With `columns`, some of that schema, only these.
        """

    def weld(self, weld_id: str) -> pa.Table:
        """Return the one row of `schema.WELD` with that id (the newest, should there be several), or none."""

    def welds_of(self, weld_ids: Collection[str]) -> pa.Table:
        """Return rows of `schema.WELD_IN_SHORT` with these ids, of several with one id the newest; in no order."""

    def tally(self, filters: Filters, by: tuple[str, ...] = (), bucket_ns: int = 0) -> pa.Table:
        """Count welds by verdict.

        Columns: the `by` columns (of `schema.TALLY_GROUPS`), `bucket_ns` (int64, start of the bucket, multiples of
        `bucket_ns` since 1970 UTC) when `bucket_ns` > 0, then `ok`, `defect`, `unjudged` (int64). Groups without a
        weld are absent; without `by` and bucket there is always one row. Sorted by bucket, then by the groups.
        """

    def means(self, filters: Filters, feature: str, by: tuple[str, ...], bucket_ns: int) -> pa.Table:
        """Average a feature over the welds that have it, whatever their verdict.

        Columns: the `by` columns (of `schema.MEAN_GROUPS`), `bucket_ns` as in a tally, `n` (int64, welds) and `mean`
        (float64). Of the filters only place and time apply. Groups without such a weld are absent. Sorted as a tally.
        """

    def bodies(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return up to `limit` rows of `schema.BODY`, newest first by (first_ns, body), those before `before`.

        Of the filters only `body`, `verdict`, `since_ns` and `until_ns` (on first_ns) apply.
        """

    def body_tally(self, since_ns: int | None, until_ns: int | None) -> tuple[int, int, int]:
        """Count complete bodies by verdict: (ok, defect, unjudged), by first_ns."""

    def spots(self, filters: Filters) -> pa.Table:
        """Return the latest state of every (spot, program), rows of `schema.SPOT_STATE`, sorted by both."""

    def agvs(self) -> pa.Table:
        """Return the latest state of every AGV, rows of `schema.AGV`, sorted by agv."""

    def events(self, filters: Filters, limit: int, before: tuple[int, str] | None = None) -> pa.Table:
        """Return up to `limit` rows of `schema.EVENT`, newest first by (time_ns, event_id), those before `before`."""

    def rejects(self, source: str, limit: int, before: tuple[int, int] | None = None) -> pa.Table:
        """Return up to `limit` rows of `schema.REJECT`, newest first by (seq, item); `source` "" means all."""

    def sources(self) -> tuple[int, pa.Table]:
        """Return the newest account: when it was taken (ns), and rows of `schema.SOURCE`, sorted by source."""

    def memory_bytes(self) -> int:
        """Return what the store holds of this process's memory, 0 when its data are another process's affair."""

    def hold(self) -> None:
        """Put all that was committed into the file and leave that as it is until `let_go`; raises `StoreError`.

        For a backup, which another process copies from it. Commits go on; a store without a file does nothing.
        """

    def let_go(self) -> None:
        """End `hold`, if it was begun."""

    def close(self) -> None:
        """Let go of files and connections."""
