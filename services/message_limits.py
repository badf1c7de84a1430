"""The bounds within which messages are read, out of the settings."""

from __future__ import annotations

from edge.sources import Limits
from services.config import Config


def message_limits(config: Config) -> Limits:
    """Return what a message may hold."""
    judge = config.judge
    return Limits(
        max_age_days=judge.max_age_days,
        max_ahead_s=judge.max_ahead_s,
        max_payload_bytes=judge.max_payload_bytes,
        max_samples=judge.max_samples,
        max_sources=config.limits.sources,
    )
