"""What kind of thing an argument is: checked where it is given, for those who run no type checker.

A wrong type is a `ConfigurationError` like every other wrong argument, so one ``except`` catches them all.
"""

from __future__ import annotations

from collections.abc import Iterable

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["has_all", "wrong_kind"]


def has_all(value: object, names: Iterable[str]) -> bool:
    """Return whether this is an object, and not a class, that has all these attributes."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in names)


def wrong_kind(argument: str, expected: str, given: object) -> ConfigurationError:
    """Return the error for an argument of the wrong type. It does not quote what was given."""
    kind = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
    return ConfigurationError(f"{argument} must be {expected}, not {kind}.", argument=argument)
