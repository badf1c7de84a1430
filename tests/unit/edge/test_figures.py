"""Figures of processes as files: whole, fresh, merged by name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from edge.figures import GONE_S, MAX_BYTES, FigureFile, FigureFiles, ProcessFigures, figures_folder


def shown(folder: Path, own: Iterable[Collector] = ()) -> dict[tuple[str, str], float]:
    """Return what `/metrics` would show, by name and process; it must be well-formed."""
    registry = CollectorRegistry()
    registry.register(FigureFiles(folder, own))
    text = generate_latest(registry).decode()
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)), "a family stands twice"
    families = list(text_string_to_metric_families(text))
    return {(s.name, s.labels.get("process", "")): s.value for family in families for s in family.samples}


def test_processes_stand_side_by_side_under_the_same_names(tmp_path: Path) -> None:
    counter = Counter("lineside_things", "Things.", registry=None)
    counter.inc(3)
    FigureFile(tmp_path, "collector", [ProcessFigures("collector"), counter]).write()
    FigureFile(tmp_path, "pipeline", [ProcessFigures("pipeline")]).write()
    found = shown(tmp_path, [ProcessFigures("server")])
    for process in ("collector", "pipeline", "server"):
        assert found["lineside_process_resident_memory_bytes", process] > 2**20
        assert found["lineside_process_cpu_seconds_total", process] > 0
        assert abs(found["lineside_process_start_time_seconds", process] - time.time()) < 3600
    assert found["lineside_things_total", ""] == 3
    assert found["lineside_process_up", "collector"] == found["lineside_process_up", "pipeline"] == 1
    assert ("lineside_process_up", "server") not in found  # Prometheus' own `up` says that


def test_a_process_that_is_gone_is_told_and_its_figures_are_not_shown(tmp_path: Path) -> None:
    FigureFile(tmp_path, "collector", [ProcessFigures("collector")]).write()
    old = time.time() - GONE_S - 1
    os.utime(tmp_path / "collector.prom", (old, old))
    assert shown(tmp_path) == {("lineside_process_up", "collector"): 0}


def test_a_file_that_is_not_ours_or_half_or_huge_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.prom").write_bytes(b"\xff\xfe{{{")
    (tmp_path / "b.prom").write_text('lineside_x{a="', encoding="utf-8")
    (tmp_path / "c.prom").write_text("lineside_y 1\n" * (MAX_BYTES // 12), encoding="utf-8")
    FigureFile(tmp_path, "d", [ProcessFigures("d")]).write()
    found = shown(tmp_path)
    assert found["lineside_process_up", "d"] == 1
    assert found["lineside_process_up", "a"] == found["lineside_process_up", "b"] == 0


def test_the_file_is_written_once_a_second_and_not_at_all_on_a_full_disk(tmp_path: Path) -> None:
    counter = Counter("lineside_things", "Things.", registry=None)
    file = FigureFile(tmp_path / "figures", "x", [counter])
    file.write()
    counter.inc()
    file.write()  # too early
    assert shown(tmp_path / "figures")["lineside_things_total", ""] == 0
    FigureFile(Path("/proc/nowhere"), "x", [counter]).write()


def test_figures_lie_beside_the_journal() -> None:
    assert figures_folder(Path("/d/journal.sqlite")) == Path("/d/figures")
