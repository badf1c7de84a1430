"""Hatchling's build hook: a wheel carries the web application, though it is never committed.

A normal wheel is always bundled afresh. An editable install serves the checkout's own `dashboards/web/dist` and bundles
only when that is missing, so that reinstalling after a change of `pyproject.toml` stays quick.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGED = "services/api/web_files"
"""Where `services.api.web` looks for the bundle in an installed wheel."""


class WebBuildHook(BuildHookInterface[Any]):
    """Bundle, then put the bundle into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise `RuntimeError` when the bundle cannot be made: a wheel without its pages must not exist."""
        if self.target_name != "wheel":
            return
        dashboards = Path(self.root, "dashboards")
        dist = dashboards / "web" / "dist"
        if version != "editable" or not (dist / "index.html").is_file():
            made = subprocess.run([sys.executable, str(dashboards / "build_web.py")], check=False)
            if made.returncode:
                raise RuntimeError(f"the web application could not be bundled (exit {made.returncode}); see above")
        if version != "editable":
            build_data["force_include"][str(dist)] = PACKAGED
