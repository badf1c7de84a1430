"""`/metrics` of real processes: the figures change as what they measure does."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import wait_until
from tests.system.conftest import need
from tests.system.faults.device import Device
from tests.system.faults.load import make_load, plant_settings
from tests.system.faults.plant import Plant
from tests.system.mosquitto import find_mosquitto

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
Figures = dict[str, float]
UNITS = ("_seconds", "_bytes", "_messages", "_total", "_sum", "_count", "_bucket", "_info")
COUNTED = {"lineside_live_clients", "lineside_items_pending"}
STATES = {
    "lineside_store_up", "lineside_process_up", "lineside_live_connected", "lineside_collector_connected",
    "lineside_collector_stopped", "lineside_journal_last_message", "lineside_pipeline_last_message",
}  # fmt: skip


def queries() -> list[str]:
    """Return what the panels of Grafana's dashboard ask Prometheus for."""
    board = json.loads((ROOT / "dashboards/grafana/dashboards/prometheus/processes.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def figures(plant: Plant) -> Figures:
    with urllib.request.urlopen(f"http://127.0.0.1:{plant.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Figures = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
    return found


def test_figures_follow_the_processes(tmp_path: Path) -> None:
    need(find_mosquitto(), "mosquitto")
    plant = Plant(tmp_path / "plant", "duckdb", plant_settings(4), 2**28)
    load = make_load(4, 400, time.time_ns() - 3600 * 10**9)
    device = Device(plant.broker.port, load, 400.0)
    try:
        plant.start()
        device.start()
        wait_until(lambda: device.acked >= len(load), 60, "the load")
        wait_until(lambda: plant.resting(plant.account()) > 0, 60, "rest")
        time.sleep(4.2)
        first = figures(plant)
        account = plant.account()
        assert account is not None
        total = account["total"]
        for kind in ("received", "stored", "rejected", "duplicate"):
            assert first[f"lineside_items_total{{kind={kind}}}"] == total[kind]
        rejects = {key: value for key, value in first.items() if key.startswith("lineside_rejects_total")}
        assert sum(rejects.values()) == total["rejected"] > 0
        rate = plant.get("/api/v1/rate")
        for verdict in ("ok", "defect", "unjudged"):
            assert first[f"lineside_welds_total{{verdict={verdict}}}"] == rate[verdict]
        assert first["lineside_journal_last_message"] == first["lineside_pipeline_last_message"] >= len(load)
        assert first["lineside_pipeline_batch_messages_sum"] == first["lineside_journal_last_message"]
        groups = first["lineside_journal_group_messages_count"]
        assert first["lineside_journal_commit_seconds_count"] == groups > 0
        assert 0 < first["lineside_journal_commit_seconds_sum"] / groups < 1
        assert first["lineside_pipeline_lag_seconds"] < 2
        for step in ("judge", "commit", "publish", "flush"):
            assert first[f"lineside_pipeline_step_seconds_count{{step={step}}}"] > 0
        for process in ("collector", "server"):
            assert first[f"lineside_process_cpu_seconds_total{{process={process}}}"] > 0
        names = {key.partition("{")[0] for key in first if key.startswith("lineside_")}
        assert not [name for name in names - COUNTED - STATES if not name.endswith(UNITS)]
        assert len(first) < 600
        asked = set(re.findall(r"lineside_\w+", " ".join(queries())))
        assert len(asked) > 15
        assert asked <= names, "Grafana's panels ask for what nobody says"
        text = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
        documented = set(re.findall(r"`(lineside_\w+)", text))
        assert documented == {re.sub("_(bucket|sum|count)$", "", name) for name in names}

        plant.to_broker.set("refused")
        wait_until(lambda: figures(plant)["lineside_collector_connected"] == 0, 30, "the broken connection")
        plant.to_broker.set("good")
        wait_until(lambda: figures(plant)["lineside_collector_connected"] == 1, 30, "the new one")

        [collector] = plant.pids("collector")
        plant.send("collector", signal.SIGSTOP)
        down = "lineside_process_up{process=collector}"
        wait_until(lambda: figures(plant)[down] == 0, 30, "the collector being missed")
        assert "lineside_journal_messages" not in figures(plant)
        plant.send("collector", signal.SIGCONT)
        wait_until(lambda: figures(plant)[down] == 1, 30, "the collector being back")
        assert plant.pids("collector") == [collector]
        plant.stop()
        lines = [json.loads(line) for line in plant.log().splitlines()]
        for line in lines:
            assert {"timestamp", "level", "logger", "process", "event"} <= line.keys(), line
        assert {line["process"] for line in lines} <= {"supervisor", "collector", "server"}
        connected = [line for line in lines if line["event"].startswith("connected to")]
        assert [line["broker"] for line in connected] == 2 * [f"127.0.0.1:{plant.to_broker.port}"]
        assert len(lines) < 40, "none per message"
    finally:
        device.close()
        plant.close()
