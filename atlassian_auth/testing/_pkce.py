"""Checking a code verifier against its challenge (RFC 7636 section 4.6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from atlassian_auth.testing.ledger import Code

__all__ = ["is_well_formed", "proves"]


def is_well_formed(text: str) -> bool:
    """Return whether ``text`` may be a verifier or a challenge: 43 to 128 unreserved characters."""
    return re.fullmatch(r"[0-9A-Za-z~\-._]{43,128}", text) is not None


def proves(verifier: str | None, code: Code) -> bool:
    """Return whether ``verifier`` matches the challenge of the code."""
    if code.challenge is None or verifier is None:
        return code.challenge is None
    digest = hashlib.sha256(verifier.encode()).digest()
    s256 = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    expected = s256 if code.challenge_method.upper() == "S256" else verifier
    return is_well_formed(verifier) and hmac.compare_digest(expected, code.challenge)
