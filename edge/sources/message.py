"""One message as it was received, and the bounds within which messages are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message out of the journal."""

    seq: int
    """Journal sequence number."""
    topic: str
    payload: bytes
    received_ns: int
    """When the collector received it, ns since 1970 UTC. Source times are checked against this, never against the
    clock, so that a replay decodes the same."""
    items: int
    """What `edge.sources.envelope.count_items` said of the payload: by this number the message counts in the
    account."""
    crowded: bool = False
    """Its source was new when there were already as many sources as are taken: it counts under `edge.topics.CROWDED`,
    and none of its items is taken."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is accepted; `services.config.Judge` says what each is for."""

    max_age_days: int
    max_ahead_s: int
    max_payload_bytes: int
    max_samples: int
    """Per curve."""
    max_sources: int = 5000
    """Only told: the collector counts them."""
