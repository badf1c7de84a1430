"""Devices: publish packed welds at a steady rate with QoS 1, a process of its own.

python -m benchmarks.live.pacer PORT FILE WELDS_PER_S SECONDS [FIRST]

FIRST is the number of the first message, so that a second run sends new ids. Prints one JSON object at the end. When
the broker does not take the messages in time they go out late, and the object says by how much.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.live.load import Renewed, read_patterns

UNDER_WAY = 100
"""Messages sent before the first must be acknowledged."""
PATIENCE_S = 60


def main(port: int, file: Path, welds_per_s: float, seconds: float, first: int) -> None:
    """Publish, then say what was sent."""
    load = Renewed(read_patterns(file))
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(UNDER_WAY)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent: deque[MQTTMessageInfo] = deque()
    number, welds, latest_s = first, 0, 0.0
    start = time.monotonic()
    while (due_s := welds / welds_per_s) < seconds:
        early_s = due_s - (time.monotonic() - start)
        if early_s > 0:
            time.sleep(early_s)
        latest_s = max(latest_s, -early_s)
        topic, payload, n = load.message(number, time.time_ns())
        sent.append(client.publish(topic, payload, qos=1))
        number, welds = number + 1, welds + n
        while len(sent) > UNDER_WAY:
            sent.popleft().wait_for_publish(PATIENCE_S)
    for info in sent:
        info.wait_for_publish(PATIENCE_S)
    took_s = time.monotonic() - start
    client.disconnect()
    client.loop_stop()
    print(
        json.dumps(
            {
                "welds": welds,
                "messages": number - first,
                "next": number,
                "seconds": took_s,
                "latest_s": latest_s,
                "cpu_s": time.process_time(),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), int((sys.argv[5:] or ["0"])[0]))
