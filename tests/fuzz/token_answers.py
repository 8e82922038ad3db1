"""Answers of a token endpoint: tokens, errors, and what a proxy answers in its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.protocol._retry_after import retry_after_seconds
from atlassian_auth.protocol._token_endpoint import (
    form_request,
    json_request,
    read_revocation_response,
    read_token_response,
)
from tests.fuzz.http import response_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
URL = "https://auth.atlassian.com/oauth/token"
SECRETS = ("client+secret/123456", "refresh-secret-1")
FIELDS = {"grant_type": "refresh_token", "client_secret": SECRETS[0], "refresh_token": SECRETS[1]}
REQUESTS = [build(URL, FIELDS, secrets=SECRETS) for build in (form_request, json_request)]


def check(read, response, **options):
    """Check what a reader makes of the response, and that it shows no secret of the request."""
    for request in REQUESTS:
        try:
            token = read(response, request=request, obtained_at=NOW, **options)
        except AtlassianAuthError as error:
            shown = f"{error!r} {error.__dict__} {error.__context__}"
            assert str(error).isprintable()
        else:
            shown = repr(token)
            assert token is None or (token.access_token and NOW <= token.expires_at <= NOW + YEAR)
        assert not any(secret in shown for secret in SECRETS)


def fuzz(data):
    """Any answer is a token of at most a year, or one of our errors; the pause is at most an hour."""
    response = response_of(data)

    check(read_token_response, response, default_lifetime_seconds=900.0)
    check(read_revocation_response, response)
    seconds = retry_after_seconds(response.headers, NOW)
    assert seconds is None or 0 <= seconds <= 3600
