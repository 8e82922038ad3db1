"""How a Data Center instance wants to be asked."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth import scopes
from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError
from atlassian_auth.grants import DataCenterGrant

BASE = "https://jira.acme.com/jira"
SECRET = "client-secret-1"
REDIRECT = "https://app.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def make(base_url=BASE, **changes):
    values = {
        "client_id": "client-1",
        "client_secret": SECRET,
        "redirect_uri": REDIRECT,
        "scopes": ["ADMIN"],
    }
    return DataCenterGrant(base_url, **(values | changes))


def form(request):
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode("ascii"), strict_parsing=True))


def test_authorize_url_has_pkce_and_nothing_of_the_cloud():
    """S256 by name; no audience, no prompt, no offline_access."""
    url = make().authorization_url(state="state-1", code_challenge=CHALLENGE)

    parts = urlsplit(url)
    assert url.startswith(f"{BASE}/rest/oauth2/latest/authorize?")
    assert sorted(parse_qsl(parts.query)) == [
        ("client_id", "client-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "ADMIN"),
        ("state", "state-1"),
    ]


def test_code_request_is_a_form_with_the_verifier():
    """PKCE does not replace the client secret there."""
    request = make().code_request("code-1", code_verifier=VERIFIER)

    assert request.url == f"{BASE}/rest/oauth2/latest/token"
    assert form(request) == {
        "grant_type": "authorization_code",
        "client_id": "client-1",
        "client_secret": SECRET,
        "code": "code-1",
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    assert set(request.secrets) == {SECRET, "code-1", VERIFIER}


def test_refresh_request_is_a_form_with_the_redirect_uri():
    """Some versions refuse a refresh without it; the others ignore it."""
    request = make().refresh_request("refresh-1")

    assert form(request) == {
        "grant_type": "refresh_token",
        "client_id": "client-1",
        "client_secret": SECRET,
        "refresh_token": "refresh-1",
        "redirect_uri": REDIRECT,
    }
    assert set(request.secrets) == {SECRET, "refresh-1"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda g: g.authorization_url(state="s"), "code_challenge is missing"),
        (lambda g: g.code_request("c"), "code_verifier is missing"),
    ],
)
def test_pkce_is_not_optional(call, expected):
    """Both steps of a Data Center login require PKCE: without it a stolen code could be used."""
    with pytest.raises(ConfigurationError, match=expected):
        call(make())


def test_no_refresh_token_says_nothing_of_the_cloud():
    """``offline_access`` does not exist there."""
    with pytest.raises(AuthorizationRequired) as caught:
        make().refresh_request(None)

    assert caught.value.reason == "no_refresh_token"
    assert "offline_access" not in str(caught.value)


def test_facts_of_data_center():
    """Refresh tokens rotate without leeway, so nothing is refreshed ahead."""
    grant = make(f"{BASE}/")

    assert (grant.kind, grant.rotates, grant.uses_pkce) == ("data_center", True, True)
    assert grant.reuse_leeway_seconds == 0
    assert grant.refresh_ahead_seconds == 0
    assert grant.default_lifetime_seconds == 3600
    assert grant.endpoints.api_url == BASE
    assert grant.configuration == make().configuration
    assert grant.configuration == f"data_center:client-1@{BASE}/rest/oauth2/latest/token"


@pytest.mark.parametrize("scope", ["READ", "SYSTEM_ADMIN", "REPO_READ", "A_NEW_ONE"])
def test_scopes_that_pass(scope):
    """Known ones, and those a newer version may bring."""
    assert make(scopes=scope).scopes == (scope,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(scopes.JIRA_AUDIT, "belongs to Cloud", id="preset-of-cloud"),
        pytest.param(["ADMIN", "offline_access"], "offline_access, which belongs", id="offline"),
        pytest.param("read:jira-work", "use CloudGrant", id="classic"),
        pytest.param("admin", "upper case, such as ADMIN", id="lower-case"),
        pytest.param("Read", "upper case, such as READ", id="mixed-case"),
        pytest.param("", "at least one", id="empty"),
    ],
)
def test_scopes_that_do_not(value, expected):
    """Scopes of Cloud and wrong spellings are refused before a person sees a broken page."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        make(scopes=value)

    assert caught.value.argument == "scopes"


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"base_url": "https://acme.atlassian.net"}, "base_url"),
        ({"base_url": "http://jira.acme.com"}, "base_url"),
        ({"base_url": "https://jira.acme.com?x=1"}, "base_url"),
        ({"redirect_uri": "http://app.example"}, "redirect_uri"),
        ({"redirect_uri": "callback"}, "redirect_uri"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
    ],
)
def test_bad_arguments_are_named(changes, argument):
    """Each mistake is reported under the name of its argument."""
    with pytest.raises(ConfigurationError) as caught:
        make(**changes)

    assert caught.value.argument == argument


@pytest.mark.parametrize(("length", "accepted"), [(449, True), (450, True), (451, False)])
def test_redirect_uris_have_a_longest_length(length, accepted):
    """A redirect URI may have at most 450 characters, the server's limit."""
    redirect_uri = REDIRECT.ljust(length, "x")

    if accepted:
        assert make(redirect_uri=redirect_uri).redirect_uri == redirect_uri
    else:
        with pytest.raises(ConfigurationError, match="at most 450"):
            make(redirect_uri=redirect_uri)


def test_plain_http_has_to_be_named():
    """The danger's name opens http for the instance and the redirect."""
    grant = make(
        "http://jira.acme.com", redirect_uri="http://app.example/cb", allow_insecure_http=True
    )

    assert grant.endpoints.token_url == "http://jira.acme.com/rest/oauth2/latest/token"
    assert grant.redirect_uri == "http://app.example/cb"


def test_the_secret_stays_inside():
    """Not shown, not pickled, not replaced."""
    grant = make()

    assert SECRET not in f"{grant!r} {grant}"
    with pytest.raises(TypeError, match="DataCenterGrant holds secrets"):
        pickle.dumps(grant)
    with pytest.raises(FrozenInstanceError):
        grant.client_id = "other"


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)


@given(client_secret=VISIBLE, refresh_token=VISIBLE)
def test_any_visible_text_arrives(client_secret, refresh_token):
    """Whatever characters a secret has, the form carries it."""
    fields = form(make(client_secret=client_secret).refresh_request(refresh_token))

    assert (fields["client_secret"], fields["refresh_token"]) == (client_secret, refresh_token)
