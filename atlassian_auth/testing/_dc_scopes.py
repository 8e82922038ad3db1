"""Data Center's scopes: each of the four levels includes the lower ones; other scopes include nothing."""

from __future__ import annotations

__all__ = ["covers_any"]

# "OAuth 2.0 scopes for incoming links", Jira 10.1; Jira 10.3 adds some without a level.
_LEVELS = ("READ", "WRITE", "ADMIN", "SYSTEM_ADMIN")


def covers_any(held: tuple[str, ...], needed: str) -> bool:
    """Return whether one of the held scopes is enough."""
    return any(_covers(scope, needed) for scope in held)


def _covers(held: str, needed: str) -> bool:
    if held in _LEVELS and needed in _LEVELS:
        return _LEVELS.index(held) >= _LEVELS.index(needed)
    return held == needed
