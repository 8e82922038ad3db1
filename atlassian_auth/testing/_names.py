"""Refuses wrong names and statuses: a test with one would check nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["check_name", "check_status"]


def check_name(name: object, known: Iterable[str], *, what: str) -> None:
    """Raise if a name is unknown.

    Args:
        name: The name.
        known: The known names.
        what: What the names are, for the error.

    Raises:
        ValueError: if it is unknown; the error lists the known names and the most similar one.
    """
    names = list(known)
    if name in names:
        return
    likely = get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {likely[0]!r}?" if likely else ""
    raise ValueError(f"{name!r} is not a known {what}: expected one of {', '.join(names)}{hint}")


def check_status(status: object) -> int:
    """Return the HTTP status of an answer.

    Raises:
        ValueError: if it is no number from 200 to 599.
    """
    if type(status) is not int or not 200 <= status <= 599:
        raise ValueError(f"status is {status!r:.100}, but must be a number from 200 to 599")
    return status
