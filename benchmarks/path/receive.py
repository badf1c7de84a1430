"""The floor: paho receives and acknowledges, and nothing else is done. Says every half second how many came.

python receive.py PORT FILE     (the count is written to FILE)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

TOPIC = "lineside/v1/bench/+/+/+/weld"
EVERY_S = 0.5


def main(port: int, file: Path) -> None:
    """Receive until killed."""
    came = 0

    def on_message(_client: Client, _data: object, _message: Any) -> None:
        nonlocal came
        came += 1

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(TOPIC, qos=1)
    client.loop_start()
    while True:
        time.sleep(EVERY_S)
        file.write_text(str(came), encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
