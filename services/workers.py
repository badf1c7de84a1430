"""The entry of every worker process: `python -m services.workers ROLE`, started by `services.supervisor`."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
import threading

from edge.journal import JournalError
from edge.settings import SettingsError
from services.errors import OperatorError
from services.logs import set_up_logging
from services.supervisor import GIVE_UP


def main() -> None:
    """Run the role named on the command line with the job on standard input, until that ends or SIGTERM comes."""
    role = sys.argv[1]
    set_up_logging()
    log = logging.getLogger(f"lineside.{role}")
    job = sys.stdin.buffer.readline()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave_with_supervisor() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=leave_with_supervisor, daemon=True).start()
    try:
        importlib.import_module(f"services.roles.{role}").run(job, stop, log)
    except (SettingsError, JournalError, OperatorError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        sys.exit(GIVE_UP)


if __name__ == "__main__":
    main()
