"""The plain way in Python: paho's callback, json, numpy per weld, `Point` objects written one batch a second.

Twelve features and two fixed limits; no references, no account, no memory of what was there: a crash loses what is in
the list, and a message is acknowledged before it is stored. That is what it is compared as.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

import msgspec
import numpy as np
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

TOPIC = "lineside/v1/bench/+/+/+/weld"


def judge(weld: dict[str, Any]) -> Point:
    """Return one weld's point."""
    dt_ms = weld["dt_us"] / 1000

    def curve(name: str) -> np.ndarray:
        values = weld[name]
        return np.frombuffer(values, dtype="<f4") if isinstance(values, bytes) else np.array(values)

    current, voltage = curve("current_ka"), curve("voltage_v")
    on = current > 0.15 * current.max()
    amps, volts = current[on], voltage[on]
    resistance = 1000 * volts / amps
    alpha = int(np.argmin(resistance[:30]))
    beta = alpha + int(np.argmax(resistance[alpha:]))
    features = {
        "weld_time_ms": float(on.sum() * dt_ms),
        "current_rms_ka": float(np.sqrt(np.mean(amps**2))),
        "voltage_rms_v": float(np.sqrt(np.mean(volts**2))),
        "energy_j": float(np.sum(amps * volts) * dt_ms),
        "charge_c": float(np.sum(amps) * dt_ms),
        "r_alpha_uohm": float(resistance[alpha]),
        "r_beta_uohm": float(resistance[beta]),
        "t_beta_ms": float(beta * dt_ms),
        "r_mean_uohm": float(np.mean(resistance)),
        "r_end_uohm": float(np.mean(resistance[-10:])),
        "step_uohm": float(np.max(resistance[:-4] - resistance[4:])),
        "force_mean_kn": float(np.mean(curve("force_kn"))) if "force_kn" in weld else 0.0,
    }
    good = features["r_end_uohm"] < 400 and features["step_uohm"] < 80
    point = Point("plain").tag("spot", weld["spot"]).tag("program", weld["program"]).tag("gun", weld["gun"])
    point = point.tag("verdict", "ok" if good else "defect").field("weld_id", weld["id"]).field("body", weld["body"])
    for name, value in features.items():
        point = point.field(name, value)
    return point.time(weld["time"], WritePrecision.NS)


def main(port: int, url: str, org: str, bucket: str) -> None:
    """Take messages until killed."""
    points: list[Point] = []
    lock = threading.Lock()

    def on_message(_client: Client, _data: object, message: Any) -> None:
        payload = message.payload
        read = json.loads(payload) if payload[:1] in b"{[" else msgspec.msgpack.decode(payload)
        for weld in read if isinstance(read, list) else [read]:
            point = judge(weld)
            with lock:
                points.append(point)

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(TOPIC, qos=1)
    client.loop_start()
    with InfluxDBClient(url, os.environ["INFLUX_TOKEN"], org=org) as influx:
        write = influx.write_api(write_options=SYNCHRONOUS)
        while True:
            time.sleep(1)
            with lock:
                due, points[:] = list(points), []
            if due:
                write.write(bucket, org, due)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
