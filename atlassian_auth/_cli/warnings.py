"""What the library warns of, as lines on standard error: a shell user has no logging configured."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from atlassian_auth._cli.output import say

__all__ = ["told_warnings"]

_LOGGER = logging.getLogger("atlassian_auth")

# The command ends with an error that says the same.
_TOLD_ANYWAY = ("AuthorizationNeeded", "RotationUnsaved")


@contextmanager
def told_warnings() -> Generator[None]:
    """Print the library's warnings while this is entered, each in one line."""
    handler = _Lines(logging.WARNING)
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) not in _TOLD_ANYWAY:
            say(f"atlassian-auth: {' '.join(record.getMessage().split())}")
