"""How other providers than Atlassian want to be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from atlassian_auth import ConfigurationError, GenericGrant
from atlassian_auth.protocol.messages import HTTPResponse

REDIRECT = "https://app.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
APP = {
    "client_id": "client-1",
    "client_secret": "secret-client",
    "redirect_uri": REDIRECT,
    "scopes": ["Mail.Read"],
    "authorize_url": "https://idp.example.com/authorize",
    "token_url": "https://idp.example.com/token",
}


def form(request):
    return dict(parse_qsl(request.body.decode("ascii"), strict_parsing=True))


@pytest.mark.parametrize(
    ("make", "scope", "prompt", "access_type"),
    [
        (GenericGrant, "Mail.Read", "select_account", None),
        (GenericGrant.microsoft, "Mail.Read offline_access", "select_account", None),
        (GenericGrant.google, "Mail.Read", "select_account consent", "offline"),
    ],
)
def test_the_consent_page_has_what_the_provider_needs(make, scope, prompt, access_type):
    """Seed 001, 1.18: the parameters are those of Atlassian's plugin, and PKCE is always used."""
    url = make(**APP).authorization_url(state="state-1", code_challenge=CHALLENGE)

    query = dict(parse_qsl(urlsplit(url).query))
    assert url.startswith("https://idp.example.com/authorize?")
    assert (query["scope"], query["prompt"], query.get("access_type")) == (
        scope,
        prompt,
        access_type,
    )
    assert query["code_challenge_method"] == "S256"


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (GenericGrant, {}),
        (GenericGrant.google, {}),
        (GenericGrant.microsoft, {"redirect_uri": REDIRECT}),
    ],
)
def test_a_refresh_is_a_form_without_scopes(make, extra):
    """A person may have granted fewer scopes than requested, so a refresh names none (RFC 6749 section 6)."""
    assert form(make(**APP).refresh_request("secret-r1")) == {
        "grant_type": "refresh_token",
        "client_id": "client-1",
        "client_secret": "secret-client",
        "refresh_token": "secret-r1",
        **extra,
    }


def test_a_code_is_exchanged_with_its_verifier():
    """The code goes with the redirect URI and the PKCE verifier."""
    fields = form(GenericGrant(**APP).code_request("code-1", code_verifier=VERIFIER))

    assert (fields["redirect_uri"], fields["code_verifier"]) == (REDIRECT, VERIFIER)


def test_a_refresh_token_that_does_not_rotate_is_kept():
    """Google sends none with a refresh: the one that was presented stays."""
    grant = GenericGrant.google(**APP)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    answer = HTTPResponse(200, {}, b'{"access_token": "secret-a2", "expires_in": 3599}')

    pair = grant.read_response(answer, request=grant.refresh_request("secret-r1"), obtained_at=now)

    assert pair.refresh_token == "secret-r1"


def test_a_bearer_goes_to_the_named_api():
    """By default that is the origin of the token endpoint."""
    assert GenericGrant(**APP).endpoints.origins == {"https://idp.example.com"}
    named = GenericGrant(**APP, api_url="https://graph.example.com/v1")
    assert named.endpoints.origins == {"https://graph.example.com"}


@pytest.mark.parametrize("argument", ["redirect_uri", "authorize_url", "token_url"])
def test_plain_http_is_refused_unless_allowed(argument):
    """The error names the argument; ``allow_insecure_http`` accepts it."""
    plain = APP | {argument: "http://idp.example.com/x"}

    with pytest.raises(ConfigurationError) as caught:
        GenericGrant(**plain)

    assert caught.value.argument == argument
    assert GenericGrant.google(**plain, allow_insecure_http=True).rotates


def test_its_repr_has_no_secret():
    """A grant may be logged."""
    assert "secret" not in repr(GenericGrant(**APP))
