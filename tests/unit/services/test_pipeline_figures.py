"""The pipeline's own figures: bounded, and honest while a store is away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.figures import figures_folder
from edge.sources.decoded import PlacedReject
from edge.sources.rejects import Reject
from services.intake import Outcome
from services.pipeline_figures import MAX_FIELDS, PipelineFigures


def written(folder: Path, figures: PipelineFigures, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    later = time.monotonic() + 10
    monkeypatch.setattr("edge.figures.time.monotonic", lambda: later)
    figures.write()
    text = (figures_folder(folder / "journal.sqlite") / "pipeline.prom").read_text(encoding="utf-8")
    return {
        f"{sample.name}{''.join(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def outcome(*paths: str) -> Outcome:
    rejects = [PlacedReject(1, k, 0, "s", "t", Reject(k, path, "x", "y"), 1) for k, path in enumerate(paths)]
    return Outcome(rejects=rejects)


def test_rejects_are_counted_by_the_field_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = PipelineFigures(tmp_path / "journal.sqlite", own_process=False)
    figures.add(3, outcome("$", "topic", "$.time", "$.current_ka[3]", "$.current_ka", "$.nodes[2].x", "$.a b"))
    found = written(tmp_path, figures, monkeypatch)
    rejects = {name.removeprefix("lineside_rejects_total"): n for name, n in found.items() if "rejects" in name}
    assert rejects == {"item": 1, "topic": 1, "time": 1, "current_ka": 2, "nodes": 1, "other": 1}


def test_a_device_that_invents_fields_makes_no_more_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = PipelineFigures(tmp_path / "journal.sqlite", own_process=False)
    figures.add(1, outcome(*(f"$.field{k}" for k in range(3 * MAX_FIELDS))))
    found = written(tmp_path, figures, monkeypatch)
    assert len([name for name in found if "rejects" in name]) == MAX_FIELDS + 1
    assert found["lineside_rejects_totalother"] == 2 * MAX_FIELDS


def test_lag_grows_while_what_was_read_cannot_be_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = PipelineFigures(tmp_path / "journal.sqlite", own_process=True)
    figures.waits(time.time_ns() - 90 * 10**9)
    figures.failed("store")
    found = written(tmp_path, figures, monkeypatch)
    assert 90 <= found["lineside_pipeline_lag_seconds"] < 100
    assert found["lineside_pipeline_errors_totalstore"] == 1
    assert found["lineside_process_resident_memory_bytespipeline"] > 2**20
    with pytest.raises(ValueError, match="x"), figures.step("commit"):
        raise ValueError("x")
    figures.committed(7)
    monkeypatch.undo()
    even_later = time.monotonic() + 30
    monkeypatch.setattr("edge.figures.time.monotonic", lambda: even_later)
    figures.write()
    text = (tmp_path / "figures/pipeline.prom").read_text(encoding="utf-8")
    assert "lineside_pipeline_lag_seconds 0.0" in text
    assert 'lineside_pipeline_step_seconds_count{step="commit"} 1.0' in text
    assert "lineside_pipeline_last_message 7.0" in text
