"""What an answer of the token endpoint means, case by case."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    TokenResponseError,
    TransientError,
)
from atlassian_auth.protocol._token_endpoint import (
    Verdict,
    form_request,
    json_request,
    read_revocation_response,
    read_token_response,
    verdict_of,
)
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
URL = "https://auth.atlassian.com/oauth/token"
SECRETS = ("client+secret/1", "refresh-secret-1", "code-secret-1")
CLIENT = {"client_id": "client", "client_secret": SECRETS[0]}

REFRESH = json_request(
    URL, {"grant_type": "refresh_token", **CLIENT, "refresh_token": SECRETS[1]}, secrets=SECRETS
)
REFRESH_FORM = form_request(
    URL, {"grant_type": "refresh_token", **CLIENT, "refresh_token": SECRETS[1]}, secrets=SECRETS
)
CODE = form_request(
    URL, {"grant_type": "authorization_code", **CLIENT, "code": SECRETS[2]}, secrets=SECRETS
)
TWO_LEGGED = form_request(URL, {"grant_type": "client_credentials", **CLIENT}, secrets=SECRETS)
REQUESTS = [REFRESH, REFRESH_FORM, CODE, TWO_LEGGED]

PREVIOUS = TokenPair("old-access", NOW, NOW, "older-refresh", ("read:me", "offline_access"))
ISSUED = {
    "access_token": "access-1",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "refresh-2",
    "scope": "read:me offline_access",
}


def answer(body, status=200, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPResponse(status, named, content)


def read(response, request=REFRESH, **options):
    given = {"obtained_at": NOW, "default_lifetime_seconds": 900.0, **options}
    return read_token_response(response, request=request, **given)


def refused(response, request=REFRESH):
    with pytest.raises(AtlassianAuthError) as caught:
        read(response, request, previous=PREVIOUS)
    return caught.value


FIELDS = st.dictionaries(
    st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))
)


@given(FIELDS)
def test_forms_read_back(fields):
    """The standard library reads the fields that were put in."""
    request = form_request(URL, fields, secrets=())

    body = request.body.decode("ascii")
    assert dict(parse_qsl(body, keep_blank_values=True)) == fields
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


@given(FIELDS)
def test_json_reads_back(fields):
    """The standard library reads the members that were put in."""
    request = json_request(URL, fields, secrets=())

    assert json.loads(request.body) == fields
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("build", [form_request, json_request])
def test_requests_hide_their_secrets(build):
    """A request is a POST that asks for JSON, wants no cache, and shows no secret."""
    request = build(URL, {"client_secret": "hidden-1"}, secrets=["hidden-1", ""])

    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["accept"] == "application/json"
    assert request.headers["cache-control"] == "no-store"
    assert request.secrets == ("hidden-1",)
    assert "hidden-1" not in repr(request)


def test_a_request_of_another_encoding():
    """A grant of one's own may send any bytes; the answer is read."""
    request = HTTPRequest(URL, {}, body="name=é".encode("latin-1"), secrets=())

    assert read(answer(ISSUED), request).access_token == "access-1"


def test_a_token_is_read():
    """Each member of the answer arrives; expiry counts from before the request."""
    token = read(answer(ISSUED), previous=PREVIOUS)

    assert token == TokenPair(
        "access-1",
        NOW,
        NOW + timedelta(hours=1),
        "refresh-2",
        ("read:me", "offline_access"),
    )


@pytest.mark.parametrize(
    ("changes", "lifetime_seconds"),
    [
        pytest.param({"expires_in": "7200"}, 7200, id="text"),
        pytest.param({"expires_in": 0}, 900, id="zero"),
        pytest.param({"expires_in": None}, 900, id="null"),
        pytest.param({"expires_in": "soon"}, 900, id="word"),
        pytest.param({"expires_in": [1]}, 900, id="list"),
        pytest.param({"expires_in": float("nan")}, 900, id="nan"),
        pytest.param({"expires_in": 10**300}, 365 * 24 * 3600, id="huge"),
    ],
)
def test_an_odd_lifetime_costs_no_pair(changes, lifetime_seconds):
    """The rotated pair is kept, with the lifetime that makes sense."""
    token = read(answer(ISSUED | changes))

    assert token.lifetime == timedelta(seconds=lifetime_seconds)
    assert token.refresh_token == "refresh-2"


def test_a_lifetime_of_thousands_of_digits_costs_no_pair():
    """Python refuses to read such an integer; the pair is kept all the same."""
    body = json.dumps(ISSUED).replace("3600", "9" * 5000).encode()

    token = read(answer(body))

    assert (token.access_token, token.refresh_token) == ("access-1", "refresh-2")


@pytest.mark.parametrize("request_", [REFRESH, REFRESH_FORM], ids=["json", "form"])
@pytest.mark.parametrize("refresh_token", [None, "", 7, ["x"], "a b", "a\nb"])
def test_a_missing_refresh_token_leaves_the_presented_one(refresh_token, request_):
    """The refresh token just accepted stays; ``""`` is never stored."""
    body = ISSUED | {"refresh_token": refresh_token}

    assert read(answer(body), request_, previous=PREVIOUS).refresh_token == SECRETS[1]
    assert read(answer(body), request_).refresh_token == SECRETS[1]


@pytest.mark.parametrize("request_", [CODE, TWO_LEGGED], ids=["code", "two-legged"])
def test_a_new_grant_inherits_nothing(request_):
    """A code may be another person's: no refresh token, no scopes of the previous grant."""
    body = {"access_token": "access-1"}

    token = read(answer(body), request_, previous=PREVIOUS, requested_scopes=("READ",))

    assert token == TokenPair("access-1", NOW, NOW + timedelta(seconds=900), None, ("READ",))


@pytest.mark.parametrize("scope", [None, "", "  ", 7, ["a"], {}], ids=repr)
def test_missing_scopes_leave_the_previous_ones(scope):
    """No or odd scopes mean those granted before; else those asked for."""
    body = ISSUED | {"scope": scope}
    blank = TokenPair("old-access", NOW, NOW)

    assert read(answer(body), previous=PREVIOUS).scopes == PREVIOUS.scopes
    assert read(answer(body), requested_scopes=("asked",)).scopes == ("asked",)
    assert read(answer(body), previous=blank, requested_scopes=("asked",)).scopes == ("asked",)


def test_granted_scopes_replace_the_requested_ones():
    """The granted scopes count, even if they are fewer or others than requested."""
    token = read(answer(ISSUED | {"scope": " b  a\tb "}), requested_scopes=("c",))

    assert token.scopes == ("b", "a")


def test_scopes_echo_no_secret():
    """Scopes are shown; a server that puts a secret there does not make us show it."""
    token = read(answer(ISSUED | {"scope": f"a {SECRETS[0]}"}))

    assert token.scopes == ("a", "[secret]")


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", None])
def test_bearer_in_any_case(token_type):
    """Data Center writes it in lower case; missing, it is taken for granted."""
    assert read(answer(ISSUED | {"token_type": token_type})).access_token == "access-1"


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_success_with_a_token_is_one(status):
    """A pair is not thrown away because of an unusual status, or a stray ``error``."""
    assert read(answer(ISSUED | {"error": None}, status)).refresh_token == "refresh-2"
    assert read(answer(ISSUED | {"error": "odd"}, status)).refresh_token == "refresh-2"


def test_a_byte_order_mark_is_no_reason_to_lose_a_pair():
    """Some proxies add one."""
    body = b"\xef\xbb\xbf" + json.dumps(ISSUED).encode()

    assert read(answer(body)).refresh_token == "refresh-2"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"token_type": "Bearer"}, id="no-token"),
        pytest.param(ISSUED | {"access_token": ""}, id="empty-token"),
        pytest.param(ISSUED | {"access_token": None}, id="null-token"),
        pytest.param(ISSUED | {"access_token": 7}, id="number-token"),
        pytest.param(ISSUED | {"access_token": "a\r\nb"}, id="token-with-line-break"),
        pytest.param(ISSUED | {"access_token": "t\u00f6ken"}, id="token-not-ascii"),
        pytest.param(ISSUED | {"token_type": "DPoP"}, id="dpop"),
        pytest.param(ISSUED | {"token_type": ""}, id="empty-type"),
        pytest.param(ISSUED | {"token_type": 7}, id="number-type"),
        pytest.param([ISSUED], id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"access-1"', id="text"),
        pytest.param(b"", id="empty-body"),
        pytest.param(b"<html>Log in</html>", id="html"),
        pytest.param(b'{"access_token": "acc', id="cut"),
        pytest.param(b'{"access_token": "\xff"}', id="not-utf-8"),
        pytest.param({"error": ""}, id="empty-error"),
        pytest.param({"error": {"code": 7}}, id="error-object"),
    ],
)
def test_a_success_without_a_token_is_not_the_endpoint(body):
    """A login page with status 200 is no token, and says nothing about the grant."""
    error = refused(answer(body))

    assert isinstance(error, TokenResponseError)
    assert error.status == 200
    assert "without a usable bearer token" in str(error)


def test_an_answer_that_breaks_off():
    """The error for a truncated success says so: the lost part may hold the only refresh token."""
    json_type = {"content-type": "application/json"}

    cut = refused(HTTPResponse(200, json_type, b'{"access_token": "secr'))
    page = refused(HTTPResponse(200, {"content-type": "text/html"}, b"<html>"))
    other = refused(HTTPResponse(200, json_type, b"[]"))

    assert "is cut off before its end" in str(cut)
    assert "login page" in str(page)
    assert "login page" in str(other)


def test_a_truncated_answer_is_not_read():
    """A truncated answer is not used, even if it looks complete."""
    whole = answer(ISSUED)

    error = refused(HTTPResponse(200, {}, whole.body, truncated=True))

    assert isinstance(error, TokenResponseError)
    assert "too long" in str(error)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_redirects_are_not_followed(status):
    """Secrets follow no redirect, whatever its body says."""
    error = refused(answer({"error": "invalid_grant"}, status, location="https://evil.example"))

    assert isinstance(error, TokenResponseError)
    assert "redirects" in str(error)
    assert error.status == status


def test_a_redirect_brings_no_token():
    """An answer with status 300 is a redirect, even if a token is in it."""
    assert refused(answer(ISSUED, 300)).status == 300


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(404, b"<html>Not Found</html>", id="404-html"),
        pytest.param(404, {"status": 404, "error": "Not Found"}, id="404-spring"),
        pytest.param(403, b"", id="403-empty"),
        pytest.param(400, {"errors": [], "fieldErrors": {}}, id="400-client-admin"),
        pytest.param(415, b"", id="415"),
        pytest.param(400, {"error": "something_new"}, id="400-unknown-error"),
        pytest.param(499, b"[]", id="499"),
        pytest.param(101, b"", id="101"),
        pytest.param(199, {"error": "invalid_grant"}, id="199"),
    ],
)
def test_answers_of_another_program(status, body):
    """An answer that is no OAuth error does not end the consent; the error says to check the URL."""
    error = refused(answer(body, status))

    assert isinstance(error, TokenResponseError)
    assert error.status == status
    assert "check the URL" in str(error)


@pytest.mark.parametrize("request_", REQUESTS, ids=["refresh", "form", "code", "two-legged"])
@pytest.mark.parametrize(
    ("status", "ambiguous"),
    [
        (429, False),
        (500, False),
        (501, False),
        (502, True),
        (503, False),
        (504, True),
        (599, False),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", {"error": "invalid_grant"}, ISSUED],
    ids=["empty", "html", "oauth-error", "token"],
)
def test_outages(status, ambiguous, body, request_):
    """429 and 5xx are transient whatever the body says; 502 and 504 may have been served."""
    error = refused(answer(body, status, retry_after="30"), request_)

    assert isinstance(error, TransientError)
    assert error.ambiguous is ambiguous
    assert ("may have served" in str(error)) is ambiguous
    assert error.retry_after_seconds == 30


def test_a_truncated_outage_page_is_transient():
    """A long error page of a proxy is a temporary failure as well."""
    error = refused(HTTPResponse(503, {}, b"x", truncated=True))

    assert isinstance(error, TransientError)
    assert error.retry_after_seconds is None


def test_retry_after_as_a_date():
    """A date is compared with the time of the request where the answer has no date."""
    response = answer(b"", 503, retry_after="Fri, 20 Nov 2026 12:01:00 GMT")

    assert refused(response).retry_after_seconds == 60


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
@pytest.mark.parametrize("status", [200, 400])
def test_outages_by_name(error, status):
    """The ``error`` decides where the status does not."""
    assert isinstance(refused(answer({"error": error}, status)), TransientError)


DEAD = [
    pytest.param("invalid_grant", "Unknown or invalid refresh token.", id="invalid-grant"),
    pytest.param("invalid_grant", None, id="bare-invalid-grant"),
    pytest.param("unauthorized_client", "refresh_token is invalid", id="unauthorized-client"),
    pytest.param("unauthorized_client", "The Refresh Token was revoked", id="other-wording"),
]


@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize("request_", [REFRESH, REFRESH_FORM], ids=["json", "form"])
@pytest.mark.parametrize(("error", "description"), DEAD)
def test_dead_refresh_tokens(error, description, request_, status):
    """A refused refresh token ends the consent, whatever the status of the answer."""
    body = {"error": error, "error_description": description}

    raised = refused(answer(body, status), request_)

    assert isinstance(raised, AuthorizationRequired)
    assert raised.reason == "refused"
    assert "The refresh token was refused" in str(raised)
    assert f"HTTP {status}, {error}" in str(raised)


@pytest.mark.parametrize("description", [None, "Unknown or invalid refresh token.", "expired"])
def test_dead_codes(description):
    """For a code, ``invalid_grant`` is about the code; the error says how short codes live."""
    body = {"error": "invalid_grant", "error_description": description}

    raised = refused(answer(body, 400), CODE)

    assert isinstance(raised, AuthorizationRequired)
    assert "The authorization code was refused" in str(raised)
    assert "for seconds rather than minutes" in str(raised)


@pytest.mark.parametrize(
    ("error", "argument", "advice"),
    [
        ("invalid_client", None, "client id or the client secret is wrong"),
        ("access_denied", "client_secret", "client secret is wrong or missing"),
        ("unauthorized_client", None, "this app is not allowed to make this request"),
        ("invalid_scope", "scopes", "not given one of the scopes"),
        ("invalid scope", "scopes", "not given one of the scopes"),
        ("INVALID_SCOPE ", "scopes", "not given one of the scopes"),
        ("invalid_request", None, "did not understand the request"),
        ("unsupported_grant_type", None, "does not offer this grant"),
        ("invalid_target", "endpoints", "audience is wrong"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_configuration_errors(error, argument, advice, status):
    """A wrong configuration is not reported as a lost consent, and the error says what to change."""
    body = {"error": error, "error_description": "Unauthorized"}

    raised = refused(answer(body, status))

    assert isinstance(raised, ConfigurationError)
    assert raised.error == error.strip().lower().replace(" ", "_")
    assert raised.argument == argument
    assert advice in str(raised)
    assert f"HTTP {status}, {error}: Unauthorized" in str(raised)
    assert ("The consent is not lost." in str(raised)) is (argument == "client_secret")


@pytest.mark.parametrize("request_", [CODE, TWO_LEGGED], ids=["code", "two-legged"])
def test_unauthorized_client_is_dead_for_refreshes_only(request_):
    """Words about a refresh token mean nothing where none was sent."""
    body = {"error": "unauthorized_client", "error_description": "refresh_token is invalid"}

    assert isinstance(refused(answer(body, 403), request_), ConfigurationError)


def test_client_credentials_have_no_grant_to_lose():
    """``invalid_grant`` for 2LO means the credential, which no consent brings back."""
    raised = refused(answer({"error": "invalid_grant"}, 403), TWO_LEGGED)

    assert isinstance(raised, ConfigurationError)
    assert raised.error == "invalid_grant"
    assert "the credential is no longer valid" in str(raised)


def test_a_code_that_came_too_late():
    """Data Center answers ``invalid_request`` for an expired code: the error says so."""
    raised = refused(answer({"error": "invalid_request"}, 400), CODE)

    assert isinstance(raised, ConfigurationError)
    refused_code = "(HTTP 400, invalid_request): the authorization code was refused"
    assert refused_code in str(raised)
    assert "a code works once, for seconds rather than minutes" in str(raised)


@pytest.mark.parametrize("request_", REQUESTS, ids=["refresh", "form", "code", "two-legged"])
@pytest.mark.parametrize("status", [200, 400, 429, 503])
@pytest.mark.parametrize("member", ["error", "error_description"])
@pytest.mark.parametrize("secret", [*SECRETS, "client%2Bsecret%2F1"])
def test_echoed_secrets_are_hidden(request_, status, member, secret):
    """A server that quotes the request back does not make us print it."""
    body = {"error": "invalid_client", member: f"no such \u0000{secret}: {'x' * 500}"}

    shown = "".join(traceback.format_exception(refused(answer(body, status), request_)))

    assert secret not in shown.replace(__file__, "")
    assert "x" * 201 not in shown


def test_nothing_is_chained():
    """An error holds no other that could hold the body."""
    error = refused(answer(b"<html>"))

    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("status", "error", "description", "grant_type", "verdict"),
    [
        (428, "", "", "refresh_token", Verdict.UNKNOWN),
        (429, "", "", "refresh_token", Verdict.TRANSIENT),
        (430, "", "", "refresh_token", Verdict.UNKNOWN),
        (499, "invalid_grant", "", "refresh_token", Verdict.CONSENT_LOST),
        (500, "invalid_grant", "", "refresh_token", Verdict.TRANSIENT),
        (199, "invalid_grant", "", "refresh_token", Verdict.UNKNOWN),
        (200, "invalid_grant", "", "refresh_token", Verdict.CONSENT_LOST),
        (299, "invalid_grant", "", "refresh_token", Verdict.CONSENT_LOST),
        (300, "invalid_grant", "", "refresh_token", Verdict.UNKNOWN),
        (399, "invalid_grant", "", "refresh_token", Verdict.UNKNOWN),
        (400, "invalid_grant", "", "authorization_code", Verdict.CONSENT_LOST),
        (400, "invalid_grant", "", "client_credentials", Verdict.CONFIGURATION),
        (403, "unauthorized_client", "refresh-token", "refresh_token", Verdict.CONSENT_LOST),
        (403, "unauthorized_client", "grant type", "refresh_token", Verdict.CONFIGURATION),
        (401, "access_denied", "refresh token", "refresh_token", Verdict.CONFIGURATION),
    ],
)
def test_verdicts(status, error, description, grant_type, verdict):
    """The table, at the boundaries of the statuses."""
    assert verdict_of(status, error, description, grant_type=grant_type) is verdict


MEMBERS = st.dictionaries(
    st.sampled_from([*ISSUED, "error", "error_description"]) | st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(["Bearer", "invalid_grant", "invalid_client", "refresh_token", *SECRETS]),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
)
BODIES = st.binary(max_size=60) | MEMBERS.map(lambda members: json.dumps(members).encode())


@given(
    response=st.builds(
        HTTPResponse,
        st.sampled_from([200, 400, 401, 403]) | st.integers(100, 599),
        st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text()),
        BODIES,
        st.booleans(),
    ),
    request_=st.sampled_from(REQUESTS),
    previous=st.none() | st.just(PREVIOUS),
)
def test_any_answer_is_a_token_or_one_of_our_errors(response, request_, previous):
    """Whatever comes back, nothing else is raised, and no secret of the request is shown."""
    try:
        token = read(response, request_, previous=previous)
    except AtlassianAuthError as error:
        shown = f"{error!r} {error.__dict__} {error.__context__}"
    else:
        shown = repr(token)
        assert token.access_token
        assert token.refresh_token != ""
        assert NOW <= token.expires_at <= NOW + timedelta(days=365)

    assert not any(secret in shown for secret in SECRETS)


@given(members=MEMBERS, request_=st.sampled_from([REFRESH, REFRESH_FORM]))
def test_a_rotated_pair_is_never_thrown_away(members, request_):
    """A success with a token is read, whatever other members it has."""
    pair = {"access_token": "access-1", "refresh_token": "refresh-2", "token_type": "bearer"}

    token = read(answer(members | pair), request_, previous=PREVIOUS)

    assert (token.access_token, token.refresh_token) == ("access-1", "refresh-2")


# -- what else an answer may do -------------------------------------------------------------------


def test_an_answer_that_quotes_its_own_secrets():
    """An error about an answer does not quote the tokens in it."""
    issued = {"access_token": "NEW-access-token", "refresh_token": "NEW-refresh-token"}
    words = "/".join([*issued.values(), "NEW-id-token"])
    body = {**issued, "id_token": "NEW-id-token", "token_type": "odd", "error": words}

    assert "NEW" not in str(refused(answer(body)))


def test_names_of_errors_are_no_secrets():
    """The name of an error is shown even if another member contains the same word."""
    error = refused(answer({"error": "invalid_client", "status": "invalid_client"}, 401))

    assert "invalid_client" in str(error)


def test_a_scope_that_is_a_secret_of_the_answer():
    """A server that puts the new refresh token among the scopes does not publish it."""
    members = {"access_token": "a", "refresh_token": "NEW-refresh", "scope": "read:me NEW-refresh"}

    assert read(answer(members)).scopes == ("read:me", "[secret]")


def test_scopes_may_hold_a_word_of_ours():
    """A client secret that is an ordinary word costs no scope."""
    request = json_request(URL, {"grant_type": "refresh_token"}, secrets=("user",))
    members = {"access_token": "a", "scope": "read:jira-user"}

    assert read(answer(members), request).scopes == ("read:jira-user",)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_an_answer_in_a_coding(status):
    """A compressed answer was not asked for and is not unpacked: the error names the coding."""
    error = refused(HTTPResponse(status, {"content-encoding": "gzip, br\x1b"}, b""))

    assert isinstance(error, TokenResponseError)
    assert "content coding that was not asked for (gzip, br )" in str(error)


def test_trouble_in_a_coding_is_transient():
    """A status of 5xx is transient, even if its body is compressed."""
    assert isinstance(refused(HTTPResponse(503, {"content-encoding": "gzip"})), TransientError)


def test_a_sender_may_have_unpacked_it():
    """A body that can be read is read, although the header is still there."""
    unpacked = answer({"access_token": "a"}, 200, **{"content-encoding": "gzip"})

    assert read(unpacked).access_token == "a"


def test_a_coded_success_of_a_revocation_is_one():
    """Nothing in its body counts."""
    response = HTTPResponse(200, {"content-encoding": "gzip"})

    read_revocation_response(response, request=REFRESH, obtained_at=NOW)


@pytest.mark.parametrize("status", [199, 300])
def test_only_a_success_revokes(status):
    """Any other answer than a success leaves the token as it is, and says what it was."""
    with pytest.raises(TokenResponseError) as caught:
        read_revocation_response(HTTPResponse(status, {}), request=REFRESH, obtained_at=NOW)

    assert caught.value.status == status


def test_a_revocation_that_is_to_be_tried_later():
    """A date in ``Retry-After`` is compared with the time of the revocation."""
    response = answer(b"", 503, retry_after="Fri, 20 Nov 2026 12:01:00 GMT")

    with pytest.raises(TransientError) as caught:
        read_revocation_response(response, request=REFRESH, obtained_at=NOW)

    assert caught.value.retry_after_seconds == 60
