"""`lineside demo` as a user runs it, and with its parts killed under it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from tests.running import Demo, free_port, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
ROLES = {"broker", "collector", "server", "simulator"}


class Watch:
    """Reads the account as often as it can, and remembers each that does not add up."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._stop = threading.Event()
        self.seen: list[dict[str, int]] = []
        self.wrong: list[dict[str, object]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                account = self._demo.get("/accounting")
            except (urllib.error.URLError, OSError):
                continue  # the server itself was killed; it answers again soon
            total = account["total"]
            self.seen.append(total)
            for row in [total, *account["sources"]]:
                parts = row["stored"] + row["rejected"] + row["duplicate"] + row["pending"]
                if row["received"] != parts:
                    self.wrong.append(row)


@pytest.fixture
def demo(tmp_path: Path):
    running = Demo(tmp_path / "data", "--hours", "0.05", "--speed", "2")
    yield running
    running.kill()


def judged(demo: Demo) -> int:
    rate = demo.get("/rate")
    return rate["n"] + rate["unjudged"]


def settled(demo: Demo) -> bool:
    return demo.get("/accounting")["total"]["pending"] < 500


def test_the_account_adds_up_while_each_part_is_killed(demo: Demo) -> None:
    demo.start()
    with Watch(demo) as watch:
        wait_until(lambda: judged(demo) > 3000, 90, "the past")
        for role in ("collector", "server", "mosquitto"):
            before = judged(demo)
            victim = demo.children()[role]
            victim.kill()
            wait_until(lambda victim=victim: not victim.is_running(), 10, f"the end of {role}")
            wait_until(lambda: demo.children().keys() >= ROLES, 30, f"the restart after {role}")
            wait_until(lambda before=before: answers_more_than(demo, before), 60, f"going on after {role}")
        wait_until(lambda: settled(demo), 60, "the queue to drain")
        time.sleep(2)
    assert watch.wrong == []
    assert len(watch.seen) > 50
    total = watch.seen[-1]
    assert total["rejected"] == 0
    assert total["received"] > 5000
    # Stored means in the store: the welds that can be asked for are those that were counted.
    counted = sum(row["stored"] for row in demo.get("/accounting")["sources"] if row["source"].endswith("/weld"))
    assert judged(demo) >= counted - 500
    assert demo.stop() == 0


def answers_more_than(demo: Demo, before: int) -> bool:
    try:
        return judged(demo) > before
    except (urllib.error.URLError, OSError):
        return False


def test_a_second_start_goes_on_where_the_first_stopped(demo: Demo) -> None:
    demo.start()
    wait_until(lambda: judged(demo) > 3000, 90, "the past")
    assert demo.stop() == 0
    demo.start()
    welds = demo.get("/rate")
    assert welds["n"] + welds["unjudged"] > 3000  # before anything new can have come
    wait_until(lambda: settled(demo), 60, "the gap to be filled")
    duplicates = demo.get("/accounting")["total"]["duplicate"]
    assert duplicates < 2000  # only what was under way when it stopped comes twice
    assert demo.stop() == 0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("demo", "--port", str(port), "--data", str(tmp_path / "data"))
    assert (done.returncode, done.stderr) == (
        1,
        f"lineside: port {port} on 127.0.0.1 is taken; choose another with --port\n",
    )


def test_a_broker_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run("demo", "--broker", "mqtt://127.0.0.1:9", "--port", "0", "--data", str(tmp_path / "data"))
    assert done.returncode == 2  # port 0 is bad usage
    done = run("demo", "--broker", "mqtt://127.0.0.1:9", "--data", str(tmp_path / "data"), "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stderr.startswith("lineside: no broker at mqtt://127.0.0.1:9: ")
    assert len(done.stderr.splitlines()) == 1


def test_two_in_one_folder_is_one_line(demo: Demo) -> None:
    demo.start()
    done = run("demo", "--port", str(free_port()), "--data", str(demo.data))
    assert done.returncode == 1
    assert "another Lineside works in" in done.stderr
    assert demo.stop() == 0
