import itertools

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from models.splits import FORWARD_SHARE, MAX_SHARE, grouped_split


def plant(rng: np.random.Generator, spots: int = 12, n: int = 300) -> tuple[list[str], np.ndarray, list[str]]:
    spot = [f"S{k}" for k in rng.integers(0, spots, n)]
    return spot, np.sort(rng.integers(0, 10**15, n)), rng.choice(["ok", "stick", "expulsion"], n, p=[0.9, 0.07, 0.03])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(60, 400))
def test_every_label_is_tested_once_by_what_has_not_seen_its_group(seed: int, spots: int, n: int) -> None:
    spot, time_ns, label = plant(np.random.default_rng(seed), spots, n)
    try:
        split = grouped_split(spot, time_ns, label)
    except ValueError:  # of a rare label all welds may lie in one group
        reject()
    tested = np.zeros(n, dtype=int)
    for train, test in split.rounds():
        assert not (train & test).any()
        assert not set(split.group[train]) & set(split.group[test])
        assert set(label[train]) == set(label)
        whole = set(spot) - set(split.cut)
        assert not {s for s, t in zip(spot, train, strict=True) if t and s in whole} & {
            s for s, t in zip(spot, test, strict=True) if t
        }
        tested += test
    assert (tested == 1).all()


def test_forward_in_time_nothing_of_the_future_is_trained_on() -> None:
    spot, time_ns, label = plant(np.random.default_rng(4))
    split = grouped_split(spot, time_ns, label)
    tested = np.zeros(len(spot), dtype=int)
    for train, test in split.forward(time_ns):
        assert time_ns[train].max() < time_ns[test].min()
        assert not set(split.group[train]) & set(split.group[test])
        tested += test
    later = time_ns >= np.sort(time_ns)[int(FORWARD_SHARE * len(spot))]
    assert (tested == later).all()


def test_a_spot_with_most_of_a_label_is_cut_by_time_and_no_other() -> None:
    # All expulsions are on S0, one in ten of the other labels is.
    spot = [f"S{k % 10}" for k in range(200)]
    label = ["expulsion" if s == "S0" else ("stick" if k % 3 else "ok") for k, s in enumerate(spot)]
    time_ns = np.arange(200)
    split = grouped_split(spot, time_ns, label, folds=4)
    assert split.cut == ("S0",)
    mine = np.array([s == "S0" for s in spot])
    blocks = [time_ns[mine & (split.group == g)] for g in sorted(set(split.group[mine]))]
    assert [len(b) for b in blocks] == [5, 5, 5, 5]
    for earlier, after in itertools.pairwise(blocks):
        assert earlier.max() < after.min()


def test_one_moment_is_never_on_two_sides() -> None:
    time_ns = np.repeat(np.arange(7), 10)
    split = grouped_split(["S"] * 70, time_ns, ["ok", "stick"] * 35)
    assert split.cut == ("S",)
    for moment in range(7):
        assert len(set(split.fold[time_ns == moment])) == 1


def test_the_order_of_the_labels_does_not_matter() -> None:
    spot, time_ns, label = plant(np.random.default_rng(9))
    there = grouped_split(spot, time_ns, label)
    order = np.random.default_rng(1).permutation(len(spot))
    shuffled = grouped_split([spot[k] for k in order], time_ns[order], label[order])
    assert (shuffled.fold == there.fold[order]).all()


def test_labels_are_spread_evenly_over_the_folds() -> None:
    spot, time_ns, label = plant(np.random.default_rng(2), spots=60, n=1000)
    split = grouped_split(spot, time_ns, label)
    assert split.folds == 5
    for name in ("ok", "stick"):
        shares = np.bincount(split.fold[label == name], minlength=5) / (label == name).sum()
        assert shares.max() < 0.3


@pytest.mark.parametrize(
    ("spot", "time_ns", "label", "message"),
    [
        (["S"] * 4, [5, 5, 5, 5], ["ok", "stick"] * 2, "one moment of one spot"),
        (["A"] * 4 + ["B"] * 4, list(range(8)), ["ok"] * 7 + ["stick"], "'stick' lies in one fold"),
    ],
)
def test_what_cannot_be_validated_is_said(spot: list[str], time_ns: list[int], label: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grouped_split(spot, np.array(time_ns), label)


def test_the_limit_of_cutting() -> None:
    assert MAX_SHARE == 0.5
    even = grouped_split(["A"] * 10 + ["B"] * 10, np.arange(20), ["ok", "stick"] * 10)
    assert even.cut == ()
    assert even.folds == 2
