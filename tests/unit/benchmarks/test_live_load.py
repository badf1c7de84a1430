"""What the pacer sends is what a controller would send: each round new welds, none twice, none rejected."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.live.load import Renewed, make_patterns, read_patterns, write_patterns
from edge.simulator.settings import SimulatorSettings
from edge.sources import Limits, Message, decode

LIMITS = Limits(max_age_days=366, max_ahead_s=300, max_payload_bytes=2**26, max_samples=20_000)
NOW_NS = 1_790_000_000 * 10**9


@pytest.mark.parametrize("size", [1, 20])
def test_every_round_is_new_and_is_taken(tmp_path, size: int) -> None:
    made = make_patterns(SimulatorSettings(), size, welds=120)
    write_patterns(tmp_path / "patterns", made)
    load = Renewed(read_patterns(tmp_path / "patterns"))
    sent = [load.message(number, NOW_NS + 10**8 * number) for number in range(2 * len(made))]
    messages = [
        Message(number + 1, topic, payload, NOW_NS + 10**8 * number, welds)
        for number, (topic, payload, welds) in enumerate(sent)
    ]
    decoded = decode(messages, LIMITS)
    assert not decoded.rejects
    assert sum(welds for _, _, welds in sent) == 240
    welds = [weld for _, payload, _ in sent for weld in _listed(msgspec.msgpack.decode(payload))]
    assert len({weld["id"] for weld in welds}) == 240
    half = len(welds) // 2
    assert not {weld["body"] for weld in welds[:half]} & {weld["body"] for weld in welds[half:]}
    by_spot: dict[str, list[int]] = {}
    for weld in welds:
        by_spot.setdefault(weld["spot"], []).append(weld["time"])
    assert all(times == sorted(set(times)) for times in by_spot.values())


def _listed(value):
    return value if isinstance(value, list) else [value]
