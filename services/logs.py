"""Logging: one line per event that matters, none per message; readable on a terminal, JSON elsewhere.

Every line has `timestamp`, `level`, `logger`, `process` and `event`; further keys say what it is about, as `source`.
What repeats is told a few times a minute, then counted: a later line has the count as `repeated`. Kinds are told apart
by logger and wording, not by what is put into it, so that a flood with ever new names is one kind.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

Format = Literal["auto", "json", "text"]
VARIABLE = "LINESIDE_LOG_FORMAT"
"""Tells workers what their supervisor was told."""
WINDOW_S = 60.0
IN_WINDOW = 5
"""Lines of one kind that are told within `WINDOW_S`."""
MIN_WORDING = 20
"""Characters."""
KINDS = 500
"""Kinds that are remembered."""

_PUT_IN = re.compile(r"%[-+# 0-9.]*[a-zA-Z]")


def set_up_logging(process: str, wanted: str = "") -> None:
    """Send everything from INFO up to standard error, as `wanted`, or as this process's own start was told.

    `auto`: text on a terminal, else JSON, one object a line.
    """
    wanted = wanted or os.environ.get(VARIABLE, "auto")
    os.environ[VARIABLE] = wanted
    as_json = not sys.stderr.isatty() if wanted == "auto" else wanted == "json"

    def name_process(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["process"] = process
        event.pop("color_message", None)  # uvicorn's, for terminals
        return event

    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        name_process,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,  # never with locals: they hold secrets
            )
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    repetition = Repetition()
    handler.addFilter(repetition)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("amqtt", "transitions", "uvicorn.access", "aiomqtt", "mqtt"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    repetition.tell_now_and_then()


@dataclass(slots=True)
class _Kind:
    since: float
    told: int = 0
    withheld: int = 0


class Repetition(logging.Filter):
    """Lets through `IN_WINDOW` lines of a kind in `WINDOW_S`, and counts what it withholds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: OrderedDict[tuple[str, int, str], _Kind] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line goes out; the first after a pause says what was withheld before."""
        key, now = (record.name, record.levelno, _wording(record)), self._clock()
        with self._lock:
            kind = self._kinds.setdefault(key, _Kind(now))
            self._kinds.move_to_end(key)
            if len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)
            if now - kind.since >= WINDOW_S:
                if kind.withheld:
                    record.repeated = kind.withheld
                self._kinds[key] = kind = _Kind(now)
            kind.told += 1
            if kind.told <= IN_WINDOW:
                return True
            kind.withheld += 1
            return False

    def tell(self, *, all_of_it: bool = False) -> None:
        """Log what was withheld of kinds whose time is over, or of all."""
        with self._lock:
            now = self._clock()
            over = [
                (key, kind.withheld)
                for key, kind in self._kinds.items()
                if kind.withheld and (all_of_it or now - kind.since >= WINDOW_S)
            ]
            for key, _ in over:
                del self._kinds[key]
        for (name, level, wording), withheld in over:
            logging.getLogger(name).log(
                level, "repeated, and not told each time: %s", wording, extra={"repeated": withheld}
            )

    def tell_now_and_then(self) -> None:
        """Do so for ever, and at the end of the process."""
        atexit.register(self.tell, all_of_it=True)

        def run() -> None:
            while True:
                time.sleep(WINDOW_S / 4)
                self.tell()

        threading.Thread(target=run, name="log", daemon=True).start()


def _wording(record: logging.LogRecord) -> str:
    """Return what tells kinds apart: the text without what is put into it, unless nearly all of it is put in."""
    text = str(record.msg)
    return text if len(_PUT_IN.sub("", text)) >= MIN_WORDING else record.getMessage()
