"""Shapes of the account on the wire, and of how the collector is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.schemas import Account, Model


class SourceAccount(Account):
    """The account of one source."""

    source: str


class CollectorOut(Model):
    """How the collector is, which receives and keeps what comes."""

    state: Literal["receiving", "stopped", "disconnected", "gone"] = Field(
        description="stopped: nothing is acknowledged, and the broker keeps what comes; gone: it does not say how it is"
    )
    since: datetime | None = Field(description="since when, as far as that is known")
    reason: str = Field(description="what is wrong, with numbers; empty when it is receiving")
    dropped_qos0: int = Field(description="messages of QoS 0 that were dropped since it started")
    journal_bytes: int = Field(description="what counts against journal.max_bytes")


class AccountingOut(Model):
    """The whole account, one consistent snapshot, and the collector beside it."""

    at: datetime | None
    total: Account
    sources: list[SourceAccount]
    collector: CollectorOut | None = Field(description="null where there is no collector, or none ever was")
