"""The data folder: who works in it, and whether what it holds was written by a version that this one understands."""

from __future__ import annotations

from collections.abc import Iterator

from edge.collector_status import read_status, status_path
from edge.findings import Finding
from edge.journal import JournalError
from edge.journal_reader import JournalReader
from services.config import Config
from services.errors import OperatorError
from services.layout import DataLayout
from services.locks import in_use
from services.plants import read_plant
from services.state import PipelineState

ABOUT = "data"


def check_data(config: Config) -> Iterator[Finding]:
    """Yield the state of the folder and of each file in it that has a version."""
    layout = DataLayout(config.data)
    if not config.data.is_dir():
        yield Finding("fine", ABOUT, f"{config.data} is not there yet: a first start makes it")
        return
    running = in_use(config.data)
    yield Finding("fine", ABOUT, f"{'a Lineside works' if running else 'no Lineside works'} in {config.data}")
    try:
        if layout.journal.exists():
            with JournalReader.open(layout.journal):
                yield Finding("fine", ABOUT, f"{layout.journal.name} can be read")
    except JournalError as error:
        yield Finding("wrong", ABOUT, str(error), "keep the file; docs/guides tell how to salvage or restore")
    try:
        if layout.state.exists():
            cursor = PipelineState.load(layout.state, config, read_plant(config)).cursor
            yield Finding("fine", ABOUT, f"{layout.state.name} can be read; it stands at message {cursor:,}")
    except OperatorError as error:
        yield Finding("wrong", ABOUT, str(error))
    status = read_status(status_path(layout.journal)) if running else None
    if status is not None and status.stopped_reason:
        yield Finding(
            "wrong", ABOUT, f"the collector acknowledges nothing: {status.stopped_reason}", "remove the cause"
        )
    if status is not None and status.dropped_qos0:
        what = f"the collector dropped {status.dropped_qos0:,} messages of QoS 0 since it started"
        yield Finding("warning", ABOUT, what, "let the devices publish with QoS 1")
