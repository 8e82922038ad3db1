"""Refuses unknown names: a test with a misspelled name would check nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["check_name"]


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
