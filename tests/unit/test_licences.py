"""The licence gate shuts: a locked package whose licence is not accepted, or not known, is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci/licences.py"), *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_locked_package_has_an_accepted_licence() -> None:
    done = check()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(" packages, 0 refused")


@pytest.mark.parametrize(
    ("states", "accepted"),
    [
        ("License-Expression: MIT OR GPL-3.0-only", True),
        ("License-Expression: MIT AND GPL-3.0-only", False),
        ("License-Expression: (MIT OR GPL-3.0-only)", False),
        ("License-Expression: GPL-3.0-only", False),
        ("License: GPLv3", False),
        ("License: MIT", True),
        ("Classifier: License :: OSI Approved :: BSD License", True),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("", False),
    ],
)
def test_what_a_package_says_of_itself_decides(tmp_path: Path, states: str, accepted: bool) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "dashboards/web").mkdir(parents=True)
    for name in ("bootstrap", "run", "dev"):
        shutil.copy(ROOT / f"requirements/{name}.txt", tmp_path / "requirements")
    shutil.copy(ROOT / "dashboards/web/package-lock.json", tmp_path / "dashboards/web")
    with (tmp_path / "requirements/run.txt").open("a", encoding="utf-8") as locked:
        locked.write("stranger==1.0 \\\n    --hash=sha256:00\n")
    about = tmp_path / "site/stranger-1.0.dist-info/METADATA"
    about.parent.mkdir(parents=True)
    line = f"{states}\n" if states else ""
    about.write_text(f"Metadata-Version: 2.4\nName: stranger\nVersion: 1.0\n{line}", encoding="utf-8")
    done = check(str(tmp_path), PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode == 0) == accepted, done.stderr
    assert ("stranger: " in done.stderr) == (not accepted)


def test_a_package_of_the_web_application_counts_too(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    (tmp_path / "dashboards/web").mkdir(parents=True)
    lock = json.loads((ROOT / "dashboards/web/package-lock.json").read_text(encoding="utf-8"))
    lock["packages"]["node_modules/stranger"] = {"version": "1.0.0", "license": "SSPL-1.0"}
    (tmp_path / "dashboards/web/package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    done = check(str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("npm:stranger: SSPL-1.0; expected one")
