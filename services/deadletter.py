"""The bytes of messages that could not be taken, one file per message, within a bound: the oldest go first."""

from __future__ import annotations

from pathlib import Path

from services.files import replace_file


class DeadLetters:
    """A folder of rejected payloads, named by the message's journal sequence number."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes = sum(path.stat().st_size for path in folder.glob("*.bin"))

    def keep(self, seq: int, payload: bytes) -> None:
        """Keep the payload of message `seq`; keeping it again changes nothing."""
        path = self._folder / f"{seq:015d}.bin"
        if path.exists():
            return
        replace_file(path, lambda fresh: fresh.write_bytes(payload))
        self._bytes += len(payload)
        if self._bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        for path in sorted(self._folder.glob("*.bin"))[:-1]:
            if self._bytes <= self._max_bytes:
                return
            self._bytes -= path.stat().st_size
            path.unlink()


def read_dead_letter(folder: Path, seq: int) -> bytes | None:
    """Return the payload of message `seq`, or None when it is not, or no longer, kept."""
    try:
        return (folder / f"{seq:015d}.bin").read_bytes()
    except FileNotFoundError:
        return None
