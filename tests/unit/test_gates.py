"""The gates shut: each rule that CI relies on refuses a file that breaks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and the settings of the gates."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("edge", "models", "services"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def layers(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, str(SCRIPTS / "lint-imports"), "--no-cache")


def test_the_layers_are_kept(copy: Path) -> None:
    done = layers(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("models/rates.py", "import edge.topics", "Arrows point one way"),
        ("edge/topics.py", "import services.config", "Arrows point one way"),
        ("models/rates.py", "import socket", "models does no I/O"),
        ("models/rates.py", "import pyarrow", "models does no I/O"),
        ("edge/sources/rejects.py", "import edge.simulator.settings", "The judge never sees the simulator"),
        ("services/store/schema.py", "import fastapi", "Stores know nothing of the web"),
    ],
)
def test_an_import_that_breaks_a_contract_is_refused(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    kept = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{kept}\n{line}\n", encoding="utf-8")
        done = layers(copy)
    finally:
        path.write_text(kept, encoding="utf-8")
    assert done.returncode != 0
    broken = [text for text in done.stdout.splitlines() if text.strip().endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), done.stdout


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("import os\n", ("ruff", "check")),
        ("x = {  'a':1}\n", ("ruff", "format", "--check")),
        ("def f(x):\n    return x\n", ("mypy",)),
        ('x: int = "one"\n', ("mypy",)),
    ],
)
def test_style_format_and_types_are_checked(tmp_path: Path, text: str, command: tuple[str, ...]) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "models/wrong.py"
    file.write_text('"""A file that breaks one rule."""\n\n' + text, encoding="utf-8")
    options = ("--no-incremental",) if command == ("mypy",) else ("--no-cache",)
    done = run(tmp_path, str(SCRIPTS / command[0]), *command[1:], *options, str(file))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "wrong.py" in done.stdout + done.stderr


WRONG_TESTS = {
    "warns": ("import warnings\n\n\ndef test():\n    warnings.warn('old')\n", "UserWarning: old"),
    "leaks": ("def test():\n    open(__file__)\n", "ResourceWarning"),
    "hangs": ("import time\n\n\ndef test():\n    time.sleep(60)\n", "Timeout (>0.5s)"),
}


def pytest_on(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests").mkdir()
    for name, text in files.items():
        (folder / f"tests/test_{name}.py").write_text(text, encoding="utf-8")
    return run(folder, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "timeout=0.5")


def test_a_test_that_warns_leaks_or_hangs_fails(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, {name: text for name, (text, _) in WRONG_TESTS.items()})
    assert done.returncode == 1
    assert "3 failed" in done.stdout
    for _, says in WRONG_TESTS.values():
        assert says in done.stdout


def test_a_mark_that_nobody_declared_is_refused(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, {"marked": "import pytest\n\n\n@pytest.mark.sytem\ndef test():\n    pass\n"})
    assert done.returncode == 2
    assert "'sytem' not found" in done.stdout
