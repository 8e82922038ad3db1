"""A name that does not exist is an error at once: a test that misspells one would check nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["check_name"]


def check_name(name: object, known: Iterable[str], *, what: str) -> None:
    """Return if there is such a name.

    Args:
        name: What was given.
        known: What there is.
        what: What it names, for the error.

    Raises:
        ValueError: if it is another; the error lists those there are, the likeliest first.
    """
    names = list(known)
    if name in names:
        return
    likely = get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {likely[0]!r}?" if likely else ""
    raise ValueError(f"{name!r} is no {what}: expected one of {', '.join(names)}{hint}")
