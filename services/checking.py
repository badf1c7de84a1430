"""What `lineside check` tells an integrator: what is accepted, and what is wrong with the rest."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from pathlib import Path

from rich.console import Console

from edge.broker_trouble import diagnose
from edge.mqtt import BrokerSettings, new_client
from edge.settings import SettingsError
from edge.sources import Message, decode
from edge.sources.envelope import count_items
from edge.topics import is_own_output
from services.config import Config
from services.message_limits import message_limits

WAIT_S = 30.0
"""Without a message for this long, live checking ends."""


def check_file(topic: str, file: Path, *, as_json: bool) -> bool:
    """Check one payload; return whether all of it was accepted."""
    return _check(topic, file.read_bytes(), as_json=as_json)


def check_live(topic: str, broker: BrokerSettings, count: int, stop: threading.Event, *, as_json: bool) -> bool:
    """Check up to `count` messages as they come; return whether all were accepted. Raises `SettingsError`."""
    if why := diagnose(broker):
        raise SettingsError(why)
    messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
    client = new_client(broker, logging.getLogger("lineside.check"))
    client.on_message = lambda _client, _data, message: messages.put((message.topic, bytes(message.payload)))

    def subscribe(*_: object) -> None:
        client.subscribe(topic, 0)

    client.on_connect = subscribe
    client.connect_async(broker.host, broker.port)
    client.loop_start()
    good, seen = True, 0
    limit = time.monotonic() + WAIT_S
    try:
        while seen < count and not stop.is_set():
            try:
                name, payload = messages.get(timeout=0.2)
            except queue.Empty:
                if time.monotonic() > limit:
                    raise SettingsError(f"no message came on {topic!r} within {WAIT_S:.0f} s") from None
                continue
            if is_own_output(name):
                continue
            seen, limit = seen + 1, time.monotonic() + WAIT_S
            good = _check(name, payload, as_json=as_json) and good
    finally:
        client.disconnect()
        client.loop_stop()
    return good


def _check(topic: str, payload: bytes, *, as_json: bool) -> bool:
    items = count_items(payload)
    decoded = decode([Message(1, topic, payload, time.time_ns(), items)], message_limits(Config()))
    rejects = [reject.reject for reject in decoded.rejects]
    if as_json:
        found = [{"item": r.item, "path": r.path, "came": r.came, "expected": r.expected} for r in rejects]
        print(json.dumps({"topic": topic, "bytes": len(payload), "items": items, "rejects": found}))  # noqa: T201
        return not rejects
    console = Console(highlight=False, soft_wrap=True)
    accepted = items - len(rejects)
    console.print(
        f"{topic}: {len(payload)} bytes, {items} item(s), {accepted} accepted, {len(rejects)} rejected", markup=False
    )
    for reject in rejects:
        console.print(f"  {reject.reason}", markup=False)
    return not rejects
