"""Answers of an API that refuse a bearer, and their ``WWW-Authenticate`` headers."""

from __future__ import annotations

from atlassian_auth.protocol._challenges import (
    Challenge,
    is_anonymous,
    read_challenge,
    required_scopes,
)
from tests.fuzz.http import response_of

SECRET = "secret-access-0123456789"  # a shorter one may be a word of a scope


def fuzz(data):
    """Any refusal has one of three meanings, and names few scopes, of printable ASCII, no secret."""
    response = response_of(data)
    headers = response.headers

    assert read_challenge(response.status, headers, response.body) in Challenge
    assert isinstance(is_anonymous(response.status, headers, "/rest/api/2/myself"), bool)
    scopes = required_scopes(headers, secrets=(SECRET,))
    shown = " ".join(scopes)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 500
    assert len({*scopes}) == len(scopes)
    assert SECRET not in shown
