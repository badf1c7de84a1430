"""Which Lineside this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("lineside")
    except PackageNotFoundError:
        return "unknown"


VERSION = _version()
"""As installed; `unknown` when it runs from a checkout that was not."""
