"""What must be so before the web server starts: it asks for a login where others can reach it, and TLS can begin."""

from __future__ import annotations

import logging
import ssl

from edge.settings import SettingsError
from services.accounts.accounts import Accounts
from services.config import Config

_log = logging.getLogger(__name__)


def check_access(config: Config) -> None:
    """Raise `SettingsError` that says what to do, or `AccountsFileError` when the accounts cannot be read."""
    api, accounts = config.api, Accounts(config)
    try:
        has_administrator = accounts.users.has_administrator
    finally:
        accounts.close()
    if api.is_reachable and not has_administrator:
        why = "api.behind_proxy is set" if api.behind_proxy else f"api.host is {api.host!r}"
        raise SettingsError(
            f"{why}, so that others can reach this server, and {accounts.path} knows no administrator; "
            "make one first: lineside user add NAME --role administrator"
        )
    if api.key_file and not api.cert_file:
        raise SettingsError("api.key_file is set without api.cert_file; expected both, or neither")
    if api.cert_file:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(api.cert_file, api.key_file or None)
        except OSError as error:
            files = " with ".join(filter(None, (api.cert_file, api.key_file)))
            raise SettingsError(f"api.cert_file: {files} cannot be used for TLS: {error}") from None
    elif api.is_reachable and not api.behind_proxy:
        _log.warning("passwords and sessions travel in the clear: set api.cert_file, or put a proxy with TLS in front")
