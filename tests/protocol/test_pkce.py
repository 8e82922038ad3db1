"""PKCE as RFC 7636 has it."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.pkce import check_verifier, code_challenge, verifier_from

# RFC 7636 appendix B.
OCTETS = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b58055853848d79")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_appendix_b():
    """The RFC's own example comes out."""
    assert verifier_from(OCTETS) == VERIFIER
    assert code_challenge(VERIFIER) == CHALLENGE


@pytest.mark.parametrize("length", [32, 96])
def test_random_bytes_at_the_bounds(length):
    """The shortest and the longest input make a verifier that is accepted."""
    verifier = verifier_from(bytes(length))

    assert check_verifier(verifier) == verifier


@pytest.mark.parametrize("length", [0, 31, 97])
def test_random_bytes_beyond_the_bounds(length):
    """Too few random bytes could be guessed; too many make a verifier that no server accepts."""
    with pytest.raises(ConfigurationError, match=f"32 to 96 bytes, but is {length}") as caught:
        verifier_from(bytes(length))

    assert caught.value.argument == "random_bytes"


@pytest.mark.parametrize("verifier", ["a" * 43, "a" * 128, "AZaz09-._~" * 5])
def test_verifiers_that_pass(verifier):
    """43 to 128 unreserved characters are a verifier."""
    assert len(code_challenge(verifier)) == 43


@pytest.mark.parametrize(
    "verifier",
    ["", "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "=", "a" * 43 + "\n", "\u00e9" * 43],
)
def test_verifiers_that_do_not(verifier):
    """Anything else is refused without being quoted."""
    with pytest.raises(ConfigurationError, match="43 to 128") as caught:
        code_challenge(verifier)

    assert caught.value.argument == "verifier"
    assert not verifier or verifier not in str(caught.value)


@given(st.binary(min_size=32, max_size=96))
@example(bytes(32) + b"\x17")  # ends with an X, and needs no padding
def test_verifier_and_challenge_agree_with_the_standard_library(random_bytes):
    """The verifier decodes to its bytes, the challenge to the digest of the verifier."""
    verifier = verifier_from(random_bytes)

    assert base64.urlsafe_b64decode(verifier + "=" * (-len(verifier) % 4)) == random_bytes
    assert base64.urlsafe_b64decode(code_challenge(verifier) + "=") == (
        hashlib.sha256(verifier.encode()).digest()
    )
