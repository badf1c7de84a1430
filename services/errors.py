"""The errors that whoever runs Lineside can act on: the message is one line that says what to do."""

from __future__ import annotations


class OperatorError(Exception):
    """Base of them; the command line prints the message and exits with status 1."""
