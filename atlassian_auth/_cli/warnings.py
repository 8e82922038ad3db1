"""Prints the library's warnings on standard error, because a shell user has no logging configured."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from atlassian_auth._cli.output import say

__all__ = ["print_warnings"]

_LOGGER = logging.getLogger("atlassian_auth")

# Events that the command also reports as an error.
_REPORTED_AS_ERROR = ("AuthorizationNeeded", "RotationUnsaved")


@contextmanager
def print_warnings() -> Generator[None]:
    """Print each of the library's warnings as one line while the context is open."""
    handler = _WarningLines(logging.WARNING)
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)


class _WarningLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) not in _REPORTED_AS_ERROR:
            say(f"atlassian-auth: {' '.join(record.getMessage().split())}")
