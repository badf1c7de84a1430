"""Single welds whose way through the system is timed: each carries in its id when it was published.

A probe is a weld in which no current flowed: a defect on any spot, so that it shows in the page's list of defects.
"""

from __future__ import annotations

import random
import re
import threading
import time

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.live.plant import SETTINGS
from edge.simulator.layout import build_layout
from edge.topics import ROOT, Place

PROBE = re.compile(r"probe-(\d+)-\d+")
_IN_VERDICT = re.compile(rb'"id":"(probe-\d+-\d+)"')
SAMPLES, DT_US = 100, 2000
SEED = 5
PROGRAM = "probe"
NO_CURRENT = bytes(4 * SAMPLES)


def published_ns(probe: str) -> int:
    """Return when a probe was published, ns since 1970 UTC."""
    found = PROBE.fullmatch(probe)
    assert found is not None
    return int(found[1])


class Probe:
    """Publishes probes at random moments, and hears their verdicts and the pipeline's status. A context."""

    def __init__(self, port: int, every_s: float) -> None:
        """Two probes are `every_s` apart on average, never in step with anything that has a period."""
        layout = build_layout(SETTINGS)
        place = Place(SETTINGS.site, SETTINGS.area, layout.cell_line[0], layout.cell[0])
        self._every_s = every_s
        spots = [k for k, gun in enumerate(layout.gun_of_spot) if layout.cell_of_gun[gun] == 0 and layout.listed[k]]
        self._welds = [(layout.spot[k], layout.gun[layout.gun_of_spot[k]]) for k in spots]
        self._topic = place.topic("weld")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="probe", daemon=True)
        self.sent: list[str] = []
        self.verdicts: dict[str, int] = {}
        """Probe -> when its verdict was heard on the verdict topic, ns since 1970 UTC."""
        self.status: dict[str, object] = {}
        """The pipeline's newest status message."""
        # A connection of its own, as a device has: on one that also acknowledges, TCP would hold a weld back for up to
        # 40 ms, until the broker's side has confirmed the acknowledgement before it.
        self._device = Client(CallbackAPIVersion.VERSION2)
        self._device.connect("127.0.0.1", port)
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(place.topic("verdict"), 1), (f"{ROOT}/{SETTINGS.site}/_/_/_/status", 1)]
        )
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Probe:
        for client in (self._client, self._device):
            client.loop_start()
        if self._every_s:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for client in (self._device, self._client):
            client.disconnect()
            client.loop_stop()

    def stop(self) -> None:
        """Publish no more; verdicts are still heard."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _publish(self) -> None:
        rng = random.Random(SEED)
        while not self._stop.wait(rng.uniform(0.5, 1.5) * self._every_s):
            spot, gun = rng.choice(self._welds)
            weld = {"spot": spot, "gun": gun, "body": "probe", "program": PROGRAM, "dt_us": DT_US}
            curves = {"current_ka": NO_CURRENT, "voltage_v": NO_CURRENT}
            now_ns = time.time_ns()
            name = f"probe-{now_ns}-{len(self.sent)}"
            payload = msgspec.msgpack.encode({"id": name, "time": now_ns, **weld, **curves})
            self.sent.append(name)
            self._device.publish(self._topic, payload, qos=1)

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic.endswith("/verdict"):
            now_ns = time.time_ns()
            for found in _IN_VERDICT.findall(message.payload):
                self.verdicts.setdefault(found.decode(), now_ns)
            return
        status = msgspec.json.decode(message.payload)
        if status.get("kind") == "pipeline":
            self.status = status
