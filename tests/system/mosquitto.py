"""A real mosquitto for tests: started, killed with -9 and started again on the same port, its memory kept."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from services.brokers import find_mosquitto
from tests.running import free_port, wait_until

UP_S = 10.0
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
"""Debian puts mosquitto where only root looks."""

CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_inflight_messages 20000
max_queued_messages 0
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
"""


class Mosquitto:
    """One broker on one port; what it keeps lies in `folder`."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        """`extra` is appended to its configuration."""
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        text = CONF.format(port=self.port, folder=folder) + extra
        if os.geteuid() == 0:
            text += "user root\n"  # else it would become `mosquitto`, which may not write here
        self._conf.write_text(text, encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, or start again, and wait until it answers."""
        mosquitto = find_mosquitto()
        assert mosquitto is not None
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([mosquitto, "-c", str(self._conf)], stdout=log, stderr=log)
        wait_until(self._answers, UP_S, f"the broker's start ({self._log})")

    def kill(self) -> None:
        """Kill it with -9: what is not on its disk is lost."""
        self._end("kill")

    def stop(self) -> None:
        """Let it save and leave."""
        self._end("terminate")

    def _end(self, how: str) -> None:
        if self._process is not None:
            getattr(self._process, how)()
            self._process.wait(UP_S)
            self._process = None

    def settle(self) -> None:
        """Wait until it has nothing left to do: it saves after each change, and has not for half a second."""
        wait_until(lambda: time.time_ns() - self._saved_ns() > 5e8, 30, "the broker's rest")

    def _saved_ns(self) -> int:
        database = self.folder / "mosquitto.db"
        return database.stat().st_mtime_ns if database.exists() else time.time_ns()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8", errors="replace")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Publisher:
    """A device: publishes with QoS 1, reconnects by itself, and knows what the broker has acknowledged."""

    def __init__(self, port: int) -> None:
        self._lock = threading.Lock()
        self._sent: dict[bytes, MQTTMessageInfo] = {}
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(200)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        info = self._client.publish(topic, payload, qos=qos)
        with self._lock:
            self._sent[payload] = info

    def acknowledged(self) -> set[str]:
        """Return the payloads that the broker has taken."""
        with self._lock:
            return {payload.decode() for payload, info in self._sent.items() if info.is_published()}

    def all_acknowledged(self) -> bool:
        with self._lock:
            return all(info.is_published() for info in self._sent.values())

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
