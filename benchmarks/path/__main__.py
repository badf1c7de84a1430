"""`python -m benchmarks.path`: curves per processor second, from message to durable stored verdict."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.machine import describe, wide_console
from benchmarks.path.contenders import Contender, NodeRed, OverDuckDB, OverInfluxDB, Plain, Receiving
from benchmarks.path.load import BATCHED, items, payloads
from benchmarks.path.results import Result, table
from tests.influxd import Influxd, find_influxd
from tests.running import wait_until
from tests.system.mosquitto import Mosquitto

WITHIN_S = 900.0
POLL_S = 0.5
"""Asking costs the one that is asked."""
ENCODINGS = {"packed": True, "JSON": False}


def measure(
    make: Callable[[Path, int], Contender], folder: Path, encoding: str, size: int, warm: int, curves: int
) -> Result:
    """Start a broker and a contender, let it learn, then publish and wait until all is stored."""
    broker = Mosquitto(folder / "broker", "autosave_on_changes false\n")  # the broker is not what is measured
    broker.start()
    contender = make(folder / "contender", broker.port)
    try:
        contender.start()
        source = items(ENCODINGS[encoding])
        first = payloads(source, warm, BATCHED, packed=ENCODINGS[encoding])
        _send(first, folder, broker.port)
        wait_until(lambda: contender.has(warm, len(first)), WITHIN_S, "the warm-up", POLL_S)
        made = payloads(source, curves, size, packed=ENCODINGS[encoding])
        cpu_s, store_cpu_s, started = contender.cpu_s(), contender.store_cpu_s(), time.monotonic()
        _send(made, folder, broker.port)
        wait_until(lambda: contender.has(warm + curves, len(first) + len(made)), WITHIN_S, "the last verdict", POLL_S)
        wall_s = time.monotonic() - started
        cpu_s, store_cpu_s = contender.cpu_s() - cpu_s, contender.store_cpu_s() - store_cpu_s
        return Result(contender.name, encoding, size, curves, cpu_s, store_cpu_s, wall_s)
    finally:
        contender.stop()
        broker.kill()


def _send(made: list[bytes], folder: Path, port: int) -> None:
    file = folder / "payloads.msgpack"
    file.write_bytes(msgspec.msgpack.encode(made))
    subprocess.run([sys.executable, "-m", "benchmarks.path.publisher", str(port), str(file)], check=True)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--warm", type=int, default=30_000, help="curves before anything is measured")
    options.add_argument("--curves", type=int, default=60_000)
    options.add_argument("--only", default="", help="part of a contender's name")
    options.add_argument("--json", type=Path, help="also write the figures here")
    chosen = options.parse_args()
    console = wide_console()
    machine = describe()
    found: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="lineside-bench-") as scratch:
        influxd = Influxd(Path(scratch) / "influxd") if find_influxd() else None
        if influxd:
            influxd.start()
        try:
            for name, make in _contenders(influxd, console).items():
                for encoding, size in (("packed", BATCHED), ("packed", 1), ("JSON", BATCHED), ("JSON", 1)):
                    if chosen.only in name and not (name == NodeRed.name and encoding == "packed"):
                        folder = Path(scratch) / f"{len(found)}"
                        folder.mkdir()
                        found.append(measure(make, folder, encoding, size, chosen.warm, chosen.curves))
                        console.print(asdict(found[-1]))
        finally:
            if influxd:
                influxd.kill()
    for with_store in (True, False):
        console.print(table(found, with_store=with_store))
    if chosen.json:
        written = {"machine": machine, "found": [asdict(one) for one in found]}
        chosen.json.write_text(json.dumps(written, indent=1), encoding="utf-8")


def _contenders(influxd: Influxd | None, console: Console) -> dict[str, Callable[[Path, int], Contender]]:
    found: dict[str, Callable[[Path, int], Contender]] = {OverDuckDB.name: OverDuckDB, Receiving.name: Receiving}
    if influxd is None:
        console.print("no influxd (LINESIDE_INFLUXD): only Lineside over DuckDB is measured")
        return found
    found[OverInfluxDB.name] = lambda folder, port: OverInfluxDB(folder, port, influxd)
    found[Plain.name] = lambda folder, port: Plain(folder, port, influxd)
    why_not = NodeRed.why_not()
    if why_not:
        console.print(f"Node-RED is left out: {why_not}")
    else:
        found[NodeRed.name] = lambda folder, port: NodeRed(folder, port, influxd)
    return found


if __name__ == "__main__":
    main()
