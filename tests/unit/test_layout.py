"""What the checkout must look like, so that its generic package names, locks and files keep their promises."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from importlib.metadata import EntryPoint, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("edge", "models", "services")
INSTALLED = packages_distributions()
LOCKS = ("bootstrap", "run", "dev", "audit")
MOST_LINES = 450
# Spelled in parts, so that this file does not hold what it forbids.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("maven", "org"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATHS = tuple(
    "".join(f"/{part}" for part in path.split()) for path in ("work main", "work shared", "tmp w", "root")
)


def files() -> list[Path]:
    """Return every file that is committed, or would be by `git add --all`."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: which files belong to it is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found.append((path.relative_to(ROOT), data.decode("utf-8")))
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_our_packages_are_those_of_this_checkout(name: str) -> None:
    file = importlib.import_module(name).__file__
    assert file is not None
    assert Path(file).resolve() == ROOT / name / "__init__.py"


@pytest.mark.parametrize("name", [*PACKAGES, "benchmarks", "dashboards", "tests"])
def test_no_installed_distribution_ships_a_package_of_the_same_name(name: str) -> None:
    assert set(INSTALLED.get(name, [])) <= {"lineside"}


def test_it_can_never_be_uploaded() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_the_lineside_command_exists() -> None:
    value = PROJECT["project"]["scripts"]["lineside"]
    assert callable(EntryPoint("lineside", value, "console_scripts").load())


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    hosts = [re.escape(host) for host in HOSTS]
    paths = [rf"{path}(?![\w-])" for path in MACHINE_PATHS]
    wrong = re.compile("|".join(hosts + paths))
    found = [f"{path}: {match.group()}" for path, text in texts() for match in wrong.finditer(text)]
    assert not found


@pytest.mark.parametrize("name", LOCKS)
def test_each_lock_pins_every_package_by_hash_and_names_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pinned = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]
    assert pinned
    for block in pinned:
        assert re.match(r"[a-z0-9._-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_the_locks_hold_what_the_project_asks_for() -> None:
    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=!~\[; ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}

    locked = {
        name: names(
            re.findall(r"^\S+==\S+", (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8"), re.MULTILINE)
        )
        for name in LOCKS
    }
    assert names(PROJECT["project"]["dependencies"]) <= locked["run"]
    assert names(PROJECT["build-system"]["requires"]) <= locked["run"]
    assert names(PROJECT["dependency-groups"]["dev"]) <= locked["dev"]
    assert names(PROJECT["dependency-groups"]["audit"]) <= locked["audit"]
    assert locked["run"] <= locked["dev"]


def test_the_web_lock_pins_by_hash_and_names_no_address() -> None:
    text = (ROOT / "dashboards/web/package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text.replace('"url": "https://', "")  # a sponsor's page, not where a package comes from
    assert '"resolved"' not in text
    assert text.count('"integrity": "sha512-') == text.count('"node_modules/') > 0


def test_no_file_is_longer_than_a_person_reads() -> None:
    kinds = {".py", ".js", ".mjs", ".css", ".html", ".sh", ".md", ".toml", ".yml", ".conf", ""}
    long = {
        str(path): lines
        for path, text in texts()
        if path.suffix in kinds and path.name != "LICENSE" and (lines := text.count("\n")) > MOST_LINES
    }
    assert not long


def test_nothing_that_is_made_is_committed() -> None:
    made = [path for path in files() if {"dist", "node_modules", ".venv"} & set(path.relative_to(ROOT).parts)]
    assert not made
