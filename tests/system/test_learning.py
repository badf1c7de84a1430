"""From inspections to a model that judges, by the commands and requests that people use, on a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from edge.collector_status import status_path
from services.layout import DataLayout
from services.models_registry import ModelRegistry
from tests.running import free_port, wait_until
from tests.system.mosquitto import Mosquitto, Publisher
from tests.system.test_real_welds import ROOT, get, lineside
from tests.unit.services.labelled import a_card, a_model, labelled

TOPIC = "lineside/v1/lab/weld/R1/C1/weld"
MS = 10**6
BY = {"by": "M. Weber"}
FIRST, SECOND, THIRD = (labelled(160, every=4, seed=seed, harmless=3) for seed in (11, 12, 13))

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def send(publisher: Publisher, data: Any, name: str) -> list[str]:
    """Send every weld as made just now and return their ids."""
    welds, ids, now_ns = data.welds, [], time.time_ns()
    for k in range(len(welds)):
        part = slice(welds.offsets[k], welds.offsets[k + 1])
        message = {
            "id": f"{name}{k}", "spot": welds.spot[k], "gun": "R1", "body": "coupon", "program": welds.program[k],
            "time": now_ns + k * MS, "dt_us": int(welds.dt_us[k]),
            "current_ka": welds.current_ka[part].tolist(), "voltage_v": welds.voltage_v[part].tolist(),
        }  # fmt: skip
        publisher.publish(TOPIC, json.dumps(message).encode())
        ids.append(message["id"])
    return ids


def post(port: int, path: str, body: Any, status: int = 202) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            code, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, text = error.code, error.read()
    assert code == status, text
    document: dict[str, Any] = json.loads(text)
    return document


def command(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_inspections_become_labels_and_a_model_earns_its_place(
    tmp_path: Path, mosquitto: Mosquitto, make_publisher: Any
) -> None:
    port, data = free_port(), tmp_path / "data"
    url = f"http://127.0.0.1:{port}"
    settings = {
        "DATA_DIR": str(data), "BROKER_PORT": str(mosquitto.port), "API_PORT": str(port), "ARCHIVE_GOOD_SHARE": "1",
        "MODELS_MIN_SHADOW_WELDS": "100",
        # So wide a limit finds nothing, and the distance takes hot welds for as bad as cold ones: labels know better.
        "JUDGE_LIMIT_SIGMA": "1000000", "JUDGE_LEARN_N": "8",
    }  # fmt: skip
    with lineside(tmp_path, "run", **settings):
        wait_until(lambda: get(port, "/accounting"), 60, "the server")
        status = status_path(DataLayout(data).journal)
        wait_until(lambda: status.exists() and json.loads(status.read_text())["connected_since_ns"], 60, "collector")
        publisher = make_publisher(mosquitto.port)

        def stored(items: int) -> None:
            wait_until(lambda: (get(port, "/accounting") or {})["total"]["stored"] >= items, 60, f"{items} items")

        ids = send(publisher, FIRST, "a")
        stored(160)

        # Results come as a spreadsheet; what is wrong with a line is told and hinders no other.
        sheet = tmp_path / "found.csv"
        lines = [f"{i},{label},chisel" for i, label in zip(ids, FIRST.label, strict=True)]
        sheet.write_text("weld,result,method\n" + "\n".join([*lines, "nobody,ok,chisel", f"{ids[0]},fine,"]) + "\n")
        told = command("inspections", str(sheet), "--url", url, status=1)
        assert "160 inspections taken, 2 refused" in told
        assert f"{sheet}:162: weld is 'nobody'" in told
        assert f"{sheet}:163: result is 'fine'" in told
        stored(320)
        found = get(port, "/inspections?limit=1000")["items"]
        assert {item["weld"]: item["result"] for item in found} == dict(zip(ids, FIRST.label, strict=True))
        assert all(item["spot"] and item["curve_kept"] for item in found)

        # From the running plant a model is learnt; it changes nothing.
        written = json.loads(command("train", "--url", url, "--data", str(data), "--json"))
        model = written["card"]["id"]
        assert written["card"]["labels"] == {"ok": 120, "stick": 20, "expulsion": 20}
        assert get(port, "/models")["items"][0]["state"] == "idle"
        assert "not in the shadow" in post(port, f"/models/{model}/activate", BY, 409)["detail"]

        post(port, f"/models/{model}/shadow", BY)
        wait_until(lambda: get(port, "/models")["shadow"] == model, 30, "the shadow")
        stored(321)
        assert "expected at least 100 welds" in post(port, f"/models/{model}/activate", BY, 409)["detail"]
        ids = send(publisher, SECOND, "b")
        stored(481)
        assert "were inspected" in post(port, f"/models/{model}/activate", BY, 409)["detail"]
        body = [{"weld": i, "result": label} for i, label in zip(ids, SECOND.label, strict=True)]
        assert post(port, "/inspections", body)["accepted"] == 160
        stored(641)
        shadow = get(port, "/inspections?limit=160")["items"]
        assert all(item["shadow_risk"] is not None and item["verdict"] != "defect" for item in shadow)

        reason = post(port, f"/models/{model}/activate", BY)["reason"]
        assert "faulty welds that neither was trained on" in reason
        wait_until(lambda: get(port, "/models")["active"] == model, 30, "the activation")
        stored(642)
        send(publisher, THIRD, "c")
        stored(802)
        judged = get(port, "/welds?limit=160")["items"]
        assert all(weld["by_model"] for weld in judged)
        called = {weld["id"]: weld["verdict"] for weld in judged}
        right = [(called[f"c{k}"] == "ok") == (label == "ok") for k, label in enumerate(THIRD.label)]
        assert sum(right) >= 150
        assert len(get(port, f"/models/{model}")["card"]["comparisons"]) == 1

        # Another model is no better: it stays in the shadow. And one step back is one request.
        other = a_model("welds-other")
        ModelRegistry(DataLayout(data).models).add(other, a_card(other))
        post(port, "/models/welds-other/shadow", BY)
        wait_until(lambda: get(port, "/models")["shadow"] == "welds-other", 30, "the shadow")
        post(port, "/models/back", BY)
        wait_until(lambda: get(port, "/models")["active"] == "", 30, "the way back")
        stored(804)
        send(publisher, THIRD, "d")
        stored(964)
        assert not any(weld["by_model"] for weld in get(port, "/welds?limit=160")["items"])
        events = [(e["kind"], e["by"]) for e in get(port, "/events?limit=1000") if e["kind"].startswith("model_")]
        assert sorted(events) == sorted(
            [("model_shadow", "M. Weber")] * 2 + [("model_activate", "M. Weber"), ("model_retire", "M. Weber")]
        )
