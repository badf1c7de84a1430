"""The entry of every worker process: `python -m services.workers ROLE`, started by `services.supervisor`."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
import threading

from edge.journal import JournalError
from edge.settings import SettingsError
from services.errors import OperatorError
from services.logs import set_up_logging
from services.supervisor import GIVE_UP

GC_OBJECTS = 100_000
"""New objects after which reference cycles are looked for: a batch makes tens of thousands, none in a cycle, and at
Python's 700 a third of the time of decoding goes into looking."""


def main() -> None:
    """Run the role named on the command line with the job on standard input, until that ends or SIGTERM comes."""
    role = sys.argv[1]
    gc.set_threshold(GC_OBJECTS)
    set_up_logging(role)
    log = logging.getLogger(f"lineside.{role}")
    job = sys.stdin.buffer.readline()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave_with_supervisor() -> None:
        # Not through `sys.stdin`: a thread that waits in its buffer makes Python abort when the process ends by itself,
        # and the supervisor would then start again what had given up.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop.set()

    threading.Thread(target=leave_with_supervisor, daemon=True).start()
    try:
        importlib.import_module(f"services.roles.{role}").run(job, stop, log)
    except (SettingsError, JournalError, OperatorError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        sys.exit(GIVE_UP)


if __name__ == "__main__":
    main()
