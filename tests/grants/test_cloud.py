"""How Atlassian Cloud wants to be asked (3LO)."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth import TokenManager, scopes
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError
from atlassian_auth.grants import CloudGrant
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.stores import MemoryStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "client-secret-1"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def make(**changes):
    values = {
        "client_id": "client-1",
        "client_secret": SECRET,
        "redirect_uri": "https://app.example/callback?x=1",
        "scopes": ["read:jira-work", "read:me"],
    }
    return CloudGrant(**(values | changes))


def test_authorize_url_is_the_documented_one():
    """Every documented parameter once, and no PKCE unless asked for."""
    url = make().authorization_url(state="state-1")

    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://auth.atlassian.com/authorize"
    assert sorted(parse_qsl(parts.query)) == [
        ("audience", "api.atlassian.com"),
        ("client_id", "client-1"),
        ("prompt", "consent"),
        ("redirect_uri", "https://app.example/callback?x=1"),
        ("response_type", "code"),
        ("scope", "read:jira-work read:me offline_access"),
        ("state", "state-1"),
    ]
    assert "scope=read%3Ajira-work%20read%3Ame%20offline_access" in parts.query


def test_code_request_is_the_documented_one():
    """The code request is the documented JSON: five members, with the redirect URI of the consent."""
    request = make().code_request("code-1")

    assert request.url == "https://auth.atlassian.com/oauth/token"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "grant_type": "authorization_code",
        "client_id": "client-1",
        "client_secret": SECRET,
        "code": "code-1",
        "redirect_uri": "https://app.example/callback?x=1",
    }
    assert set(request.secrets) == {SECRET, "code-1"}


def test_refresh_request_is_the_documented_one():
    """JSON with four members: no scope, which earns a 403, and no redirect URI."""
    request = make().refresh_request("refresh-1")

    assert json.loads(request.body) == {
        "grant_type": "refresh_token",
        "client_id": "client-1",
        "client_secret": SECRET,
        "refresh_token": "refresh-1",
    }
    assert set(request.secrets) == {SECRET, "refresh-1"}


def test_forms_on_request():
    """With ``as_json=False`` the same fields are sent as a form."""
    as_json, as_form = make(), make(as_json=False)
    asked = [lambda grant: grant.code_request("code-1"), lambda grant: grant.refresh_request("r-1")]

    for ask in asked:
        form = ask(as_form)

        assert form.headers["content-type"] == "application/x-www-form-urlencoded"
        assert dict(parse_qsl(form.body.decode())) == json.loads(ask(as_json).body)
        assert set(form.secrets) == set(ask(as_json).secrets)


async def test_a_form_refreshes(atlassian, atlassian_clock):
    """Cloud takes it: a pasted refresh token brings an access token."""
    app = atlassian.cloud_app
    grant = CloudGrant(
        client_id=app.client_id,
        client_secret=app.client_secret,
        redirect_uri=app.redirect_uri,
        scopes="read:me",
        as_json=False,
    )
    store = MemoryStore(clock=atlassian_clock)

    async with TokenManager(grant, store=store, clock=atlassian_clock) as manager:
        await manager.add(refresh_token=atlassian.issue_grant().refresh_token)

        assert (await manager.token()).access_token


def test_openid_is_refused():
    """The scope openid is refused, because Cloud's consent page fails with it; the error says what works."""
    with pytest.raises(ConfigurationError, match=r"openid.*read:me") as caught:
        make(scopes="read:jira-work openid")

    assert caught.value.argument == "scopes"


def test_pkce_on_request():
    """With ``pkce=True`` the challenge goes into the URL, with S256, and the verifier with the code."""
    grant = make(pkce=True)

    query = dict(
        parse_qsl(urlsplit(grant.authorization_url(state="s", code_challenge=CHALLENGE)).query)
    )
    request = grant.code_request("code-1", code_verifier=VERIFIER)

    assert grant.uses_pkce is True
    assert query["code_challenge"] == CHALLENGE
    assert query["code_challenge_method"] == "S256"
    assert json.loads(request.body)["code_verifier"] == VERIFIER
    assert set(request.secrets) == {SECRET, "code-1", VERIFIER}


@pytest.mark.parametrize(
    ("pkce", "challenge", "expected"),
    [
        pytest.param(True, None, "is missing", id="missing"),
        pytest.param(False, CHALLENGE, "must not be given", id="stray"),
        pytest.param(True, "", "must be 43", id="empty"),
        pytest.param(True, CHALLENGE + "x", "must be 43", id="long"),
        pytest.param(True, CHALLENGE[:-1] + "=", "must be 43", id="padded"),
    ],
)
def test_code_challenges_that_do_not_pass(pkce, challenge, expected):
    """A missing, stray or malformed challenge is refused by name."""
    with pytest.raises(ConfigurationError, match=f"code_challenge {expected}") as caught:
        make(pkce=pkce).authorization_url(state="s", code_challenge=challenge)

    assert caught.value.argument == "code_challenge"


@pytest.mark.parametrize(
    ("pkce", "verifier", "expected"),
    [
        pytest.param(True, None, "is missing", id="missing"),
        pytest.param(False, VERIFIER, "must not be given", id="stray"),
        pytest.param(True, "", "must be 43", id="empty"),
        pytest.param(True, VERIFIER[:-1], "must be 43", id="short"),
    ],
)
def test_code_verifiers_that_do_not_pass(pkce, verifier, expected):
    """A missing, stray or malformed verifier is refused by name."""
    with pytest.raises(ConfigurationError, match=f"code_verifier {expected}") as caught:
        make(pkce=pkce).code_request("code-1", code_verifier=verifier)

    assert caught.value.argument == "code_verifier"


def test_offline_access_can_be_left_out():
    """`offline_access=False` removes the scope, even from a preset: then there is no refresh token."""
    grant = make(scopes=scopes.JIRA_AUDIT_CLASSIC, offline_access=False)

    assert grant.scopes == ("manage:jira-configuration",)


def test_offline_access_appears_once():
    """`offline_access` is added if missing, and not repeated if given."""
    assert make(scopes="offline_access read:me").scopes == ("read:me", "offline_access")


def test_no_refresh_token_names_offline_access():
    """The error for a missing refresh token names the scope, and a person has to consent again."""
    with pytest.raises(AuthorizationRequired, match="offline_access") as caught:
        make().refresh_request(None)

    assert caught.value.reason == "no_refresh_token"


def test_facts_of_the_cloud():
    """Refresh tokens rotate, with ten minutes of leeway; access tokens live an hour."""
    grant = make()

    assert (grant.kind, grant.rotates) == ("cloud", True)
    assert grant.reuse_leeway_seconds == 600
    assert grant.refresh_ahead_seconds == 60
    assert grant.default_lifetime_seconds == 3600
    assert grant.redirect_uri == "https://app.example/callback?x=1"
    assert grant.configuration == "cloud:client-1@https://auth.atlassian.com/oauth/token"


def test_other_hosts_come_in_through_endpoints():
    """The government cloud is another audience, another authorize and token URL."""
    grant = make(endpoints=Endpoints.government())

    url = grant.authorization_url(state="s")

    assert url.startswith("https://auth.atlassian-us-gov-mod.com/authorize?")
    assert "audience=api.atlassian-us-gov-mod.com" in url
    assert grant.refresh_request("r").url == "https://auth.atlassian-us-gov-mod.com/oauth/token"
    assert grant.configuration != make().configuration


@pytest.mark.parametrize(
    "endpoints",
    [
        Endpoints.jira_software(),
        Endpoints.data_center("https://jira.acme.com"),
        replace(Endpoints.cloud(), audience=None),
    ],
    ids=["no-authorize-url", "data-center", "no-audience"],
)
def test_endpoints_must_be_those_of_a_cloud(endpoints):
    """Consent needs an authorize URL and an audience."""
    with pytest.raises(ConfigurationError, match=r"Endpoints\.cloud") as caught:
        make(endpoints=endpoints)

    assert caught.value.argument == "endpoints"


@pytest.mark.parametrize("argument", ["client_id", "client_secret"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param(None, "is empty", id="none"),
        pytest.param(7, "must be text", id="number"),
        pytest.param(b"bytes", "not bytes", id="bytes"),
        pytest.param("pasted-value\n", "pasting", id="line-break"),
        pytest.param(" pasted-value", "pasting", id="space"),
        pytest.param("pasted\tvalue", "pasting", id="tab"),
        pytest.param("pasted\u200bvalue", "pasting", id="zero-width-space"),
        pytest.param("pasted\x00value", "pasting", id="nul"),
    ],
)
def test_malformed_credentials_are_refused(argument, value, expected):
    """A slip of the clipboard is found here, not as a riddle from the server; it is not quoted."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        make(**{argument: value})

    assert caught.value.argument == argument
    assert "value" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        pytest.param(lambda g: g.authorization_url(state=""), "state", id="empty-state"),
        pytest.param(lambda g: g.code_request(""), "code", id="empty-code"),
        pytest.param(lambda g: g.code_request("code-1\n"), "code", id="pasted-code"),
        pytest.param(lambda g: g.refresh_request(""), "refresh_token", id="empty-token"),
        pytest.param(lambda g: g.refresh_request(" r"), "refresh_token", id="pasted-token"),
    ],
)
def test_malformed_parameters_are_refused(call, argument):
    """A malformed parameter is an error that names it, before anything is sent."""
    with pytest.raises(ConfigurationError) as caught:
        call(make())

    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "redirect_uri",
    ["http://localhost", "http://127.0.0.1:8765/callback", "http://[::1]:1/", "https://a.b/c?d=e"],
)
def test_redirect_uris_that_pass(redirect_uri):
    """https, or http on this machine; kept to the letter."""
    assert make(redirect_uri=redirect_uri).redirect_uri == redirect_uri


@pytest.mark.parametrize(
    ("redirect_uri", "expected"),
    [
        ("", "is empty"),
        ("/callback", "absolute"),
        ("http://app.example/callback", "must be https"),
        ("https://app.example/callback#x", "fragment"),
        ("https://app.example/callback\n", "line break"),
        ("urn:ietf:wg:oauth:2.0:oob", "absolute"),
    ],
)
def test_redirect_uris_that_do_not(redirect_uri, expected):
    """A redirect URI that could not work, or leaks the code, is refused by name."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        make(redirect_uri=redirect_uri)

    assert caught.value.argument == "redirect_uri"


@pytest.mark.parametrize("scope", [*sorted(scopes.DATA_CENTER_SCOPES), "admin", "Read"])
def test_scopes_of_data_center_are_refused(scope):
    """The error says which product they belong to, before a person sees a broken page."""
    with pytest.raises(
        ConfigurationError, match=f"{scope}, which belongs to Data Center"
    ) as caught:
        make(scopes=["read:me", scope])

    assert caught.value.argument == "scopes"


@pytest.mark.parametrize("value", ["", [], "a,b", None])
def test_malformed_scopes_are_refused(value):
    """Scopes are checked when the grant is made."""
    with pytest.raises(ConfigurationError) as caught:
        make(scopes=value)

    assert caught.value.argument == "scopes"


def test_no_secret_is_shown():
    """Neither the grant nor its requests show a secret."""
    grant = make()

    shown = (
        f"{grant!r} {grant} {grant.refresh_request('refresh-1')!r} {grant.code_request('code-1')!r}"
    )

    assert SECRET not in shown
    assert "refresh-1" not in shown
    assert "code-1" not in shown
    assert "client-1" in shown


def test_grants_stay_where_they_are():
    """Frozen, not picklable, and a copy is the grant itself."""
    grant = make()

    with pytest.raises(TypeError, match="CloudGrant holds secrets"):
        pickle.dumps(grant)
    with pytest.raises(FrozenInstanceError):
        grant.scopes = ()
    with pytest.raises(FrozenInstanceError):
        grant.anything = 1
    assert copy.copy(grant) is grant
    assert copy.deepcopy({"grant": grant})["grant"] is grant


def test_answers_are_read_with_what_the_grant_knows():
    """If the answer lacks lifetime or scopes, the grant's defaults or the previous ones count."""
    grant = make()
    request = grant.refresh_request("refresh-1")
    response = HTTPResponse(200, {}, b'{"access_token": "access-2"}')

    token = grant.read_response(response, request=request, obtained_at=NOW)
    again = grant.read_response(
        response,
        request=request,
        obtained_at=NOW,
        previous=TokenPair("access-1", NOW, NOW, "refresh-1", ("a",)),
    )

    assert token == TokenPair("access-2", NOW, NOW + timedelta(hours=1), "refresh-1", grant.scopes)
    assert again.scopes == ("a",)


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)


@given(client_id=VISIBLE, client_secret=VISIBLE, state=VISIBLE, refresh_token=VISIBLE)
def test_any_visible_text_arrives(client_id, client_secret, state, refresh_token):
    """Whatever characters ids, secrets, states and tokens have, the server reads them."""
    grant = make(client_id=client_id, client_secret=client_secret)

    query = dict(parse_qsl(urlsplit(grant.authorization_url(state=state)).query))
    body = json.loads(grant.refresh_request(refresh_token).body)

    assert (query["client_id"], query["state"]) == (client_id, state)
    assert (body["client_secret"], body["refresh_token"]) == (client_secret, refresh_token)


def test_revocation_request():
    """A form with the token and the client (RFC 7009), none of which the request's repr shows."""
    request = make().revocation_request("refresh-1")

    assert request.url == "https://auth.atlassian.com/oauth/revoke"
    assert dict(parse_qsl(request.body.decode())) == {
        "token": "refresh-1",
        "client_id": "client-1",
        "client_secret": SECRET,
    }
    assert not {"refresh-1", SECRET} & set(repr(request).replace("'", " ").split())


def test_nowhere_to_revoke():
    """If there is no revocation endpoint, the error says what to do instead."""
    nowhere = make(endpoints=replace(Endpoints.cloud(), revoke_url=None))

    with pytest.raises(ConfigurationError, match="delete it where it was created") as caught:
        nowhere.revocation_request("refresh-1")

    assert caught.value.argument == "endpoints"


def test_secrets_are_not_sent_to_another_host_to_be_revoked():
    """With another token endpoint, a token is not sent to Atlassian's revocation endpoint."""
    elsewhere = make(
        endpoints=replace(Endpoints.cloud(), token_url="https://auth.example.com/oauth/token")
    )

    with pytest.raises(ConfigurationError, match="Nothing was sent") as caught:
        elsewhere.revocation_request("refresh-1")

    assert caught.value.argument == "endpoints"


def test_a_whole_callback_is_no_code():
    """A URL in a code's place is refused before it is sent, and the error says where it belongs."""
    url = "http://127.0.0.1:8765/callback?code=secret-code&state=secret-state"

    with pytest.raises(ConfigurationError, match=r"AuthorizationFlow\.complete") as caught:
        make().code_request(url)

    assert caught.value.argument == "code"
    assert "secret" not in str(caught.value)
