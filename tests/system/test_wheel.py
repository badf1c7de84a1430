"""The wheel as a stranger would install it: our three packages, and the web application that is never committed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]
WEB = "services/api/web_files"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / "dashboards/web/node_modules/.package-lock.json").exists():
        if os.environ.get("LINESIDE_REQUIRE_SERVICES") == "1":
            pytest.fail("the bundler is required and not installed: run `make web`")
        pytest.skip("the bundler is not installed: run `make web`")
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("lineside-*.whl")
    return made


def test_it_holds_the_packages_and_nothing_of_the_checkout_besides(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edge", "models", "services"}


def test_every_file_that_the_page_names_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        page = archive.read(f"{WEB}/index.html").decode()
        names = re.findall(r'(?:src|href)="/([^"]+)"', page)
        assert any(re.fullmatch(r"assets/main-[A-Z0-9]{8}\.js", name) for name in names)
        assert any(re.fullmatch(r"assets/main-[A-Z0-9]{8}\.css", name) for name in names)
        for name in names:
            assert archive.getinfo(f"{WEB}/{name}").file_size > 0


def test_an_installed_wheel_finds_its_page(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    found = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            "import sys; sys.path.insert(0, sys.argv[1])\nfrom services.api.web import web_root; print(web_root())",
            str(tmp_path),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()) == tmp_path / WEB
