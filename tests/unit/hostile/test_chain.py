"""Hostile but decodable values from bytes to stored rows: nothing stops, and a neighbour is judged as without them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.curves import CurveReader
from services.store.protocol import Filters
from tests.fuzz.mutate import LABELS, mutate
from tests.unit.edge.sources.samples import EVENT, STATE_2, STATE_3

from .chain import CELL, MAX_SAMPLES, NOW_NS, Chain, message, packed, weld

DAY_NS = 86_400 * 10**9
VALUES = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, 1e-38, 3.4e38, -3.4e38, 1e20, -1e5, 9.0]
CURVES: list[dict[str, Any]] = [
    *(
        {"current_ka": packed([a] * n), "voltage_v": packed([b] * n)}
        for a, b in itertools.product(VALUES, VALUES)
        for n in (1, 50)
    ),
    *({"current_ka": None, "voltage_v": packed([b] * 100)} for b in VALUES),
    *(
        {"current_ka": packed([9.0] * 99 + [a]), "voltage_v": packed([b] + [1.4] * 99)}
        for a, b in itertools.product(VALUES, VALUES[::2])
    ),
    *({"force_kn": packed([a] * 150), "displacement_mm": packed([b] * 150)} for a, b in itertools.pairwise(VALUES)),
    *(
        {"current_ka": packed([9.0] * MAX_SAMPLES), "voltage_v": packed([1.4] * MAX_SAMPLES), "dt_us": dt_us}
        for dt_us in (1, 1000, 1_000_000)
    ),
    *({"wear_count": n} for n in (0, 1, 2**31, 2**53, 2**63 - 1, 0, 2**63 - 1, 5)),
    *({"time": time} for time in (NOW_NS + 300 * 10**9, NOW_NS - 366 * DAY_NS, 0, -(2**63), 2**63 - 1)),
    *({"dt_us": dt_us} for dt_us in (1, 1_000_000)),
    *({"historical": True, "time": NOW_NS - 300 * DAY_NS},),
]


def hostile(n: int, changes: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a weld of the neighbour's very programme, on a spot and a gun of its own."""
    return {**weld(n, rng, id=f"x{n}", spot="X", gun="GX", body="BX"), **changes}


def normal(rng: np.random.Generator, n: int) -> list[dict[str, Any]]:
    """Return the neighbour's welds: a programme of its own, so that nothing that is learnt in common touches it."""
    return [weld(k, rng, program="8") for k in range(n)]


def test_no_value_of_a_curve_stops_the_line_or_touches_a_neighbour(tmp_path: Path) -> None:
    for name in ("alone", "beside"):
        (tmp_path / name).mkdir()
    alone, beside = Chain(tmp_path / "alone"), Chain(tmp_path / "beside")
    good = normal(np.random.default_rng(1), 30)
    rng = np.random.default_rng(2)
    bad = [hostile(n, changes, rng) for n, changes in enumerate(CURVES)]
    share = -(-len(bad) // len(good))
    for k, one in enumerate(good):
        alone.send(message(one))
        mine = bad[k * share : (k + 1) * share]
        beside.send(message(*mine[: share // 2], one, *mine[share // 2 :]))
    assert beside.stored("S1") == alone.stored("S1")
    assert {row["verdict"] for row in alone.stored("S1")} >= {"ok"}
    rejected = [row for row in beside.rejects() if row["path"] != "$.time"]
    assert not rejected
    assert len(beside.rejects()) == 3  # the times that no clock shows: the others lie at the very bounds
    beside.restart()
    one, other = weld(99, np.random.default_rng(3), program="8"), hostile(10**6, {}, rng)
    alone.send(message(one))
    beside.send(message(other, one))
    assert beside.stored("S1") == alone.stored("S1")
    _check_rows(beside)


def _check_rows(chain: Chain) -> None:
    """What was stored can be read by whoever asks: no infinity, every curve that is kept, as long as it came."""
    for row in chain.stored("X"):
        assert row["verdict"] in {"ok", "defect", "unjudged"}
        assert all(np.isfinite(value) for value in row.values() if isinstance(value, float)), row
    reader = CurveReader(chain.data / "curves", chain.archive)
    for ordinal in range(1, chain.state.next_ordinal):
        curve = reader.curve(ordinal)
        assert curve is not None
        assert len(curve.voltage_v) == len(curve.current_ka) > 0


NO_NAMES = [".", "..", "\0", "a\nb", "\t=1", "\r=1", "\ud800", "\udfff\ud800", "x" * 10_000, "\x7f", "\x85"]
NAMES = [label for label in LABELS if label and label not in NO_NAMES]


@pytest.mark.parametrize("field", ["id", "spot", "gun", "body", "program"])
def test_a_name_is_a_name_whatever_it_looks_like(field: str, tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    rng = np.random.default_rng(1)
    chain.send(message(*(weld(n, rng, **{field: name}) for n, name in enumerate(NAMES))))
    kept = chain.store.welds(Filters(), 1000).to_pylist()
    column = "weld_id" if field == "id" else field
    assert sorted(row[column] for row in kept) == sorted(NAMES)
    assert not chain.rejects()
    assert {path.name for path in tmp_path.iterdir()} <= {"store.duckdb", "store.duckdb.wal", "curves", "models"}
    chain.restart()
    again = chain.send(message(*(weld(n, rng, **{field: name}) for n, name in enumerate(NAMES))))
    assert not len(again.welds)
    assert not again.rejects  # all are known: a name comes back from the snapshot as it went in


@pytest.mark.parametrize("label", NO_NAMES)
def test_what_is_no_name_is_refused_by_its_field(label: str, tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    one = {**weld(1, np.random.default_rng(1)), "current_ka": [9.0], "voltage_v": [1.4], "spot": label}
    chain.send((f"{CELL}/weld", json.dumps(one).encode()))  # Python's own lets lone surrogates through
    [reject] = chain.rejects()
    assert reject["path"] in {"$.spot", "$"}  # a lone surrogate is no JSON at all
    assert len(reject["came"]) <= 160


def test_any_mixture_of_messages_is_stored_and_accounted_for(tmp_path: Path) -> None:
    chain = Chain(tmp_path)

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(KINDS, st.randoms(use_true_random=False)), min_size=1, max_size=6))
    def send(mixture: list[tuple[str, Random]]) -> None:
        chain.send(*(_mutated(kind, random) for kind, random in mixture))  # which checks the account

    send()


KINDS = st.sampled_from(["weld", "event", "agv2", "agv3"])


def _mutated(kind: str, random: Random) -> tuple[str, bytes]:
    stamp = {"timestamp": "2026-09-21T13:00:00Z"}
    rng = np.random.default_rng(random.randrange(2**32))
    topic, sample = {
        "weld": (f"{CELL}/weld", weld(random.randrange(1000), rng)),
        "event": (f"{CELL}/event", {**EVENT, "time": NOW_NS}),
        "agv2": ("uagv/v2/KIT/AGV-7/state", {**STATE_2, **stamp}),
        "agv3": ("vda5050/v3/KIT/AGV-7/state", {**STATE_3, **stamp}),
    }[kind]
    return topic, mutate(msgspec.msgpack.encode(sample), random)
