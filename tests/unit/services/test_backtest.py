from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import recall_score

from models.welds.judge import JudgeSettings, WeldJudge
from services.backtest import BacktestError, judge_table, read_welds, report, to_batch
from tests.unit.models.welds import making

TITANIUM = Path(__file__).resolve().parents[3] / "../shared/data/weld_titanium_dev.parquet"
FAULTS = ["low_heat", "expulsion"]


def recorded(path: Path, n: int = 400) -> pa.Table:
    rng = np.random.default_rng(21)
    rows = []
    for k in range(n):
        fault = FAULTS[k // 10 % 2] if k < n - 60 and k % 10 == 9 else ""
        weld = making.curve(rng, fault=fault, spot=f"S{k % 2}", force=k % 3 == 0)
        rows.append(
            {
                "weld_id": f"w{k}",
                "spot": weld.spot,
                "program": "7",
                "time_ns": (n - k) * 10**9,  # the file is in the wrong order on purpose
                "dt_us": weld.dt_us,
                "current_ka": weld.current,
                "voltage_v": weld.voltage,
                "force_kn": weld.force,
                "truth": fault or "ok",
            }
        )
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, path)
    return table


def test_welds_are_judged_in_the_order_of_time_as_the_live_judge_does(tmp_path: Path) -> None:
    recorded(tmp_path / "w.parquet")
    table = read_welds(tmp_path / "w.parquet")
    assert table["time_ns"].to_pylist() == sorted(table["time_ns"].to_pylist())
    scored = judge_table(table, JudgeSettings())
    live = WeldJudge(JudgeSettings()).judge(to_batch(table))
    assert scored["id"].to_pylist() == table["weld_id"].to_pylist()
    assert [v == "defect" for v in scored["verdict"].to_pylist()] == (live.verdict == 1).tolist()
    risk = scored["risk"].to_numpy()
    assert ((risk >= 0) & (risk <= 1)).all()
    assert ((risk >= 0.5) == (live.verdict == 1)).all()


def test_the_report_counts_what_the_labels_say(tmp_path: Path) -> None:
    recorded(tmp_path / "w.parquet")
    table = read_welds(tmp_path / "w.parquet")
    scored = judge_table(table, JudgeSettings())
    found = report(scored, table["truth"])
    truth, verdict = np.array(table["truth"].to_pylist()), np.array(scored["verdict"].to_pylist())
    assert [c.label for c in found.classes] == ["expulsion", "low_heat"]
    for row in found.classes:
        judged = (truth == row.label) & (verdict != "unjudged")
        assert row.recall[0] == pytest.approx(recall_score(np.ones(judged.sum()), verdict[judged] == "defect"))
        assert row.recall[1] <= row.recall[0] <= row.recall[2]
        assert row.recall[0] > 0.9
        assert row.auc[0] > 0.95
    assert found.verdicts["unjudged"] == 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["program"]), "column 'program' is missing"),
        (lambda t: t.set_column(0, "weld_id", [[None] * len(t)]), "column 'weld_id' has 400 nulls"),
        (lambda t: t.set_column(t.column_names.index("dt_us"), "dt_us", [[0] * len(t)]), "0 or less; expected µs > 0"),
        (
            lambda t: t.set_column(t.column_names.index("voltage_v"), "voltage_v", [[[1.0]] * len(t)]),
            "different lengths",
        ),
        (lambda t: t.set_column(t.column_names.index("dt_us"), "dt_us", [["x"] * len(t)]), "expected int64"),
    ],
)
def test_a_wrong_file_is_told_by_column(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "w.parquet"
    pq.write_table(change(recorded(path)), path)
    with pytest.raises(BacktestError, match=message):
        read_welds(path)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "w.parquet").write_text("id,spot\n")
    with pytest.raises(BacktestError, match=r"w\.parquet"):
        read_welds(tmp_path / "w.parquet")


@pytest.mark.skipif(not TITANIUM.exists(), reason="the real weld curves are not beside this checkout")
def test_real_titanium_welds_end_to_end() -> None:
    table = read_welds(TITANIUM)
    scored = judge_table(table, JudgeSettings())
    found = report(scored, table["label"])
    assert found.welds == 370
    # Where the pick-up was dead, the judge says so, and never calls such a weld ok.
    dead = np.array(table["dead_voltage"].to_pylist())
    cause, verdict = np.array(scored["cause"].to_pylist()), np.array(scored["verdict"].to_pylist())
    assert set(cause[dead]) == {"dead_voltage"}
    assert set(verdict[dead]) == {"unjudged"}
    assert "dead_voltage" not in cause[~dead]
    assert {c.label: c.n for c in found.classes} == {"expulsion": 19, "stick": 159}
