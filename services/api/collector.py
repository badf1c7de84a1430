"""How the collector is, from the file that it writes once a second."""

from __future__ import annotations

from edge.collector_status import CollectorStatus
from services.api.schemas_account import CollectorOut
from services.times import utc

GONE_NS = 10 * 10**9
"""A status older than this was the collector's last."""


def collector_out(status: CollectorStatus | None, now_ns: int) -> CollectorOut | None:
    """Return how the collector is, the gravest thing first; None when it has never said."""
    if status is None:
        return None
    since_ns: int | None = None
    if now_ns - status.at_ns > GONE_NS:
        state, since_ns, reason = "gone", status.at_ns, "the collector has not said how it is since then"
    elif status.stopped_since_ns is not None:
        state, since_ns, reason = "stopped", status.stopped_since_ns, status.stopped_reason
    elif status.connected_since_ns is None:
        state, reason = "disconnected", status.last_error
    else:
        state, since_ns, reason = "receiving", status.connected_since_ns, ""
    return CollectorOut.model_validate(
        {
            "state": state,
            "since": utc(since_ns) if since_ns is not None else None,
            "reason": reason,
            "dropped_qos0": status.dropped_qos0,
            "journal_bytes": status.journal_bytes,
        }
    )
