"""The processes of Lineside, one role each: `python -m services.workers ROLE`, started by `services.supervisor`.

collector  broker -> journal                    simulator  a body shop without hardware
pipeline   journal -> store, archive, feed      broker     the demo's own broker
server     pipeline and web server in one process, for the embedded store
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.collector import CollectorSettings, run_collector
from edge.journal import JournalError
from edge.mqtt import BrokerSettings
from edge.settings import SettingsError
from edge.simulator.publisher import run_simulator
from edge.simulator.settings import SimulatorSettings
from services.brokers import BrokerJob, run_broker
from services.config import Broker, Config
from services.curves import CurveReader
from services.errors import OperatorError
from services.evidence_files import FolderEvidence
from services.feed import MqttFeed
from services.layout import DataLayout
from services.logs import set_up_logging
from services.pipeline import Pipeline
from services.serving import read_plant, serve
from services.store import open_store
from services.supervisor import GIVE_UP, Worker


class SimulatorJob(msgspec.Struct, frozen=True):
    """What the simulator is to do."""

    settings: SimulatorSettings
    broker: Broker
    since_ns: int | None
    """Where the past begins that is pushed through first; None: live at once."""
    progress_file: str
    """Where it notes up to when it has published, for the next start."""


def broker_settings(broker: Broker, role: str) -> BrokerSettings:
    """Return how one role connects: each under its own, stable client id."""
    return BrokerSettings(
        host=broker.host,
        port=broker.port,
        client_id=f"{broker.client_id}-{role}",
        username=broker.username,
        password=broker.password,
        ca_file=broker.ca_file,
        cert_file=broker.cert_file,
        key_file=broker.key_file,
    )


def run_collector_role(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Receive into the journal."""
    config = msgspec.json.decode(job, type=Config)
    layout = DataLayout(config.data)
    settings = CollectorSettings(
        broker=broker_settings(config.broker, "collector"),
        journal_path=layout.journal,
        cursor_path=layout.cursor,
        max_bytes=config.journal.max_bytes,
        min_free_bytes=config.journal.min_free_bytes,
    )
    run_collector(settings, stop, log)


def run_pipeline_role(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Judge what the journal holds."""
    config = msgspec.json.decode(job, type=Config)
    store = open_store(config.store, config.data)
    feed = MqttFeed(broker_settings(config.broker, "pipeline"), log)
    try:
        Pipeline(config, read_plant(config), store, feed, log).run(stop)
    finally:
        feed.close()
        store.close()


def run_server_role(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Judge and answer in one process: DuckDB lets one process hold its file."""
    config = msgspec.json.decode(job, type=Config)
    plant = read_plant(config)
    store = open_store(config.store, config.data)
    feed = MqttFeed(broker_settings(config.broker, "pipeline"), log)
    failure: list[BaseException] = []
    try:
        pipeline = Pipeline(config, plant, store, feed, log)
        curves = CurveReader(DataLayout(config.data).curves, pipeline.archive)
        evidence = FolderEvidence(config.data, curves, pipeline.state.judge, pipeline.lock)

        def judge() -> None:
            try:
                pipeline.run(stop)
            except BaseException as error:  # noqa: BLE001 - whatever it is ends the process, below
                failure.append(error)
                stop.set()

        thread = threading.Thread(target=judge, name="pipeline")
        thread.start()
        try:
            serve(config, plant, store, evidence, stop)
        finally:
            stop.set()
            thread.join()
    finally:
        feed.close()
        store.close()
    if failure:
        raise failure[0]


def run_simulator_role(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Be the body shop."""
    order = msgspec.json.decode(job, type=SimulatorJob)
    progress = Path(order.progress_file)
    asyncio.run(
        run_simulator(
            order.settings,
            order.broker.host,
            order.broker.port,
            since_ns=order.since_ns,
            stop=stop,
            progress=lambda until_ns: progress.write_text(f"{until_ns}\n", encoding="ascii"),
            log=log,
            username=order.broker.username,
            password=order.broker.password,
        )
    )


def run_broker_role(job: bytes, stop: threading.Event, log: logging.Logger) -> None:
    """Be the broker."""
    run_broker(msgspec.json.decode(job, type=BrokerJob), stop, log)


ROLES: dict[str, Callable[[bytes, threading.Event, logging.Logger], None]] = {
    "collector": run_collector_role,
    "pipeline": run_pipeline_role,
    "server": run_server_role,
    "simulator": run_simulator_role,
    "broker": run_broker_role,
}


def worker(role: str, job: msgspec.Struct) -> Worker:
    """Return a worker for the supervisor."""
    return Worker(role, msgspec.json.encode(job))


def main() -> None:
    """Run the role named on the command line with the job on standard input, until that ends or SIGTERM comes."""
    role = sys.argv[1]
    set_up_logging()
    log = logging.getLogger(f"lineside.{role}")
    job = sys.stdin.buffer.readline()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave_with_supervisor() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=leave_with_supervisor, daemon=True).start()
    try:
        ROLES[role](job, stop, log)
    except (SettingsError, JournalError, OperatorError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message says it all
        sys.exit(GIVE_UP)


if __name__ == "__main__":
    main()
