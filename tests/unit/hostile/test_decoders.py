"""A short round of every fuzz target; `make fuzz` has the long one."""

from __future__ import annotations

import gc
import time
import tracemalloc
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import corrupt, mutate
from tests.fuzz.targets import TARGETS

SLOW = {"settings": 100, "spots": 100, "parquet": 40, "model": 15, "snapshot": 100}
"""Those that go through a file."""


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_taken_or_refused_with_a_reason(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=SLOW.get(name, 250),
        deadline=1000,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(target.seeds), st.randoms(use_true_random=False))
    def check(seed: bytes, random: Random) -> None:
        target.check(corrupt(seed, random) if target.whole else mutate(seed, random))

    check()


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if name not in SLOW])
def test_a_target_takes_its_seeds_and_any_bytes(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.check(seed)

    @settings(max_examples=150, deadline=1000, derandomize=True, database=None)
    @given(st.binary(max_size=200))
    def check(payload: bytes) -> None:
        target.check(payload)

    check()


@pytest.mark.parametrize("name", ["weld", "vehicle"])
def test_memory_does_not_grow(name: str) -> None:
    target, random = TARGETS[name], Random(7)

    def rounds(n: int) -> None:
        for _ in range(n):
            target.check(mutate(random.choice(target.seeds), random))
        gc.collect()

    rounds(40)  # what is cached once is not growth
    tracemalloc.start()
    try:
        rounds(20)
        before, _ = tracemalloc.get_traced_memory()
        rounds(80)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 64 * 1024


WORST = {
    "zeros": b"[" + b"0," * 9999 + b"0]",
    "objects": b"[" + b"{}," * 9999 + b"{}]",
    "long values": b"[" + b",".join([b'{"id":"%s"}' % (b"x" * 80)] * 9999) + b"]",
    "deep": b'{"a":' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "a deep list": b"[" * 500_000 + b"]" * 500_000,
    "deep MessagePack": b"\x81\xa1a" + b"\x91" * 1_000_000,
    "many keys": b"{" + b",".join(b'"%d":0' % k for k in range(90_000)) + b"}",
    "one key again and again": b"{" + b",".join([b'"id":"x"'] * 110_000) + b"}",
    "an endless number": b'{"id":"a","time":1' + b"0" * 1_000_000 + b"}",
    "an endless curve": b'{"voltage_v":[' + b"0," * 500_000 + b"0]}",
    "a claim of 4 billion items": b"\xdd\xff\xff\xff\xff",
    "a claim of 4 billion keys": b"\xdf\xff\xff\xff\xff",
    "a claim of 4 billion bytes": b"\x81\xa1a\xc6\xff\xff\xff\xff",
    "an extension of 4 billion bytes": b"\x81\xa1a\xc9\xff\xff\xff\xff\x01",
    "errors": b'{"errors":[' + b",".join([b'{"errorLevel":"X"}'] * 50_000) + b"]}",
}


@pytest.mark.parametrize("name", ["weld", "event", "vehicle", "inspections"])
@pytest.mark.parametrize("payload", WORST.values(), ids=WORST.keys())
def test_the_worst_a_payload_can_hold_costs_no_more_than_a_second(name: str, payload: bytes) -> None:
    started = time.process_time()
    TARGETS[name].check(payload)
    assert time.process_time() - started < (3 if name == "vehicle" else 1)  # that one reads it on three topics
