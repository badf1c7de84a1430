"""Where the bundled web application lies."""

from __future__ import annotations

from pathlib import Path


def web_root() -> Path | None:
    """Return the folder with `index.html`: inside the installed wheel, or `dashboards/web/dist` of a checkout.

    None when there is none: the checkout was not bundled yet (`make web`).
    """
    here = Path(__file__).resolve()
    for folder in (here.with_name("web_files"), here.parents[2] / "dashboards" / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None
