"""The command line: `lineside demo | run | edge | serve | simulate | backtest | train | inspections | check | …`.

Exit status: 0 done, 1 failed, 2 bad usage. Errors are one line on standard error, without a traceback.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from edge.settings import SettingsError
from services import cli_backup, cli_doctor, cli_user
from services.broker_access import broker_at, broker_settings
from services.cli_options import ConfigOption, JsonOption, read_config
from services.config import Broker, Config
from services.errors import OperatorError
from services.layout import DataLayout
from services.supervisor import Supervisor

app = typer.Typer(
    name="lineside",
    help="Watches a car-body plant live: judges every weld as it happens and keeps the evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
studies = typer.Typer(
    name="study", help="Measure on simulated plants what cannot be tried on real ones.", no_args_is_help=True
)
app.add_typer(studies)
app.add_typer(cli_user.users)
app.add_typer(cli_user.tokens)
app.command()(cli_doctor.doctor)
app.command()(cli_backup.backup)
app.command()(cli_backup.restore)
BrokerOption = Annotated[
    str,
    typer.Option(
        help="Another broker than that of the settings, mqtt[s]://host:port; user and certificates stay theirs.",
        show_default=False,
    ),
]
LogFormatOption = Annotated[
    Literal["auto", "json", "text", ""],
    typer.Option(help="auto, json or text, instead of the settings' log.format.", show_default=False, metavar="FORMAT"),
]


def main() -> None:
    """Run the command line; what goes wrong is one line."""
    try:
        app(prog_name="lineside")
    except (SettingsError, OperatorError) as error:
        Console(stderr=True, soft_wrap=True).print(f"lineside: {error}", style="red", highlight=False, markup=False)
        sys.exit(1)


def stop_on_signal() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    return stop


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8800,
    hours: Annotated[float, typer.Option(min=0, max=168, help="Past production to fill in first.")] = 1.0,
    speed: Annotated[
        float, typer.Option(min=0.1, max=60, help="How much faster than 60 bodies an hour the plant runs.")
    ] = 1.0,
    broker: Annotated[str, typer.Option(help="A running broker, mqtt[s]://host:port; without it one is started.")] = "",
    data: Annotated[Path, typer.Option(help="Where everything is kept; a second start goes on from there.")] = Path(
        "data/demo"
    ),
) -> None:
    """Watch a simulated body shop: 3,000 weld spots, 40 guns, 200 AGVs. Nothing leaves this machine."""
    from services.demo import DemoOptions, run_demo  # noqa: PLC0415 - `lineside --help` stays quick

    options = DemoOptions(data, port, hours, speed, _broker_at(broker, None) if broker else None)
    run_demo(options, Console(), stop_on_signal())


@app.command()
def run(config: ConfigOption = None, log_format: LogFormatOption = "") -> None:
    """Run everything on one machine, over the embedded store."""
    settings = read_config(config)
    if settings.store.backend != "duckdb":
        raise SettingsError(
            f"store.backend is {settings.store.backend!r}; `lineside run` works over duckdb. "
            "Over InfluxDB run `lineside edge` and `lineside serve`"
        )
    _supervise(settings, log_format, "collector", "server")


@app.command()
def edge(config: ConfigOption = None, log_format: LogFormatOption = "") -> None:
    """Run the part near the machines, collector and pipeline, writing to InfluxDB."""
    settings = read_config(config)
    _needs_influxdb(settings, "edge")
    _supervise(settings, log_format, "collector", "pipeline")


@app.command()
def serve(config: ConfigOption = None, log_format: LogFormatOption = "") -> None:
    """Run the web server over InfluxDB; curves and references are read from the edge's data folder."""
    from services.evidence_files import FolderEvidence  # noqa: PLC0415
    from services.logs import set_up_logging  # noqa: PLC0415
    from services.plants import read_plant  # noqa: PLC0415
    from services.serving import serve as serve_app  # noqa: PLC0415
    from services.store import open_store  # noqa: PLC0415

    settings = read_config(config)
    _needs_influxdb(settings, "serve")
    set_up_logging("server", log_format or settings.log.format)
    store = open_store(settings.store, settings.data)
    try:
        serve_app(settings, read_plant(settings), store, FolderEvidence(settings.data), stop_on_signal())
    finally:
        store.close()


@app.command()
def simulate(
    broker: BrokerOption = "",
    settings: Annotated[
        Path | None, typer.Option("--settings", help="TOML with the simulated plant; without it the default one.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0, max=168, help="Past production to publish first.")] = 0.0,
    speed: Annotated[float | None, typer.Option(min=0.1, max=60, help="How much faster the plant runs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives another plant's luck.")] = None,
    write_plant: Annotated[
        Path | None, typer.Option("--write-plant", help="Write plant.toml and spots.csv into this folder and stop.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Publish a body shop without hardware: weld curves, events and AGVs; every fault labelled on lineside-truth/v1."""
    from services.logs import set_up_logging  # noqa: PLC0415
    from services.simulating import SimulateOptions, run_simulate  # noqa: PLC0415

    set_up_logging("simulator")
    where = broker_settings(_broker_at(broker, config), "")
    options = SimulateOptions(where, settings, hours, speed, seed, write_plant)
    run_simulate(options, stop_on_signal(), Console())


@app.command()
def backtest(
    file: Annotated[Path, typer.Argument(help="Parquet with one weld a row.", exists=True, dir_okay=False)],
    labels: Annotated[str, typer.Option(help="Column with the truth: ok, or the name of a fault.")] = "",
    learn: Annotated[int, typer.Option(min=8, max=1000, help="Welds of a stream before its reference is used.")] = 20,
    limit: Annotated[
        float, typer.Option(min=0.1, help="Distance from the reference that makes a defect, sigmas.")
    ] = 6.0,
    model: Annotated[
        Path | None, typer.Option(help="Let this model (`lineside train`) judge where it can.", exists=True)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write id, verdict, cause and risk here (Parquet).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge recorded welds by the very code that runs live, in the order of their time."""
    from services.backtesting import print_backtest  # noqa: PLC0415

    print_backtest(file, labels, learn, limit, model, out, as_json=as_json)


@app.command()
def train(
    file: Annotated[
        Path | None, typer.Argument(help="Parquet with one weld a row, as for `backtest`.", exists=True, dir_okay=False)
    ] = None,
    labels: Annotated[str, typer.Option(help="Column with what tests found: ok, or the name of a fault.")] = "",
    url: Annotated[str, typer.Option(help="A running plant instead of a file: its inspections and kept curves.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="Data folder of the plant that is to use the model.", file_okay=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the model and its card into this folder instead.", file_okay=False)
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of good welds that may be called defects.")
    ] = 0.001,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from inspected welds; say how well it does on spots it has not seen. Nothing uses the model yet.

    A file may have a column `family`, by which programmes are learnt apart.
    """
    if (file is None) == (not url):
        raise typer.BadParameter("expected a file or --url, one of them", param_hint="FILE")
    if file is not None and not labels:
        raise typer.BadParameter("a file needs the column with the labels", param_hint="--labels")
    if data is not None and out is not None:
        raise typer.BadParameter("expected --data or --out, not both", param_hint="--out")
    from services.training_run import TrainOrder, run_train  # noqa: PLC0415

    folder = out or DataLayout(data or read_config(config).data).models
    run_train(TrainOrder(file, labels, url, folder, false_alarms), as_json=as_json)


@app.command()
def inspections(
    file: Annotated[Path, typer.Argument(help="CSV: weld,result[,method,nugget_mm,time,by,note].", exists=True)],
    url: Annotated[str, typer.Option(help="The running plant.")] = "http://127.0.0.1:8800",
    as_json: JsonOption = False,
) -> None:
    """Send what destructive or ultrasonic tests found; each line that is not taken is told with its reason."""
    from services.inspection_import import run_import  # noqa: PLC0415

    if not run_import(file, url, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def check(
    topic: Annotated[str, typer.Argument(help="Topic of the message, e.g. lineside/v1/site/area/line/cell/weld.")],
    file: Annotated[
        Path | None, typer.Option(help="A payload in a file; without it messages are read live.", exists=True)
    ] = None,
    broker: BrokerOption = "",
    count: Annotated[int, typer.Option(min=1, help="Stop after this many live messages.")] = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is accepted of your messages, and what is wrong with the rest: which item, which field, why."""
    from services.checking import check_file, check_live  # noqa: PLC0415

    if file is not None:
        good = check_file(topic, file, as_json=as_json)
    else:
        good = check_live(
            topic, broker_settings(_broker_at(broker, config), ""), count, stop_on_signal(), as_json=as_json
        )
    raise typer.Exit(0 if good else 1)


@studies.command()
def monitoring(
    seeds: Annotated[int, typer.Option(min=2, help="Plants of each kind, one after the other.")] = 20,
    hours: Annotated[float, typer.Option(min=1, max=168, help="Production that counts, after two hours.")] = 8.0,
    delay: Annotated[
        float, typer.Option(min=2, max=480, help="Minutes from an alarm until its action is done.")
    ] = 30.0,
    inspect: Annotated[
        float, typer.Option(min=0.5, max=168, help="Hours between two bodies that are taken apart.")
    ] = 4.0,
    plant: Annotated[list[str] | None, typer.Option(help="Only this kind of plant; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report here: Markdown for .md, else JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what monitoring is worth: the same plants with and without acting on alarms, by their true quality."""
    from services.study_plant_run import StudyOptions  # noqa: PLC0415
    from services.study_plants import PLANTS  # noqa: PLC0415
    from services.study_printing import run_monitoring  # noqa: PLC0415

    unknown = [name for name in plant or [] if name not in PLANTS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(PLANTS)}", param_hint="--plant")
    options = StudyOptions(hours=hours, delay_min=delay, inspect_h=inspect)
    run_monitoring(seeds, options, plant or list(PLANTS), out, as_json=as_json)


def _needs_influxdb(settings: Config, command: str) -> None:
    if settings.store.backend != "influxdb":
        raise SettingsError(
            f"store.backend is {settings.store.backend!r}; `lineside {command}` works over influxdb, since an embedded "
            "store belongs to one process. On one machine `lineside run` does all of it"
        )


def _supervise(settings: Config, log_format: str, *roles: str) -> None:
    from services.jobs import worker  # noqa: PLC0415
    from services.locks import DataLock  # noqa: PLC0415
    from services.logs import set_up_logging  # noqa: PLC0415
    from services.sockets import listen  # noqa: PLC0415
    from services.web_access import check_access  # noqa: PLC0415

    set_up_logging("supervisor", log_format or settings.log.format)
    log = logging.getLogger("lineside")
    stop = stop_on_signal()
    with DataLock(settings.data):
        if "server" in roles:
            check_access(settings)
            listen(settings.api.host, settings.api.port).close()
        with Supervisor(log) as group:
            for role in roles:
                group.start(worker(role, settings))
            group.watch(stop)


def _broker_at(url: str, config: Path | None) -> Broker:
    broker = read_config(config).broker
    try:
        return broker_at(url, broker) if url else broker
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from None


if __name__ == "__main__":
    main()
