"""One process group per data folder."""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO

from edge.settings import SettingsError


class DataLock(AbstractContextManager["DataLock"]):
    """Makes sure that one process group works in a data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file: IO[bytes] | None = None

    def __enter__(self) -> DataLock:
        self._data.mkdir(parents=True, exist_ok=True)
        self._file = (self._data / "lock").open("wb")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise SettingsError(
                f"another Lineside works in {self._data}; stop it, or choose a folder with --data"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def in_use(data: Path) -> bool:
    """Tell whether a Lineside works in a data folder now."""
    try:
        with (data / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there is no folder, or no lock in it yet
    return False
