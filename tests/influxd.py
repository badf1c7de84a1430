"""A real influxd for tests, with an organisation and a token of its own; what it keeps lies in one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import httpx

from services.config import StoreSettings
from tests.running import free_port, wait_until

UP_S = 30.0
TOKEN = "token-of-the-tests"
ORG = "lineside"


def find_influxd() -> str | None:
    """The binary named by LINESIDE_INFLUXD (see `.ci/build-influxd`), or the one on the PATH."""
    return shutil.which(os.environ.get("LINESIDE_INFLUXD") or "influxd")


class Influxd:
    """One server on one loopback port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, or start it again on what it kept."""
        binary = find_influxd()
        assert binary is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    binary,
                    f"--http-bind-address=127.0.0.1:{self.port}",
                    f"--bolt-path={self.folder / 'influxd.bolt'}",
                    f"--sqlite-path={self.folder / 'influxd.sqlite'}",
                    f"--engine-path={self.folder / 'engine'}",
                    "--reporting-disabled",
                    "--ui-disabled",
                    "--log-level=error",
                ],
                stdout=log,
                stderr=log,
                env={"HOME": str(self.folder), "PATH": os.environ.get("PATH", os.defpath)},
            )
        wait_until(self._answers, UP_S, "influxd")
        if httpx.get(f"{self.url}/api/v2/setup").json()["allowed"]:
            first = {"username": "tests", "password": "password", "org": ORG, "bucket": "first", "token": TOKEN}
            httpx.post(f"{self.url}/api/v2/setup", json=first).raise_for_status()

    def settings(self, bucket: str = "") -> StoreSettings:
        """Settings of a store in a bucket, by default one that does not exist yet."""
        name = bucket or f"bucket-{uuid.uuid4().hex}"
        return StoreSettings(backend="influxdb", url=self.url, org=ORG, bucket=name, token=TOKEN)

    def api(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the server's own API, as its operator."""
        headers = {"Authorization": f"Token {TOKEN}"}
        return httpx.request(method, f"{self.url}/api/v2/{path}", json=body, headers=headers, timeout=30)

    def org_id(self) -> str:
        return str(self.api("GET", f"orgs?org={ORG}").json()["orgs"][0]["id"])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "influxd.log").read_text()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False
