"""What can be said of the containers without a Docker engine: every name, file, setting and secret fits the others."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from models.welds.causes import DEFECT_CAUSES
from models.welds.features import FEATURES
from services.cli import app
from services.config import load_config
from services.store.influx.points import MEASUREMENTS, STATES_NS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("edge", "serve")
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")
SECRET = re.compile("PASSWORD|TOKEN")
GRAFANA = ROOT / "dashboards/grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def example() -> dict[str, str]:
    lines = (ROOT / "env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment(service: str) -> dict[str, str]:
    """Return a service's environment as compose gives it, each secret replaced by its own name."""
    return {name: VARIABLE.sub(r"\1", str(value)) for name, value in SERVICES[service].get("environment", {}).items()}


def mounts(service: str) -> dict[str, tuple[str, bool]]:
    """Return target -> (source, read only)."""
    found = {}
    for volume in SERVICES[service].get("volumes", []):
        source, target, *mode = volume.split(":")
        found[target] = (source, mode == ["ro"])
    return found


def test_every_variable_is_in_the_example_and_the_other_way_round() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert {match[1] for match in VARIABLE.finditer(text)} == set(example())


def test_no_secret_has_a_default_and_each_must_be_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for match in VARIABLE.finditer(text):
        if SECRET.search(match[1]):
            assert match[2] == ":?", match[0]
            assert example()[match[1]] == ""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert VARIABLE.fullmatch(str(value)), f"{name}: {key} is written out"


def test_every_mounted_file_exists_and_every_volume_is_declared() -> None:
    for service in SERVICES:
        for source, _ in mounts(service).values():
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]
    used = {source for service in SERVICES for source, _ in mounts(service).values()}
    assert set(COMPOSE["volumes"]) <= used


def test_ports_are_published_on_this_machine_unless_told_otherwise() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert VARIABLE.sub(r"\3", port).startswith("127.0.0.1:"), port


def test_every_service_has_a_health_check_and_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            assert how["condition"] in {"service_healthy", "service_started"}
    assert set(SERVICES["edge"]["depends_on"]) == {"broker", "influxdb"}


@pytest.mark.parametrize("name", OURS)
def test_the_command_is_one_of_the_command_line_with_those_options(name: str) -> None:
    command, *options = SERVICES[name]["command"]
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    known = group.commands[command]
    accepted = {option for parameter in known.params for option in parameter.opts}
    assert {option for option in options if option.startswith("-")} <= accepted


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_accepted_and_fit_the_other_services(name: str) -> None:
    (path,) = [value for value in SERVICES[name]["command"] if value.endswith(".toml")]
    source, read_only = mounts(name)[str(Path(path).parent)]
    assert read_only
    config = load_config(ROOT / source / Path(path).name, environment(name))
    influx = environment("influxdb")
    assert config.broker.host in SERVICES
    assert (config.broker.username, config.broker.password) == ("lineside", "LINESIDE_BROKER_PASSWORD")
    assert (config.store.backend, config.store.url) == ("influxdb", "http://influxdb:8086")
    assert config.store.org == influx["DOCKER_INFLUXDB_INIT_ORG"]
    assert config.store.bucket == influx["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert config.store.token == influx["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]
    assert mounts(name)[config.data_dir] == ("edge-data", name == "serve")
    assert any(port.endswith(f":{config.api.port}") for port in SERVICES["serve"]["ports"])


def test_the_broker_finds_its_files_from_its_working_directory() -> None:
    conf = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    settings = dict(line.split(" ", 1) for line in conf.splitlines() if line and not line.startswith("#"))
    assert mounts("broker")["/mosquitto/config"] == ("./deploy/mosquitto", True)
    assert mounts("broker")["/mosquitto/data"][0] == "broker-data"
    assert SERVICES["broker"]["working_dir"] == "/mosquitto"
    for setting in ("acl_file", "include_dir"):
        assert (ROOT / "deploy/mosquitto" / settings[setting].removeprefix("config/")).exists()
    assert settings["allow_anonymous"] == "false"
    assert (settings["persistence"], settings["autosave_on_changes"], settings["autosave_interval"]) == (
        "true",
        "true",
        "1",
    )
    assert int(settings["max_queued_messages"]) >= 10**9
    assert settings["max_queued_bytes"] == "0"
    assert "message_size_limit" not in settings


def test_dockerfile_copies_only_what_exists_and_is_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    def ignored(name: str) -> bool:
        out = False
        for rule in ignore:
            if rule and not rule.startswith("#") and fnmatch(name, rule.removeprefix("!")):
                out = not rule.startswith("!")
        return out

    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copies = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("COPY ") and "--from=" not in line]
    assert copies
    for *sources, _ in copies:
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not ignored(source.rstrip("/")), source
    assert ignored(".git")
    assert ignored("data")
    assert ignored("dashboards/web/node_modules")


def test_the_image_is_installed_from_the_locks_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    build, final = re.split(r"^FROM python:3\.11-slim$", text, flags=re.MULTILINE)[0], text.rsplit("\nFROM ", 1)[1]
    assert "FROM python:3.11-slim AS build" in build + text
    for lock in ("bootstrap", "run"):
        assert re.search(rf"--require-hashes .*requirements/{lock}\.txt", text)
    assert "pip install" not in final
    assert "npm" not in final
    assert re.search(r"^USER (?!root\b|0\b)\w+$", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["lineside"\]$', final, re.MULTILINE)
    volume = re.search(r"^VOLUME (\S+)$", final, re.MULTILINE)
    assert volume is not None
    assert volume[1] in mounts("edge")


def test_grafana_reads_its_provisioning_where_it_is_mounted() -> None:
    mounted = {target: source for target, (source, _) in mounts("grafana").items()}
    assert (ROOT / mounted["/etc/grafana/provisioning"]).resolve() == GRAFANA / "provisioning"
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/lineside.yml").read_text(encoding="utf-8"))[
        "providers"
    ]
    assert (ROOT / mounted[provider["options"]["path"]]).resolve() == GRAFANA / "dashboards"
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/influxdb.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    influx = environment("influxdb")
    assert source["url"] == "http://influxdb:8086"
    assert source["jsonData"]["organization"] == influx["DOCKER_INFLUXDB_INIT_ORG"]
    assert source["jsonData"]["defaultBucket"] == influx["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert source["secureJsonData"]["token"].removeprefix("$") in SERVICES["grafana"]["environment"]


def test_prometheus_scrapes_the_web_server_and_grafana_asks_prometheus() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    board = json.loads((GRAFANA / "dashboards/prometheus/processes.json").read_text(encoding="utf-8"))
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    assert {target["datasource"]["uid"] for target in targets} == {source["uid"]}
    assert board["uid"] not in {json.loads(path.read_text(encoding="utf-8"))["uid"] for path in DASHBOARDS}
    folder, read_only = mounts("prometheus")["/etc/prometheus"]
    assert read_only
    scraped = yaml.safe_load((ROOT / folder / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (target,) = scraped[0]["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert SERVICES[host]["ports"][0].endswith(f":{port}")
    token = scraped[0]["authorization"]["credentials_file"]
    assert f"/{token}" in (ROOT / folder / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_dashboards_are_whole() -> None:
    assert {path.stem for path in DASHBOARDS} == {"itself", "quality", "spot"}
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards)
    links = set(re.findall(r'"/d/([\w-]+)\?', json.dumps(boards)))
    assert links <= {board["uid"] for board in boards}
    for board in boards:
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        known = {variable["name"] for variable in board["templating"]["list"]}
        for panel in board["panels"]:
            assert panel["title"]
            assert panel["description"]
            used = set(re.findall(r"\$\{(\w+)(?::\w+)?\}", panel["targets"][0]["query"]))
            assert used <= known, f"{panel['title']}: {used - known}"
            grid = panel["gridPos"]
            assert grid["x"] + grid["w"] <= 24


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_name_what_the_influxdb_store_writes(path: Path) -> None:
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        query = panel["targets"][0]["query"]
        (measurement,) = set(re.findall(r'r\._measurement == "(\w+)"', query))
        tags, fields = MEASUREMENTS[measurement]
        assert set(re.findall(r'r\._field == "(\w+)"', query)) <= set(fields), panel["title"]
        filters = "\n".join(re.findall(r"filter\(fn: \(r\) => .*\)$", query, re.MULTILINE))
        assert set(re.findall(r"r\.([a-z]\w*) (?:==|=~)", filters)) <= set(tags), panel["title"]


def test_latest_states_are_looked_for_where_they_are_kept() -> None:
    ranges = re.findall(r"range\(start: (2\S+), stop: (2\S+)\)", "".join(path.read_text() for path in DASHBOARDS))
    assert ranges
    for start, stop in ranges:
        assert datetime.fromisoformat(start).timestamp() < STATES_NS / 1e9 < datetime.fromisoformat(stop).timestamp()


def test_dashboards_list_the_models_causes_and_features() -> None:
    quality, spot = (
        json.loads((GRAFANA / f"dashboards/{name}.json").read_text(encoding="utf-8")) for name in ("quality", "spot")
    )
    patterns = re.findall(r"=~ /\^\(([a-z_|]+)\)\$/", json.dumps(quality))
    assert patterns
    assert set(patterns) == {"|".join(DEFECT_CAUSES)}
    (features,) = [variable for variable in spot["templating"]["list"] if variable["name"] == "feature"]
    assert tuple(features["query"].split(",")) == FEATURES
