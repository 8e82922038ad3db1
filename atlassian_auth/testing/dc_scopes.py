"""Data Center's scopes: levels that include each other, and two that stand alone."""

from __future__ import annotations

__all__ = ["covers", "covers_any", "is_known"]

# "OAuth 2.0 scopes for incoming links", Jira 10.1 and 10.3.
_LEVELS = ("READ", "WRITE", "ADMIN", "SYSTEM_ADMIN")
_ALONE = frozenset({"READ_ALL", "MANAGE_SUBSCRIPTIONS"})


def is_known(scope: str) -> bool:
    """Return whether Data Center has that scope; two joined by a space are one unknown name."""
    return scope in _LEVELS or scope in _ALONE


def covers(held: str, needed: str) -> bool:
    """Return whether ``held`` is ``needed`` or a level above it."""
    if held in _LEVELS and needed in _LEVELS:
        return _LEVELS.index(held) >= _LEVELS.index(needed)
    return held == needed


def covers_any(held: tuple[str, ...], needed: str) -> bool:
    """Return whether one of the scopes held is enough."""
    return any(covers(scope, needed) for scope in held)
