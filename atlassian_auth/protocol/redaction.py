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
    pattern = _any_of(secrets)
    return (pattern.sub(_HIDDEN, printable) if pattern else printable)[:longest]


def _any_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    forms = {
        form
        for secret in secrets
        if secret
        for form in (secret, quote(secret, safe=""), quote_plus(secret))
    }
    # Longest first: a secret may begin with another.
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
