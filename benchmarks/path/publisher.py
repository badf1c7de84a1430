"""A device: publishes payloads with QoS 1 as fast as the broker takes them. A process of its own, not measured.

python -m benchmarks.path.publisher PORT FILE     (a MessagePack list of payloads)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.path.load import TOPIC

UNDER_WAY = 500


def main(port: int, file: Path) -> None:
    """Publish everything, then leave."""
    payloads = msgspec.msgpack.decode(file.read_bytes(), type=list[bytes])
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(UNDER_WAY)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = []
    for payload in payloads:
        sent.append(client.publish(TOPIC, payload, qos=1))
        while len(sent) > 2 * UNDER_WAY:
            sent[0].wait_for_publish(60)
            del sent[:UNDER_WAY]
    for info in sent:
        info.wait_for_publish(60)
    client.disconnect()
    time.sleep(0.1)
    client.loop_stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
