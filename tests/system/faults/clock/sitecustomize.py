"""Python's clock, off by what a file says: put on the path of a process, this is found and run by its interpreter.

Debian's libfaketime 0.9.10 would be the real thing, but makes absolute `clock_nanosleep` fail with EINVAL, which
`time.sleep` of Python 3.11 calls: threads of the process under test died of it. Time stamps of Lineside come from
these two functions alone; waiting goes by the monotonic clock, which no step of the clock moves.
"""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["FAULTS_CLOCK"])
_real_ns = time.time_ns


def _off_s() -> int:
    try:
        return int(_FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):  # it is being written
        return 0


time.time_ns = lambda: _real_ns() + _off_s() * 10**9
time.time = lambda: time.time_ns() / 1e9
