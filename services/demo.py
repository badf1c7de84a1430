"""`lineside demo`: a broker, a simulated plant with a past shift, and everything that watches it, on one machine."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from edge.broker_trouble import diagnose
from edge.mqtt import new_client
from edge.settings import SettingsError
from edge.simulator.settings import SimulatorSettings
from services.broker_access import broker_settings
from services.brokers import LOOPBACK
from services.config import Api, Broker, Config
from services.jobs import BrokerJob, SimulatorJob, worker
from services.locks import DataLock
from services.logs import set_up_logging
from services.sockets import listen
from services.supervisor import Supervisor

HOUR_NS = 3600 * 10**9
MQTT_PORT = 1883
WAIT_S = 20.0
"""For the broker and the page to come up."""
LINE_S = 1.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked for on the command line."""

    data: Path
    port: int = 8800
    hours: float = 1.0
    """Past production that is pushed through at first."""
    speed: float = 1.0
    broker: Broker | None = None
    """A running broker, or None: start one."""


def run_demo(options: DemoOptions, console: Console, stop: threading.Event) -> None:
    """Run until `stop` is set. Raises `SettingsError` or `WorkerFailedError` with one line for the user."""
    with DataLock(options.data):
        listen(LOOPBACK, options.port).close()  # a taken port is said before anything is started
        plant_file, simulator = _simulated_plant(options)
        log_file = options.data / "demo.log"
        set_up_logging("supervisor", "text")
        with Supervisor(logging.getLogger("lineside.demo"), log_file) as group:
            broker = _start_broker(options, group)
            config = Config(
                data_dir=str(options.data),
                plant=str(plant_file),
                broker=broker,
                api=Api(host=LOOPBACK, port=options.port),
            )
            group.start(worker("collector", config))
            group.start(worker("server", config))
            _wait_for(LOOPBACK, options.port, "the page", log_file, group, stop)
            since_ns = _since(options)
            progress_file = options.data / "simulator.until"
            group.start(
                worker(
                    "simulator", SimulatorJob(simulator, broker, since_ns=since_ns, progress_file=str(progress_file))
                )
            )
            console.print(f"Lineside is up: [bold]http://{LOOPBACK}:{options.port}[/bold]   (Ctrl-C stops it)")
            address = broker_settings(broker, "").address
            console.print(f"Broker for your own sensors: {address}   Log: {log_file}")
            with Reporter(config, console, since_ns) as reporter:
                while not stop.wait(LINE_S):
                    group.check()
                    reporter.line()
            console.print("Stopping …")


def _simulated_plant(options: DemoOptions) -> tuple[Path, SimulatorSettings]:
    settings = SimulatorSettings(speed=options.speed)
    folder = options.data / "plant"
    if not (folder / "plant.toml").exists():
        from edge.simulator.plant import write_plant  # noqa: PLC0415 - heavy, and only a first start needs it

        write_plant(settings, folder)
    return folder / "plant.toml", settings


def _start_broker(options: DemoOptions, group: Supervisor) -> Broker:
    if options.broker is not None:
        if why := diagnose(broker_settings(options.broker, "")):
            raise SettingsError(why)
        return options.broker
    port = _free_port(MQTT_PORT)
    group.start(worker("broker", BrokerJob(port=port, folder=str(options.data / "broker"))))
    _wait_for(LOOPBACK, port, "the broker", options.data / "demo.log", group, threading.Event())
    return Broker(host=LOOPBACK, port=port)


def _free_port(wish: int) -> int:
    """Return the wished-for port when it is free, else any."""
    for port in (wish, 0):
        try:
            with listen(LOOPBACK, port) as listener:
                return int(listener.getsockname()[1])
        except SettingsError:
            continue
    raise SettingsError(f"no port is free on {LOOPBACK}")


def _wait_for(host: str, port: int, what: str, log_file: Path, group: Supervisor, stop: threading.Event) -> None:
    limit = time.monotonic() + WAIT_S
    while time.monotonic() < limit and not stop.is_set():
        group.check()
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    if not stop.is_set():
        raise SettingsError(f"{what} did not come up within {WAIT_S:.0f} s; {log_file} says why")


def _since(options: DemoOptions) -> int:
    """Return where the past begins: where the last run stopped, or `hours` ago, whichever is later."""
    begin = time.time_ns() - int(options.hours * HOUR_NS)
    try:
        return max(begin, int((options.data / "simulator.until").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return begin


class Reporter(AbstractContextManager["Reporter"]):
    """A progress bar while the past is filled in, then a line a second of what is happening."""

    def __init__(self, config: Config, console: Console, since_ns: int) -> None:
        self._console = console
        self._since_ns = since_ns
        self._lock = threading.Lock()
        self._pipeline: dict[str, object] = {}
        self._counts = {"ok": 0, "defect": 0, "unjudged": 0}
        self._last_defect = ""
        self._vehicles: set[str] = set()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._client = new_client(broker_settings(config.broker, "demo"), logging.getLogger("lineside.demo"))
        self._client.on_message = lambda _client, _data, message: self._take(message.topic, bytes(message.payload))
        self._client.on_connect = self._subscribe
        self._client.connect_async(config.broker.host, config.broker.port)

    def __enter__(self) -> Reporter:
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()
        self._client.disable_logger()  # its loop complains of the very disconnect that it is told
        self._client.disconnect()
        self._client.loop_stop()

    def line(self) -> None:
        """Print what happened since the last call."""
        with self._lock:
            state, counts, vehicles = dict(self._pipeline), dict(self._counts), len(self._vehicles)
            self._counts = dict.fromkeys(self._counts, 0)
        if not state:
            return
        if state["historical"]:
            self._bar(state)
            return
        self._end_bar()
        judged = sum(counts.values())
        self._console.print(
            f"{time.strftime('%H:%M:%S')}  {judged:4d} welds judged  {counts['defect']} defect  "
            f"{counts['unjudged']} unjudged  {vehicles} AGVs  {state['pending']} pending"
            + (f"  last defect: {self._last_defect}" if self._last_defect else ""),
            highlight=False,
            soft_wrap=True,
        )

    def _subscribe(self, *_: object) -> None:
        self._client.subscribe([("lineside/v1/+/+/+/+/verdict", 0), ("lineside/v1/+/+/+/+/status", 0)])

    def _take(self, topic: str, payload: bytes) -> None:
        message = json.loads(payload)
        with self._lock:
            if topic.endswith("/verdict"):
                for item in message:
                    self._counts[item["verdict"]] += 1
                    if item["verdict"] == "defect":
                        self._last_defect = f"{item['spot']} {item['cause']}"
            elif message["kind"] == "pipeline":
                self._pipeline = message
            elif message["kind"] == "agvs":
                self._vehicles.update(item["id"] for item in message["items"])

    def _bar(self, state: dict[str, object]) -> None:
        if self._progress is None:
            columns = (TextColumn("filling in the past"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
            rate = TextColumn("{task.fields[rate]:,.0f} welds/s")
            self._progress = Progress(*columns, rate, TimeRemainingColumn(), console=self._console)
            self._progress.start()
            self._task = self._progress.add_task("fill", total=1.0, rate=0.0)
        if self._task is not None and state["judged_until"]:
            until = datetime.fromisoformat(str(state["judged_until"])).timestamp()
            since = self._since_ns / 1e9
            done = (until - since) / max(time.time() - since, 1.0)
            self._progress.update(self._task, completed=min(max(done, 0.0), 1.0), rate=state["welds_per_s"])

    def _end_bar(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
