"""What the summary of a soak calls growth."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.live.soak import summarise

MIB = 2**20


def _lines(held_mib_per_h: float) -> list[dict[str, Any]]:
    """Return two hours of samples of a server that takes up to 120 MiB more for a third of the time."""
    draws = random.Random(5)
    lines: list[dict[str, Any]] = [{"pages": 1, "viewers": 19}]
    for k in range(720):
        held = (550 + held_mib_per_h * k / 360 + draws.random()) * MIB
        passing = draws.random() * 120 * MIB if k % 3 == 0 else 0.0
        lines.append(
            {
                "at_s": 10.0 * k,
                "processes": {"server": {"anonymous_bytes": held, "beside_store_bytes": held + passing, "files": 40}},
                "disk_bytes": {},
                "stored": 2000 * k,
                "pending": k % 7,
                "balanced": True,
            }
        )
    return lines


def test_what_is_given_back_is_no_growth() -> None:
    found = summarise(_lines(0.0))
    assert found["verdict"] == "flat"
    memory = found["figures"]["server beside_store_bytes"]
    assert memory["last"] < 552
    assert 650 < memory["most"] < 672
    assert (found["stored_per_s"], found["most_pending"], found["always_balanced"]) == (200.0, 6, True)


def test_what_is_kept_is_growth_however_much_else_comes_and_goes() -> None:
    found = summarise(_lines(20.0))
    assert found["verdict"] == "grows"
    assert 15 < found["figures"]["server beside_store_bytes"]["per_hour"] < 25
