import numpy as np
import pyarrow.parquet as pq
import pytest

from models.welds.batch import WeldBatch
from services.curves import BLOCK, CurveArchive, CurveReader, block_path, keeps_good
from tests.unit.models.welds import making


def welds(n: int, seed: int = 0) -> WeldBatch:
    rng = np.random.default_rng(seed)
    return making.batch([making.curve(rng, samples=int(rng.integers(20, 40)), force=bool(k % 2)) for k in range(n)])


def test_a_curve_comes_back_as_it_was_while_its_block_is_open_and_after(tmp_path) -> None:
    archive = CurveArchive(tmp_path, 1)
    batch = welds(6)
    archive.add(np.arange(1, 7), batch)
    beside, elsewhere = CurveReader(tmp_path, archive), CurveReader(tmp_path)
    assert beside.curve(3) is not None
    assert elsewhere.curve(3) is None
    archive.flush(7)
    for reader in (beside, elsewhere):
        for k in range(6):
            curve = reader.curve(k + 1)
            one = batch.take(k, k + 1)
            assert curve is not None
            np.testing.assert_array_equal(curve.current_ka, one.current_ka)
            np.testing.assert_array_equal(curve.voltage_v, one.voltage_v)
            assert (curve.dt_us, curve.displacement_mm) == (2000, None)
            assert (curve.force_kn is None) == (k % 2 == 0)
    assert elsewhere.kept([1, 6, 7, BLOCK + 1]) == {1, 6}


def test_a_voltage_with_gaps_is_kept_as_it_came(tmp_path) -> None:
    archive = CurveArchive(tmp_path, 1)
    batch = making.batch([making.curve(np.random.default_rng(1), fault="gap")])
    archive.add(np.array([1]), batch)
    curve = CurveReader(tmp_path, archive).curve(1)
    assert curve is not None
    np.testing.assert_array_equal(curve.voltage_v, batch.voltage_v)


def test_a_replay_writes_the_same_files(tmp_path) -> None:
    """Killed after a flush beyond the snapshot: what is judged again overwrites itself, what is older stays."""
    ordinals = np.arange(BLOCK - 5, BLOCK + 5)
    batch = welds(10)
    undisturbed, killed = tmp_path / "a", tmp_path / "b"
    archive = CurveArchive(undisturbed, BLOCK - 5)
    archive.add(ordinals, batch)
    archive.flush(BLOCK + 5)

    archive = CurveArchive(killed, BLOCK - 5)
    archive.add(ordinals[:3], batch.take(0, 3))
    archive.flush(BLOCK - 2)  # and the snapshot says BLOCK - 2
    archive.add(ordinals[3:7], batch.take(3, 7))
    archive.flush(BLOCK + 2)  # then killed
    again = CurveArchive(killed, BLOCK - 2)
    again.add(ordinals[3:], batch.take(3, 10))
    again.flush(BLOCK + 5)
    for block in (0, 1):
        assert pq.read_table(block_path(killed, block)).equals(pq.read_table(block_path(undisturbed, block)))


def test_closed_blocks_leave_memory(tmp_path) -> None:
    archive = CurveArchive(tmp_path, 1)
    archive.add(np.array([1, 2]), welds(2))
    archive.flush(BLOCK + 1)
    assert archive.block(0) is None
    assert CurveReader(tmp_path, archive).curve(2) is not None


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_share_of_good_welds_is_as_told_and_does_not_depend_on_batches(share: float) -> None:
    ordinals = np.arange(1, 20_001)
    kept = keeps_good(ordinals, share)
    assert kept.mean() == pytest.approx(share, abs=0.01)
    np.testing.assert_array_equal(np.concatenate([keeps_good(part, share) for part in np.split(ordinals, 8)]), kept)


def test_old_files_expire(tmp_path) -> None:
    archive = CurveArchive(tmp_path, 1)
    archive.add(np.array([1]), welds(1))
    archive.flush(BLOCK + 1)
    assert archive.expire(keep_days=1) == 0
    assert archive.expire(keep_days=-1) == 1
    assert CurveReader(tmp_path).curve(1) is None
