"""`lineside doctor` in real bad situations: each is found, with what to do about it; nothing is left behind."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec
import pytest

from edge.findings import Finding
from edge.journal import Journal
from services.config import Api, Broker, Config, StoreSettings
from services.config import Journal as JournalSettings
from services.doctor.broker import check_broker_of
from services.doctor.clock import check_clock
from services.doctor.data import check_data
from services.doctor.disk import check_disk
from services.doctor.examination import examine
from services.doctor.page import check_page
from services.doctor.settings import check_settings
from services.doctor.store import check_store
from services.layout import DataLayout
from services.locks import DataLock
from services.store import open_store
from tests.influxd import Influxd
from tests.running import free_port
from tests.system.authority import Authority
from tests.system.mosquitto import Mosquitto

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]


def told(findings: Iterator[Finding], *levels: str) -> list[str]:
    return [str(finding) for finding in findings if not levels or finding.level in levels]


def doctor(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "doctor", *arguments],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "COLUMNS": "300", **environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_all_is_well_on_a_machine_that_is(make_mosquitto: Callable[[str], Mosquitto], tmp_path: Path) -> None:
    broker = make_mosquitto("")
    broker.start()
    (tmp_path / "lineside.toml").write_text(
        f'data_dir = "d"\n[broker]\nport = {broker.port}\n[api]\nport = {free_port()}\n', encoding="utf-8"
    )
    before = sorted(tmp_path.iterdir())
    done = doctor(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = msgspec.json.decode(done.stdout, type=dict[str, list[Finding]])["findings"]
    assert any("kept 1,100 small message(s) and one of 4,194,304 bytes" in finding.what for finding in found)
    assert {finding.about for finding in found} >= {"settings", "python", "clock", "disk", "data", "broker", "store"}
    assert not any(finding.level == "wrong" for finding in found)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_wrong_is_status_1_and_says_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "lineside.toml").write_text(f"[broker]\nport = {port}\n", encoding="utf-8")
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert f"no broker at mqtt://127.0.0.1:{port}: Connection refused" in done.stdout
    assert "→ start it, or set broker.host and broker.port" in done.stdout
    assert "1 wrong" in done.stdout
    assert "Traceback" not in done.stderr


def test_settings_that_cannot_be_read_end_it(tmp_path: Path) -> None:
    file = tmp_path / "lineside.toml"
    file.write_text("[broker]\nprot = 1\n", encoding="utf-8")
    (finding,) = examine(file, None, lambda _: None)
    assert (finding.level, finding.what) == ("wrong", f"{file}: unknown key 'broker.prot'; did you mean 'port'?")
    (finding,) = examine(tmp_path / "absent.toml", None, lambda _: None)
    assert (finding.level, "No such file" in finding.what) == ("wrong", True)


def test_secrets_that_everyone_can_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "lineside.toml"
    file.write_text('[broker]\npassword = "hunter2"\nhost = "far.example"\n', encoding="utf-8")
    secret = tmp_path / "token"
    secret.write_text("t", encoding="utf-8")
    config = Config(
        broker=Broker(host="far.example", password="hunter2"),
        store=StoreSettings(backend="influxdb", url="http://far.example:8086", token_file=str(secret)),
    )
    file.chmod(0o644)
    secret.chmod(0o644)
    wrong = told(check_settings(config, file), "wrong")
    assert f"{file} holds broker.password and can be read by everyone on this machine; chmod 600 {file}" in wrong[0]
    assert wrong[1] == f"store.token_file {secret} can be read by everyone on this machine; chmod 600 {secret}"
    file.chmod(0o600)
    secret.chmod(0o640)
    assert told(check_settings(config, file), "wrong") == []
    warnings = told(check_settings(config, file), "warning")
    assert [text.split(" to ")[0] for text in warnings] == ["the password goes", "the token goes"]
    assert not any("hunter2" in text for text in told(check_settings(config, file)))
    secret.unlink()
    assert "No such file" in told(check_settings(config, file), "wrong")[0]


def test_a_plant_that_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    config = Config(plant=str(tmp_path / "plant.toml"))
    assert "plant.toml" in told(check_settings(config, None), "wrong")[0]


def test_a_disk_in_memory_and_too_small_is_wrong(small_disk: Path) -> None:
    wrong = told(check_disk(Config(data_dir=str(small_disk / "data"))), "wrong")
    assert f"{small_disk} lies on tmpfs" in wrong[0]
    assert "all is gone at the next restart" in wrong[0]
    assert "less than journal.min_free_bytes 256 MiB: nothing is acknowledged; make room" in wrong[1]
    assert list(small_disk.iterdir()) == []
    small = Config(data_dir=str(small_disk), journal=JournalSettings(max_bytes=2**30, min_free_bytes=2**20))
    (warning,) = told(check_disk(small), "warning")
    assert (
        "the journal may grow by 1.0 GiB (journal.max_bytes), so a long outage of the store fills the disk" in warning
    )
    advised = int(warning.rsplit("journal.max_bytes to ", 1)[1].split()[0])
    fits = msgspec.structs.replace(small.journal, max_bytes=advised)
    assert told(check_disk(msgspec.structs.replace(small, journal=fits)), "warning") == []


def test_the_disk_says_how_long_an_fsync_takes(tmp_path: Path) -> None:
    assert any("an fsync of 8 KiB takes " in text for text in told(check_disk(Config(data_dir=str(tmp_path / "new")))))
    (tmp_path / "file").write_text("", encoding="ascii")
    (wrong,) = told(check_disk(Config(data_dir=str(tmp_path / "file"))), "wrong")
    assert "cannot be written" in wrong


def test_the_data_folder_says_who_works_in_it_and_what_is_damaged(tmp_path: Path) -> None:
    config, layout = Config(data_dir=str(tmp_path)), DataLayout(tmp_path)
    Journal.open(layout.journal, 2**20, 0).close()
    open_store(config.store, tmp_path).close()
    with DataLock(tmp_path):
        assert told(check_data(config))[0] == f"a Lineside works in {tmp_path}"
        assert "is held by the Lineside" in told(check_store(config), "fine")[0]
    assert told(check_data(config), "wrong") == []
    assert told(check_data(config))[0] == f"no Lineside works in {tmp_path}"
    assert "takes a row and gives it back" in told(check_store(config), "fine")[0]
    with duckdb.connect(str(layout.store)) as connection:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    assert "doctor" not in tables
    layout.state.write_bytes(b"not a snapshot")
    layout.store.write_bytes(b"not a store" * 1000)
    layout.journal.write_bytes(b"not a journal" * 1000)
    assert len(told(check_data(config), "wrong")) == 2
    (wrong,) = told(check_store(config), "wrong")
    assert str(layout.store) in wrong


class _Other(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def somebody_else() -> Iterator[int]:
    """Run another program's web server."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_port_that_another_program_has_is_told_from_a_page_of_ours(tmp_path: Path) -> None:
    with somebody_else() as port:
        (wrong,) = told(check_page(Config(api=Api(port=port))), "wrong")
    assert "is no page of Lineside's (HTTP 404); stop it, or set api.port" in wrong
    (fine,) = told(check_page(Config(api=Api(port=free_port()))), "fine")
    assert "nothing listens" in fine
    far = Config(data_dir=str(tmp_path), api=Api(host="192.0.2.1"))
    nobody, wrong = told(check_page(far), "wrong")
    assert "knows no administrator; make one first" in nobody
    assert "set api.host to an address of this machine" in wrong
    assert list(tmp_path.iterdir()) == []


def test_the_broker_is_looked_at_from_password_to_certificate(
    make_mosquitto: Callable[[str], Mosquitto], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    crt, key = authority.sign("server", "broker", names="IP:127.0.0.1")
    port = free_port()
    broker = make_mosquitto(f"listener {port} 127.0.0.1\ncertfile {crt}\nkeyfile {key}\n")
    broker.start()
    config = Config(broker=Broker(host="127.0.0.1", port=port, ca_file=authority.ca_file, username="anna"))
    findings = list(check_broker_of(config, None))
    assert f"mqtts://127.0.0.1:{port} answers, and takes Lineside as user 'anna'" in findings[0].what
    ends = [finding.what for finding in findings if "ends in" in finding.what]
    assert ends == ["its certificate ends in 2 days", f"the authority in {authority.ca_file} ends in 2 days"]
    assert any(finding.what == "it speaks TLSv1.3" for finding in findings)
    plain = msgspec.structs.replace(config.broker, ca_file="", cert_file=crt)
    (wrong,) = told(check_broker_of(Config(broker=plain), None))
    assert wrong.startswith("broker.cert_file is set and broker.ca_file, which switches TLS on, is not")


@pytest.fixture
def bucket(influxd: Influxd) -> StoreSettings:
    """The settings of a store whose bucket has been made."""
    settings = influxd.settings()
    made = influxd.api("POST", "buckets", {"orgID": influxd.org_id(), "name": settings.bucket, "retentionRules": []})
    made.raise_for_status()
    return settings


def token(influxd: Influxd, bucket: str, *actions: str) -> str:
    """Return a token that may do only this to one bucket."""
    (found,) = influxd.api("GET", f"buckets?name={bucket}").json()["buckets"]
    resource = {"type": "buckets", "id": found["id"], "orgID": influxd.org_id()}
    permissions = [{"action": action, "resource": resource} for action in actions]
    order = {"orgID": influxd.org_id(), "permissions": permissions}
    answer = influxd.api("POST", "authorizations", order)
    answer.raise_for_status()
    return str(answer.json()["token"])


def test_influxdb_takes_a_point_and_keeps_nothing_of_it(influxd: Influxd, bucket: StoreSettings) -> None:
    config = Config(store=bucket)
    assert told(check_store(config), "wrong", "warning") == []
    assert told(check_store(config), "fine")[-1] == "it took a point, gave it back, and took it away again"
    store = open_store(bucket, Path())
    try:
        count = influxd.api(
            "POST",
            f"query?org={bucket.org}",
            {"query": f'from(bucket: "{bucket.bucket}") |> range(start: -1d) |> count()', "type": "flux"},
        )
        assert count.text.strip() == ""
    finally:
        store.close()
    assert told(check_clock(config), "fine")[-1].startswith("InfluxDB's clock agrees")


def test_what_influxdb_refuses_is_told_by_its_cause(influxd: Influxd, bucket: StoreSettings) -> None:
    def wrong(**changes: str) -> str:
        (only,) = told(check_store(Config(store=msgspec.structs.replace(bucket, **changes))), "wrong")
        return only

    assert wrong(token="").startswith("store.token is empty")
    assert wrong(token="of nobody").startswith("InfluxDB does not know the token; set LINESIDE_STORE_TOKEN")
    assert wrong(token=token(influxd, bucket.bucket, "read")).startswith("the token may not read and write bucket")
    assert wrong(token=token(influxd, bucket.bucket, "write")).startswith("this token sees no bucket")
    assert wrong(bucket="absent").startswith("this token sees no bucket 'absent'")
    refused = wrong(url=f"http://127.0.0.1:{free_port()}")
    assert "no InfluxDB at" in refused
    assert refused.endswith("Connection refused; start it, or set store.url")


def test_a_bucket_that_forgets_is_told(influxd: Influxd) -> None:
    settings = influxd.settings()
    rule = {"type": "expire", "everySeconds": 30 * 86_400}
    order = {"orgID": influxd.org_id(), "name": settings.bucket, "retentionRules": [rule]}
    influxd.api("POST", "buckets", order).raise_for_status()
    (warning,) = told(check_store(Config(store=settings)), "warning")
    assert warning.startswith(f"bucket {settings.bucket!r} forgets verdicts after 30 days")


def test_a_clock_that_is_off_is_told(tmp_path: Path) -> None:
    """A server whose clock is an hour behind, as its Date header says."""

    class Behind(_Other):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def date_time_string(self, *_: object) -> str:
            return "Wed, 01 Jan 2025 00:00:00 GMT"

    with http.server.HTTPServer(("127.0.0.1", 0), Behind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        store = StoreSettings(backend="influxdb", url=f"http://127.0.0.1:{server.server_port}")
        (wrong,) = told(check_clock(Config(store=store)), "wrong")
        server.shutdown()
        thread.join()
    assert "InfluxDB's clock is" in wrong
    assert "s behind this machine's; synchronise both (NTP)" in wrong
