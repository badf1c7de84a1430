"""The collector as a process of its own, and a look at what it has kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edge.collector_status import CollectorStatus, read_status, status_path
from edge.journal import JournalMissing, JournalReader
from edge.sources.message import Message
from tests.running import wait_until

SCRIPT = """
import json, logging, signal, sys, threading
from pathlib import Path
from edge.collector import CollectorSettings, run_collector
from edge.mqtt import BrokerSettings
job = json.loads(sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
settings = CollectorSettings(
    BrokerSettings(**job["broker"]), Path(job["journal"]), Path(job["cursor"]), job["max_bytes"], job["min_free_bytes"]
)
run_collector(settings, stop, logging.getLogger("lineside.collector"))
"""


class Collector:
    """Start it, kill it, stop it, start it again."""

    def __init__(
        self, folder: Path, port: int, *, max_bytes: int = 2**30, log: Path | None = None, **broker: str
    ) -> None:
        """`log` must lie elsewhere when the disk of `folder` is to be filled."""
        self.journal, self.cursor = folder / "journal.sqlite", folder / "journal.cursor"
        self._log = log or folder.parent / f"{folder.name}.log"
        settings = {
            "broker": {"host": "127.0.0.1", "port": port, "client_id": "test-collector", **broker},
            "journal": str(self.journal),
            "cursor": str(self.cursor),
            "max_bytes": max_bytes,
            "min_free_bytes": 0,
        }
        self._command = [sys.executable, "-c", SCRIPT, json.dumps(settings)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, connected: bool = True) -> None:
        assert self._process is None
        lines = self.log().count("connected to")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        if connected:
            wait_until(lambda: self.log().count("connected to") > lines, 10, "connecting")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    def stop(self) -> int:
        """Ask it to leave, as a service manager would; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(5)
        self._process = None
        return status

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def status(self) -> CollectorStatus | None:
        return read_status(status_path(self.journal))

    def messages(self, after: int = 0) -> list[Message]:
        """Return everything in the journal above `after`; nothing when there is no journal yet."""
        try:
            with JournalReader.open(self.journal) as reader:
                found: list[Message] = []
                while batch := reader.read(found[-1].seq if found else after, 1000, 2**24):
                    found += batch
                return found
        except JournalMissing:
            return []

    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.messages()]

    def trim_to(self, cursor: int) -> None:
        """Say, as the pipeline does, that everything up to `cursor` is taken."""
        fresh = self.cursor.with_name("journal.cursor.new")
        fresh.write_text(f"{cursor}\n", encoding="ascii")
        fresh.replace(self.cursor)
