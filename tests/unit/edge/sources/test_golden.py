"""Recorded messages and what they decode to: `tests/data/sources/*.json`.

Each file holds the messages of one case, and under `decoded` everything that comes of them. When a change of the
output is wanted, change the file by hand: it is the record of what integrators rely on.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.sources import Decoded, decode
from edge.sources.clock import parse_rfc3339

from .samples import LIMITS, message

CASES = sorted((Path(__file__).resolve().parents[3] / "data/sources").glob("*.json"))


def plain(decoded: Decoded) -> dict[str, Any]:
    """Return what was decoded as JSON holds it; a sample that is no number is null."""
    welds = decoded.welds
    found: dict[str, Any] = {"welds": [], "events": [], "agvs": [], "rejects": [], "ignored": []}
    for k in range(len(welds)):
        one = welds.take(k, k + 1)
        weld = {name: getattr(one, name)[0] for name in ("id", "spot", "gun", "body", "program")}
        weld |= {name: getattr(one, name).tolist()[0] for name in ("time_ns", "dt_us", "wear_count", "historical")}
        for name in ("current_ka", "voltage_v", "force_kn", "displacement_mm"):
            weld[name] = [round(x, 4) if math.isfinite(x) else None for x in getattr(one, name).tolist()]
        weld |= {"seq": int(decoded.weld_seq[k]), "item": int(decoded.weld_item[k]), "source": decoded.weld_source[k]}
        found["welds"].append(weld)
    for event in decoded.events:
        found["events"].append(dataclasses.asdict(event))
    for agv in decoded.agvs:
        told = {name: value for name, value in dataclasses.asdict(agv.update).items() if value is not None}
        found["agvs"].append({"seq": agv.seq, "item": agv.item, "source": agv.source, "update": told})
    for reject in decoded.rejects:
        found["rejects"].append({"seq": reject.seq, "source": reject.source, "reason": reject.reject.reason})
    found["ignored"] = decoded.ignored
    as_json: dict[str, Any] = json.loads(msgspec.json.encode({name: value for name, value in found.items() if value}))
    return as_json


def test_there_are_cases() -> None:
    assert len(CASES) >= 6


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_recorded_case_decodes_as_recorded(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    messages = []
    for seq, sent in enumerate(case["messages"], start=1):
        payload = bytes.fromhex(sent["hex"]) if "hex" in sent else sent["text"].encode()
        messages.append(message(sent["topic"], payload, seq=seq, received_ns=parse_rfc3339(sent["received"])))
    assert plain(decode(messages, LIMITS)) == case["decoded"]
