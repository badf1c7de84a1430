import numpy as np
import pytest
from scipy import stats

from edge.simulator.draws import bits, noise_table, normal, uniform


def test_a_number_depends_on_its_counters_alone() -> None:
    body, spot = np.meshgrid(np.arange(50), np.arange(40), indexing="ij")
    whole = bits(3, "force", body.ravel(), spot.ravel())
    order = np.random.default_rng(0).permutation(len(whole))
    np.testing.assert_array_equal(bits(3, "force", body.ravel()[order], spot.ravel()[order]), whole[order])
    assert bits(3, "force", 7, 11) == whole[7 * 40 + 11]
    assert len(np.unique(whole)) == len(whole)


@pytest.mark.parametrize("other", [(4, "force", 1, 2), (3, "film", 1, 2), (3, "force", 2, 1), (3, "force", 1, 2, 0)])
def test_seed_label_and_place_of_a_counter_all_count(other: tuple[int, str, int, int]) -> None:
    assert bits(*other) != bits(3, "force", 1, 2)


def test_a_plant_stays_the_same_plant_from_version_to_version() -> None:
    assert [int(x) for x in bits(1, "fault", [0, 1], [0, 2])] == KNOWN


def test_the_numbers_are_uniform_and_normal() -> None:
    counter = np.arange(20_000)
    assert stats.kstest(uniform(1, "u", counter), "uniform").pvalue > 1e-3
    assert stats.kstest(normal(1, "n", counter, 5), "norm").pvalue > 1e-3
    assert stats.kstest(noise_table(1, 1 << 14).astype(float), "norm").pvalue > 1e-3
    serial = np.corrcoef(uniform(1, "u", counter[:-1]), uniform(1, "u", counter[1:]))[0, 1]
    assert abs(serial) < 0.03


KNOWN = [12202924389144612281, 8554673392788253379]
