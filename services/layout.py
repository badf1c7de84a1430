"""Where things lie in a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataLayout:
    """The paths inside one data folder."""

    root: Path

    @property
    def journal(self) -> Path:
        """The durable queue (SQLite)."""
        return self.root / "journal.sqlite"

    @property
    def cursor(self) -> Path:
        """Up to where the collector may trim the journal."""
        return self.root / "journal.cursor"

    @property
    def state(self) -> Path:
        """The pipeline's snapshot."""
        return self.root / "state.npz"

    @property
    def store(self) -> Path:
        """The embedded store (DuckDB)."""
        return self.root / "lineside.duckdb"

    @property
    def curves(self) -> Path:
        """The curve archive."""
        return self.root / "curves"

    @property
    def models(self) -> Path:
        """Models learnt from labels, and their cards."""
        return self.root / "models"

    @property
    def rejects(self) -> Path:
        """Payloads that could not be taken."""
        return self.root / "rejects"
