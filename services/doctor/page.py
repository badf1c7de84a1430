"""The web page: does it answer, or may it have its port."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

from edge.findings import Finding
from edge.settings import SettingsError
from services.config import Config
from services.errors import OperatorError
from services.sockets import listen
from services.web_access import check_access

ABOUT = "page"
ANSWER_S = 5.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - the address of every interface, asked on this machine


def check_page(config: Config) -> Iterator[Finding]:
    """Yield whether a page that runs is of use, or whether one could be started."""
    host, port = config.api.host, config.api.port
    try:
        check_access(config)
    except (OperatorError, SettingsError) as error:
        yield Finding("wrong", ABOUT, str(error))
    try:
        listen(host, port).close()
    except SettingsError as error:
        if "is taken" not in str(error):
            yield Finding("wrong", ABOUT, str(error), "set api.host to an address of this machine")
            return
    else:
        yield Finding("fine", ABOUT, f"nothing listens on {host}:{port}; the page may")
        return
    url = f"{'https' if config.api.cert_file else 'http'}://{ANY.get(host, host)}:{port}"
    # The certificate names the server as others reach it, and this is the machine itself.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_S, context=context) as answer:  # noqa: S310 - http(s)
            ready = json.load(answer)
    except urllib.error.HTTPError as error:
        yield _refused(error, url)
    except (OSError, ValueError) as error:
        what = f"what listens on {host}:{port} is no page of Lineside's ({error})"
        yield Finding("wrong", ABOUT, what, "stop it, or set api.port")
    else:
        fed = ready.get("live_feed") == "connected"
        what = f"{url} is ready, its live feed {ready.get('live_feed', 'unknown')}"
        yield Finding("fine" if fed else "warning", ABOUT, what, "" if fed else "see the findings about the broker")


def _refused(error: urllib.error.HTTPError, url: str) -> Finding:
    try:
        detail = str(json.load(error)["detail"])
    except (OSError, ValueError, LookupError, TypeError):
        what = f"what listens at {url} is no page of Lineside's (HTTP {error.code})"
        return Finding("wrong", ABOUT, what, "stop it, or set api.port")
    return Finding("wrong", ABOUT, f"{url} is not ready: {detail}", "see the findings about the broker and the store")
