"""Every decoder under its name, with what to begin from: the golden cases and the tests' own samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from services.api.cursors import encode_cursor
from tests.fuzz import properties
from tests.fuzz.mutate import LABELS, TIMES, encode
from tests.fuzz.properties import Property
from tests.unit.edge.sources.samples import EVENT, STATE_2, STATE_3, WELD, raw

CASES = Path(__file__).resolve().parents[1] / "data/sources"


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder, and payloads that it takes."""

    check: Property
    seeds: Sequence[bytes]
    whole: bool = False
    """The payload is text or a file that a change in JSON's terms would make no sense of."""


def _golden(word: str) -> list[bytes]:
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CASES.glob(f"{word}*.json"))]
    sent = [message for case in cases for message in case["messages"]]
    return [bytes.fromhex(each["hex"]) if "hex" in each else each["text"].encode() for each in sent]


def _both(*messages: object) -> list[bytes]:
    return [encode(message, packed=packed) for message in messages for packed in (False, True)]


_CURVES = {**WELD, "current_ka": raw(7.5, 8, 8.5), "voltage_v": raw(1.5, 1.25, 1), "force_kn": raw(3, 3, 3)}
_INSPECTION = {"weld": "w1", "result": "stick", "nugget_mm": 3.1, "time": "2026-03-01T12:00:00Z", "by": "A"}
_SETTINGS = "[broker]\nport = 1884\n[judge]\nlearn_n = 9\nmax_samples = 7\n[archive]\ngood_share = 0.5\n"
_SPOTS = "spot,cell,gun,program,stack,x_mm,y_mm,z_mm\ns1,C03,g1,12,a/b,1,2,3\n"

TARGETS: dict[str, Target] = {
    "weld": Target(properties.weld, [*_golden("weld"), *_both(WELD, [WELD, WELD]), encode(_CURVES, packed=True)]),
    "event": Target(properties.event, [*_golden("event"), *_both(EVENT, [EVENT, EVENT])]),
    "vehicle": Target(properties.vehicle, [*_golden("vda"), *_both(STATE_2, STATE_3)]),
    "topic": Target(
        properties.topic, [b"ulm/body/FR1/C03/weld", b"KIT/AGV-7/state", b"weld", b"a/b//c", b"(journal)"], whole=True
    ),
    "inspections": Target(
        properties.inspections,
        [*_both(_INSPECTION, [_INSPECTION])[::2], b'weld,result,nugget_mm,note\nw1,stick,3.1,x\nw2,ok,,"a,b"\n'],
    ),
    "cursor": Target(
        properties.cursor,
        [encode_cursor("welds", (1, 2)).encode(), encode_cursor("bodies", (1, "b")).encode()],
        whole=True,
    ),
    "query": Target(
        properties.query,
        [
            text.encode("utf-8", "replace")
            for text in (*LABELS, *TIMES, "-8h", "-888888h", "now", "15m", "line,cell", "body")
        ],
        whole=True,
    ),
    "settings": Target(properties.settings, [_SETTINGS.encode(), properties.PLANT.encode()], whole=True),
    "spots": Target(properties.spots, [_SPOTS.encode(), _SPOTS.replace(",", ";").encode()], whole=True),
    "parquet": Target(properties.parquet, [properties.a_parquet()], whole=True),
    "model": Target(properties.model, [properties.a_model()], whole=True),
    "snapshot": Target(properties.snapshot, [properties.a_snapshot()], whole=True),
}
assert all(msgspec.json.decode(seed) for seed in _both(WELD)[::2])
