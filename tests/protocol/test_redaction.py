"""What strangers write is shown without our secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol.redaction import redact

SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=20)


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        pytest.param("plain", (), "plain", id="nothing-to-hide"),
        pytest.param("got s3cret!", ("s3cret",), "got [secret]!", id="echo"),
        pytest.param("a+b/c a%2Bb%2Fc", ("a+b/c",), "[secret] [secret]", id="percent-encoded"),
        pytest.param("abcdef abc", ("abc", "abcdef"), "[secret] [secret]", id="longest-first"),
        pytest.param("a\nb\x00c\u00e9\ud800", (), "a b c  ", id="not-printable"),
        pytest.param("keep", ("",), "keep", id="empty-secret"),
        pytest.param("secretive", ("cret",), "se[secret]ive", id="marker-is-not-read-again"),
        pytest.param("x" * 300, (), "x" * 200, id="long"),
        pytest.param("x" * 195 + "s3cret", ("s3cret",), "x" * 195 + "[secr", id="cut-comes-last"),
    ],
)
def test_redaction(text, secrets, shown):
    """Printable, at most 200 characters, and ``[secret]`` where one stood."""
    assert redact(text, secrets) == shown


@given(st.lists(SECRETS, min_size=1, max_size=3), st.text(max_size=30), st.text(max_size=30))
def test_no_secret_survives(secrets, before, after):
    """Wherever secrets stand, none is left in what is shown."""
    shown = redact(before + "\n".join(secrets) + after, secrets, longest=1000)

    assert not any(secret in shown for secret in secrets)
    assert all(" " <= char <= "~" for char in shown)
