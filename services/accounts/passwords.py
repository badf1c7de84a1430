"""What a password must be, and its hash.

Rules after NIST SP 800-63B-4, 3.1.1.2: at least 15 characters, as nothing else is asked for; every character is
allowed; no rules of composition and no expiry, but common and expected ones are refused. Hash: argon2id with the
parameters of RFC 9106 for little memory (64 MiB), salted.
"""

from __future__ import annotations

import functools
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.accounts.model import AccountError

MIN_LENGTH = 15
MAX_LENGTH = 256
MIN_SCORE = 3
"""Of zxcvbn's 0 to 4: more than 10⁸ guesses by somebody who knows common passwords, keyboard rows and this user."""
MIN_OWN = 8
"""Letters and digits that are neither the user's name nor Lineside's."""
PRODUCT = "lineside"
ESTIMATED = 72
"""Characters that are looked at: its work grows fast with the length, and so many are enough."""
_HASHER = PasswordHasher()


def check_password(password: str, *known: str) -> None:
    """Raise `AccountError` for a password that is too short, too long or too easy; `known` are words about its user."""
    folded = _fold(password)
    if not MIN_LENGTH <= len(folded) <= MAX_LENGTH:
        expected = f"{MIN_LENGTH} to {MAX_LENGTH} characters, such as four words that do not belong together"
        raise AccountError(
            f"the password has {len(folded)} characters; expected {expected}", field="password", expected=expected
        )
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its word lists take a tenth of a second, and logging in needs none

    found = zxcvbn(folded[:ESTIMATED], user_inputs=[PRODUCT, *known])
    own = _without(folded, (PRODUCT, *known))
    if found["score"] < MIN_SCORE or own < MIN_OWN:
        made_of_known = "It is little more than the user's name."
        why = made_of_known if own < MIN_OWN else found["feedback"]["warning"] or "It is easily guessed."
        expected = "one that is hard to guess, such as four words that do not belong together"
        raise AccountError(f"the password is too easy. {why}", field="password", expected=expected)


def hash_password(password: str) -> str:
    """Return the argon2id hash, in its usual text form. Takes 64 MiB and some 50 ms: not for an event loop."""
    return _HASHER.hash(_fold(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Tell whether a password fits its hash; with None, for a user there is not, the work is the same."""
    decoy = _decoy()  # before either way is taken, so that its making tells nothing
    try:
        _HASHER.verify(stored or decoy, _fold(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Tell whether a hash should be made anew, with the parameters of today."""
    return _HASHER.check_needs_rehash(stored)


def _without(password: str, known: tuple[str, ...]) -> int:
    """Return how many letters and digits there are besides what is known of the user, which zxcvbn lets repeat."""
    rest = password.casefold()
    for word in sorted((word.casefold() for word in known if len(word) > 2), key=len, reverse=True):
        rest = rest.replace(word, " ")
    return sum(sign.isalnum() for sign in rest)


def _fold(password: str) -> str:
    """Return one spelling for what looks alike on every keyboard (NFKC, as the standard has it)."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def _decoy() -> str:
    return _HASHER.hash(secrets.token_urlsafe())
