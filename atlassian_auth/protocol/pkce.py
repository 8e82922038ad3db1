"""Proof Key for Code Exchange (RFC 7636), with method S256 only.

Data Center reads a challenge without a method as ``plain`` (seen in the provider of
Confluence 7.17 to 8.x), so the method is always sent with it.
"""

from __future__ import annotations

import base64
import hashlib
import re

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["check_verifier", "code_challenge", "verifier_from"]

# RFC 7636 section 4.1: code-verifier = 43*128unreserved
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

# RFC 7636 section 7.1: "at least 256 bits of entropy"; section 4.1 ends at 128 characters.
_FEWEST_BYTES, _MOST_BYTES = 32, 96


def verifier_from(random_bytes: bytes) -> str:
    """Return the code verifier for these random bytes: base64url without padding.

    Args:
        random_bytes: 32 to 96 bytes that cannot be guessed and are used for nothing else.

    Raises:
        ConfigurationError: if there are fewer or more bytes.
    """
    if not _FEWEST_BYTES <= len(random_bytes) <= _MOST_BYTES:
        message = f"random_bytes must be 32 to 96 bytes, but is {len(random_bytes)} (RFC 7636)"
        raise ConfigurationError(message, argument="random_bytes")
    return _base64url(random_bytes)


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier: ``BASE64URL(SHA256(ASCII(verifier)))``.

    Source: RFC 7636 section 4.2.

    Raises:
        ConfigurationError: if the verifier is not 43 to 128 unreserved characters.
    """
    return _base64url(hashlib.sha256(check_verifier(verifier).encode("ascii")).digest())


def check_verifier(verifier: str, *, argument: str = "verifier") -> str:
    """Return the verifier unchanged.

    Raises:
        ConfigurationError: if it is not 43 to 128 unreserved characters.
    """
    if not _VERIFIER.fullmatch(verifier):
        message = (
            f"{argument} must be 43 to 128 letters, digits, '-', '.', '_' or '~' "
            "(RFC 7636 section 4.1): make it with verifier_from(random_bytes)"
        )
        raise ConfigurationError(message, argument=argument)
    return verifier


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
