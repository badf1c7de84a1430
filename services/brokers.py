"""The demo's own broker: mosquitto when it is installed, else amqtt in this process. Loopback only."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from edge.settings import SettingsError
from services.jobs import BrokerJob

LOOPBACK = "127.0.0.1"
STOP_S = 5.0
POLL_S = 0.1
PR_SET_PDEATHSIG = 1
CONF = """\
# Written anew at every start of the demo. deploy/mosquitto/mosquitto.conf is the one for production.
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
# What is acknowledged is on disk: the whole (small) state is written after every change.
autosave_on_changes true
autosave_interval 1
# Nothing is dropped for a collector that is away or slow; not 0, see deploy/mosquitto/mosquitto.conf.
max_queued_messages 1000000000
max_inflight_messages 20000
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, or None; Debian puts it where only root looks."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


def run_broker(job: BrokerJob, stop: threading.Event, log: logging.Logger) -> None:
    """Be the broker until `stop` is set. Raises `SettingsError` when it cannot start."""
    mosquitto = find_mosquitto()
    if mosquitto:
        _run_mosquitto(mosquitto, job, stop)
    else:
        log.warning(
            "mosquitto is not installed: using amqtt, for a demo only: what it acknowledges while the collector is "
            "away is lost"
        )
        asyncio.run(_run_amqtt(job, stop))


def _run_mosquitto(mosquitto: str, job: BrokerJob, stop: threading.Event) -> None:
    folder = Path(job.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "mosquitto.conf"
    text = CONF.format(port=job.port, host=LOOPBACK, folder=folder)
    if os.geteuid() == 0:
        text += "user root\n"  # else it would become `mosquitto`, which may not write here
    conf.write_text(text, encoding="utf-8")
    process = subprocess.Popen([mosquitto, "-c", str(conf)], preexec_fn=_die_with_parent)  # noqa: PLW1509 - this worker has no thread that holds a lock
    try:
        while not stop.wait(POLL_S):
            if process.poll() is not None:
                raise RuntimeError(f"mosquitto ended with status {process.returncode}")
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def _run_amqtt(job: BrokerJob, stop: threading.Event) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - a heavy import, needed only without mosquitto
    from amqtt.errors import BrokerError  # noqa: PLC0415

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{job.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise SettingsError(f"the broker cannot listen on {LOOPBACK}:{job.port}: {error}") from None
    await asyncio.to_thread(stop.wait)
    await broker.shutdown()
