"""Making a stranger's text fit to be shown: printable, short, without the secrets it echoes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["redact"]

_HIDDEN = "[secret]"


def redact(text: str, secrets: Iterable[str], *, longest: int = 200) -> str:
    """Return the text in printable ASCII, with each secret replaced by ``[secret]``.

    Args:
        text: What somebody else wrote.
        secrets: What must not appear, neither as it is nor percent-encoded.
        longest: The most characters to return.
    """
    # In this order: what is not printable could split a secret, and a cut could leave half of one.
    printable = re.sub(r"[^\x20-\x7e]", " ", text)
    echoed = _echoed(printable, secrets)
    if not echoed:
        return printable[:longest]
    # Longest first: a secret may begin with another.
    longest_first = sorted(echoed, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), _HIDDEN, printable)[:longest]


def _echoed(text: str, secrets: Iterable[str]) -> set[str]:
    """Return the forms of secrets that stand in the text: nearly always none, in no time."""
    return {
        form
        for secret in secrets
        if 0 < len(secret) <= len(text)  # encoding never shortens
        for form in (secret, quote(secret, safe=""), quote_plus(secret))
        if form in text
    }
