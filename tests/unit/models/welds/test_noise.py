"""Filters stand out from what is usual in a plant, to the bit the same however the welds came."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.welds import noise as nz
from models.welds.noise import KNOWN_N, Noise
from models.welds.signatures import SIGNATURES, USED, USUAL_SCATTER, VOLTAGES, directions

F = len(USED)


def production(n: int, seed: int, wear: float = 2.0) -> np.ndarray:
    """Return distances (n, F) in which everything moves with wear and a little by itself; sigma is one all the same."""
    rng = np.random.default_rng(seed)
    z = 0.5 * rng.standard_normal((n, F)) + wear * rng.standard_normal((n, 1)) * np.linspace(-0.4, 0.6, F)
    z[:, VOLTAGES] = rng.standard_normal((n, 2))
    return z


def learnt(z: np.ndarray) -> Noise:
    noise = Noise()
    noise.add(z, np.tile(USUAL_SCATTER, (len(z), 1)))
    noise.end_block()
    return noise


def test_filters_and_size_are_those_of_the_definition() -> None:
    z = production(5000, 1)
    noise = learnt(z)
    assert noise.known
    rounded = np.rint(np.clip(z, -nz.CUT_SIGMA, nz.CUT_SIGMA) / nz.STEP) * nz.STEP
    inside = [k for k in range(F) if k not in VOLTAGES]
    second = (nz.PRIOR_N * np.eye(F) + rounded.T @ rounded) / (nz.PRIOR_N + len(z)) + nz.RIDGE * np.eye(F)
    inverse = np.linalg.inv(second[np.ix_(inside, inside)])
    usual = directions(USUAL_SCATTER)[:, inside]
    weld = production(1, 2)
    got, size, degrees = noise.apply(weld)
    x = weld[0, inside]
    for k in range(len(SIGNATURES)):
        expected = usual[k] @ inverse @ x / np.sqrt(usual[k] @ inverse @ usual[k])
        assert got[0, k] == pytest.approx(expected, rel=1e-4)
    assert size[0] == pytest.approx(x @ inverse @ x, rel=1e-6)
    assert degrees[0] == F - 2


def test_filters_of_usual_welds_are_about_standard_normal_and_see_a_signature_through_the_wear() -> None:
    noise = learnt(production(20_000, 3))
    usual, _, _ = noise.apply(production(20_000, 4))
    assert np.all(usual.std(axis=0) < 1.05)
    assert np.all(usual.std(axis=0) > 0.5)
    k = next(k for k, one in enumerate(SIGNATURES) if one.cause == "shunting")
    along = directions(USUAL_SCATTER)[k]
    shifted, _, _ = noise.apply(production(2000, 5) + 2.5 * along / np.abs(along).max())
    alone, _, _ = Noise().apply(production(2000, 5) + 2.5 * along / np.abs(along).max())
    gain = (shifted - usual[:2000])[:, k].mean() / usual[:, k].std()
    blind, _, _ = Noise().apply(production(2000, 4))
    assert gain > (alone - blind)[:, k].mean() / blind[:, k].std()


def test_an_absent_channel_is_left_out_and_voltages_count_only_then() -> None:
    noise = learnt(production(5000, 6))
    weld = production(2, 7)
    weld[0, USED.index("force_mean_kn")] = np.nan
    weld[1, [k for k in range(F) if k not in VOLTAGES]] = np.nan
    got, size, degrees = noise.apply(weld)
    assert degrees.tolist() == [F - 3, 2]
    assert np.isfinite(got).all()
    assert size[1] > 0
    time_only = next(k for k, one in enumerate(SIGNATURES) if "weld_time_ms" in one.change)
    assert got[1, time_only] == 0  # nothing of it can be seen in a voltage


def test_one_wild_weld_decides_nothing() -> None:
    z = production(5000, 8)
    wild = z.copy()
    wild[0] = 1e6
    a, b = learnt(z).covariance(), learnt(wild).covariance()
    np.testing.assert_allclose(a, b, atol=0.01)


def test_few_welds_are_not_enough() -> None:
    assert not learnt(production(KNOWN_N - 1, 9)).known


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 299), max_size=4), seed=st.integers(0, 50))
def test_any_split_or_order_gives_the_same_bits_and_a_snapshot_goes_on(cuts: list[int], seed: int) -> None:
    z = production(300, seed)
    z[::7, 3] = np.nan
    scatter = np.tile(USUAL_SCATTER, (300, 1)) * np.random.default_rng(seed).uniform(0.8, 1.2, (300, 1))
    one, other = Noise(), Noise()
    one.add(z, scatter)
    mixed = np.random.default_rng(seed + 1).permutation(300)
    for part in np.split(mixed, sorted(cuts)):
        other.add(z[part], scatter[part])
    again = Noise()
    again.restore(other.snapshot())
    for noise in (one, other, again):
        noise.end_block()
    expected = one.apply(z)
    for noise in (other, again):
        for have, want in zip(noise.apply(z), expected, strict=True):
            assert have.tobytes() == want.tobytes()
    single = [one.apply(z[k : k + 1]) for k in range(0, 300, 37)]
    for k, row in zip(range(0, 300, 37), single, strict=True):
        for have, want in zip(row, expected, strict=True):
            assert have[0].tobytes() == want[k].tobytes()
