import math

import numpy as np
import pytest

from models.welds.features import BAND_POINTS
from models.welds.shape import DIRECTIONS, EVERY, MIN_RESIDUALS, RESIDUALS, Bands, Directions

GRID = np.linspace(0, 1, BAND_POINTS)
MODES = np.array([np.ones(BAND_POINTS), GRID - 0.5, np.exp(-8 * GRID), np.sin(np.pi * GRID)])


def ordinary(rng: np.random.Generator, n: int) -> np.ndarray:
    """Residuals that vary along four modes, and noise of a fifth of a sigma on top."""
    return (rng.standard_normal((n, 4)) @ MODES + 0.2 * rng.standard_normal((n, BAND_POINTS))).astype(np.float32)


def taught(rng: np.random.Generator) -> Directions:
    directions = Directions()
    program = directions.rows(["12"])
    n = RESIDUALS * EVERY
    directions.keep(np.arange(n), np.repeat(program, n), ordinary(rng, n))
    directions.learn()
    return directions


def scores(directions: Directions, residual: np.ndarray) -> np.ndarray:
    return directions.scores(directions.rows(["12"] * len(residual)), residual.astype(np.float32))


def test_scores_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    directions = taught(rng)
    residual = ordinary(rng, 3)
    basis, variance = directions.basis[0].astype(float), directions.variance[0].astype(float)
    np.testing.assert_allclose(basis @ basis.T, np.eye(DIRECTIONS), atol=1e-5)
    for got, one in zip(scores(directions, residual), residual.astype(float), strict=True):
        along = [sum(a * b for a, b in zip(row, one, strict=True)) for row in basis]
        t2 = sum(a * a / v for a, v in zip(along, variance, strict=True))
        rest = one - sum(a * row for a, row in zip(along, basis, strict=True))
        q = sum(x * x for x in rest)
        assert got[0] == pytest.approx(math.log(math.sqrt(t2 / DIRECTIONS)), rel=1e-3, abs=1e-3)
        assert got[1] == pytest.approx(math.log(math.sqrt(q / (BAND_POINTS - DIRECTIONS))), rel=1e-2, abs=1e-2)


def test_more_of_the_usual_is_t2_and_something_new_is_q() -> None:
    rng = np.random.default_rng(2)
    directions = taught(rng)
    usual = scores(directions, ordinary(rng, 400))
    centre, sigma = usual.mean(axis=0), usual.std(axis=0)
    high = (scores(directions, (12 * MODES[:1])) - centre) / sigma
    new = np.where((GRID > 0.6) & (GRID < 0.65), -6.0, 0.0)[None]
    odd = (scores(directions, ordinary(rng, 1) + new) - centre) / sigma
    assert high[0, 0] > 3
    assert odd[0, 1] > 6
    assert abs(odd[0, 0]) < 3.5


def test_nothing_is_said_before_enough_residuals() -> None:
    rng = np.random.default_rng(3)
    directions = Directions()
    n = (MIN_RESIDUALS - 1) * EVERY
    directions.keep(np.arange(n), np.repeat(directions.rows(["12"]), n), ordinary(rng, n))
    directions.learn()
    assert np.isnan(scores(directions, ordinary(rng, 2))).all()


def test_a_few_wild_residuals_hardly_turn_the_directions() -> None:
    rng = np.random.default_rng(4)
    clean = taught(rng)
    wild = Directions()
    n = RESIDUALS * EVERY
    residual = ordinary(rng, n)
    residual[: 4 * EVERY] = 1000 * np.where(np.arange(BAND_POINTS) % 7 == 0, 1, -1)
    wild.keep(np.arange(n), np.repeat(wild.rows(["12"]), n), residual)
    wild.learn()
    new = np.where((GRID > 0.6) & (GRID < 0.65), -6.0, 0.0)[None] + ordinary(rng, 200)
    lost = scores(clean, new)[:, 1] - scores(wild, new)[:, 1]
    assert np.abs(lost.mean()) < 0.25


def test_the_order_in_which_batches_bring_residuals_is_nothing() -> None:
    rng = np.random.default_rng(5)
    residual = ordinary(rng, 900)
    whole, split = Directions(), Directions()
    whole.keep(np.arange(900), np.repeat(whole.rows(["12"]), 900), residual)
    for start, stop in ((0, 1), (1, 350), (350, 900)):
        rows = np.repeat(split.rows(["12"]), stop - start)
        split.keep(np.arange(start, stop), rows, residual[start:stop])
    for directions in (whole, split):
        directions.learn()
    assert {k: v.tobytes() for k, v in whole.snapshot().items()} == {
        k: v.tobytes() for k, v in split.snapshot().items()
    }


def test_a_band_is_the_mean_curve_and_its_scatter() -> None:
    rng = np.random.default_rng(6)
    bands, row = Bands.empty(), np.array([0])
    curve = (150 + 40 * np.sin(np.pi * GRID)).astype(np.float32)
    for _ in range(400):
        level = 1 + 0.03 * rng.standard_normal()
        bands.learn(row, (curve * level)[None].astype(np.float32), np.array([200.0], dtype=np.float32))
    assert bands.n[0] == 400
    assert bands.span_ms[0] == pytest.approx(200)
    np.testing.assert_allclose(bands.centre[0], curve, rtol=0.02)
    np.testing.assert_allclose(bands.sigma(row)[0], 0.03 * curve, rtol=0.3)
    before = bands.centre[0].copy()
    bands.learn(row, (10 * curve)[None].astype(np.float32), np.array([200.0], dtype=np.float32))
    assert np.all(np.abs(bands.centre[0] - before) < 0.004 * curve)


def test_a_stream_starts_from_what_its_programme_scores_and_goes_over_to_its_own() -> None:
    rng = np.random.default_rng(7)
    bands, row = Bands.empty(), np.array([0])
    usual = np.array([[0.0, 0.0]]), np.array([[0.16, 0.04]])
    assert bands.distance(row, np.array([[0.8, 0.8]]), usual)[0] == pytest.approx([2.0, 4.0])
    for _ in range(600):
        bands.learn_scores(row, np.array([[0.5 + 0.3 * rng.standard_normal(), 1.0 + 0.3 * rng.standard_normal()]]))
    assert bands.distance(row, np.array([[0.5, 1.0]]), usual)[0] == pytest.approx([0, 0], abs=0.3)
    assert bands.distance(row, np.array([[1.4, 1.9]]), usual)[0] == pytest.approx([3, 3], rel=0.2)
    frozen = bands.score_centre[0].copy()
    bands.learn_scores(row, np.full((1, 2), np.nan))
    assert (bands.score_centre[0] == frozen).all()
