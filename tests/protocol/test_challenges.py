"""A 401 of an expired token is distinguished from one that a refresh does not cure."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol._challenges import (
    Challenge,
    is_anonymous,
    read_challenge,
    required_scopes,
)

SCOPE_BODY = b'{"code":401,"message":"Unauthorized; scope does not match"}'
INSUFFICIENT = 'Bearer realm="x", error="insufficient_scope", scope="read:a read:b"'


@pytest.mark.parametrize(
    ("status", "headers", "body", "challenge"),
    [
        pytest.param(401, {}, b"", Challenge.EXPIRED, id="bare"),
        pytest.param(
            401, {}, b'{"code":401,"message":"Unauthorized"}', Challenge.EXPIRED, id="gateway"
        ),
        pytest.param(401, {}, SCOPE_BODY, Challenge.SCOPE_MISMATCH, id="scope-message"),
        pytest.param(401, {}, SCOPE_BODY.upper(), Challenge.EXPIRED, id="other-member"),
        pytest.param(
            401,
            {},
            b'{"message":"UNAUTHORIZED; Scope Does Not Match"}',
            Challenge.SCOPE_MISMATCH,
            id="scope-message-case",
        ),
        pytest.param(
            401,
            {"x-failure-category": "FAILURE_CLIENT_SCOPE_CHECK"},
            b"",
            Challenge.SCOPE_MISMATCH,
            id="scope-category",
        ),
        pytest.param(
            401,
            {"x-failure-category": "FAILURE_CLIENT_AUTH_MISMATCH"},
            b"",
            Challenge.OTHER,
            id="wrong-host",
        ),
        pytest.param(
            401, {"x-failure-category": "FAILURE_NEW"}, b"", Challenge.EXPIRED, id="new-category"
        ),
        pytest.param(
            401, {"www-authenticate": INSUFFICIENT}, b"", Challenge.SCOPE_MISMATCH, id="rfc-401"
        ),
        pytest.param(
            403, {"www-authenticate": INSUFFICIENT}, b"", Challenge.SCOPE_MISMATCH, id="rfc-403"
        ),
        pytest.param(
            401,
            {"www-authenticate": 'Bearer error="invalid_token"'},
            b"",
            Challenge.EXPIRED,
            id="invalid-token",
        ),
        pytest.param(
            401,
            {"x-seraph-loginreason": "AUTHENTICATED_FAILED"},
            b"",
            Challenge.EXPIRED,
            id="product-refused",
        ),
        pytest.param(401, {}, b"<html>scope does not match</html>", Challenge.EXPIRED, id="html"),
        pytest.param(
            401, {}, b'{"message":["scope does not match"]}', Challenge.EXPIRED, id="list"
        ),
        pytest.param(401, {}, b"[1]", Challenge.EXPIRED, id="json-list"),
        pytest.param(403, {}, b"", Challenge.OTHER, id="403"),
        pytest.param(404, {}, b"", Challenge.OTHER, id="404"),
        pytest.param(200, {}, b"", Challenge.OTHER, id="200"),
    ],
)
def test_challenges(status, headers, body, challenge):
    """Only a 401 that says nothing else is about expiry."""
    assert read_challenge(status, headers, body) is challenge


def test_httpx_headers_will_do():
    """A mapping that ignores case is read as well."""
    headers = httpx.Headers({"X-Failure-Category": "failure_client_scope_check"})

    assert read_challenge(401, headers, b"") is Challenge.SCOPE_MISMATCH


@pytest.mark.parametrize(
    ("header", "scopes"),
    [
        pytest.param("", (), id="empty"),
        pytest.param("Bearer", (), id="bare"),
        pytest.param(INSUFFICIENT, ("read:a", "read:b"), id="rfc-6750"),
        pytest.param('bearer scope="a"', ("a",), id="scheme-case"),
        pytest.param('Bearer SCOPE="a"', ("a",), id="name-case"),
        pytest.param("Bearer scope=a", ("a",), id="token"),
        pytest.param('Bearer scope = "a b a"', ("a", "b"), id="spaces-and-duplicates"),
        pytest.param('Bearer scope=""', (), id="empty-scope"),
        pytest.param('Bearer scope="a", scope="b"', ("a",), id="first-counts"),
        pytest.param('Basic realm="x", Bearer scope="a"', ("a",), id="second-challenge"),
        pytest.param('Bearer scope="a", Basic scope="b"', ("a",), id="other-scheme-after"),
        pytest.param('Basic scope="b"', (), id="other-scheme"),
        pytest.param('Bearer realm="Basic scope=\\"b\\", x", scope="a"', ("a",), id="quoted"),
        pytest.param('Bearer realm="x=y", scope="a"', ("a",), id="equals-in-quotes"),
        pytest.param('scope="a"', (), id="no-scheme"),
        pytest.param("Negotiate abc==, Bearer scope=a", ("a",), id="token68"),
        pytest.param("Bearer\tscope=a", ("a",), id="tab"),
    ],
)
def test_required_scopes(header, scopes):
    """The scopes of the Bearer challenge, each once, wherever it stands."""
    assert required_scopes({"www-authenticate": header}, secrets=()) == scopes


def test_no_header_names_no_scope():
    """The gateway never names the scope it misses."""
    assert required_scopes({}, secrets=()) == ()


@given(
    scopes=st.lists(st.text(st.sampled_from('ab:.-"\\,='), min_size=1), min_size=1, unique=True),
    before=st.sampled_from(["", 'Basic realm="a, b"', "Negotiate", 'Digest qop="auth", x=y']),
)
def test_quoted_scopes_read_back(scopes, before):
    """Any scope survives quoting, after any other challenge."""
    quoted = " ".join(scopes).replace("\\", "\\\\").replace('"', '\\"')
    header = f'{before}, Bearer error="insufficient_scope", scope="{quoted}"'.lstrip(", ")

    assert required_scopes({"www-authenticate": header}, secrets=()) == tuple(scopes)


@given(st.integers(100, 599), st.text(), st.text(), st.binary() | st.text().map(json.dumps))
def test_challenges_never_raise(status, authenticate, category, body):
    """Any challenge of an API has one of three meanings."""
    headers = {"www-authenticate": authenticate, "x-failure-category": category}
    content = body if isinstance(body, bytes) else body.encode()

    assert read_challenge(status, headers, content) in Challenge
    assert isinstance(required_scopes(headers, secrets=()), tuple)


@pytest.mark.parametrize(
    "padding",
    [
        pytest.param("a" * 1_000_000, id="word"),  # quadratic reading would take hours
        pytest.param("a " * 50_000, id="words"),
        pytest.param('a="' * 50_000, id="quotes"),
        pytest.param('a="' + "\\" * 50_001, id="backslashes"),
    ],
)
def test_long_headers_are_read_in_linear_time(padding):
    """A long header costs no more than reading it."""
    assert "ok" in required_scopes({"www-authenticate": f"Bearer scope=ok, {padding}"}, secrets=())


def test_required_scopes_are_fit_to_be_shown():
    """Scopes from a header are shown shortened, without control characters or the bearer."""
    header = f'Bearer scope="a\x1b]0;x\x07 bearer-secret-1 {"b" * 600}"'

    scopes = required_scopes({"www-authenticate": header}, secrets=("bearer-secret-1",))

    assert scopes == ("a", "]0;x", "[secret]")


REST = "/jira/rest/api/2/myself"
PAGE = {"content-type": "text/html;charset=UTF-8"}


@pytest.mark.parametrize(
    ("status", "headers", "path", "expected"),
    [
        pytest.param(200, {"x-ausername": "anonymous"}, REST, True, id="named"),
        pytest.param(404, {"x-ausername": " Anonymous "}, REST, True, id="any-status"),
        pytest.param(200, {"x-ausername": "ada"}, REST, False, id="a-person"),
        pytest.param(302, {"location": "/jira/login.jsp?os_destination=x"}, REST, True, id="jira"),
        pytest.param(303, {"location": "https://c.example/login.action"}, REST, True, id="action"),
        pytest.param(307, {"location": "/login?next=/x"}, "/x", True, id="bitbucket"),
        pytest.param(302, {"location": "/loginhelp"}, REST, False, id="another-word"),
        pytest.param(302, {"location": "/x?to=/login"}, REST, False, id="in-the-query"),
        pytest.param(302, {}, REST, False, id="nowhere"),
        pytest.param(300, {"location": "/login"}, REST, True, id="first-redirect"),
        pytest.param(399, {"location": "/login"}, REST, True, id="last-redirect"),
        pytest.param(400, {"location": "/login"}, REST, False, id="no-redirect"),
        pytest.param(302, {"location": "http://[::1/login"}, REST, True, id="no-url"),
        pytest.param(201, {"location": "/login"}, REST, False, id="created"),
        pytest.param(200, PAGE, REST, True, id="page"),
        pytest.param(200, PAGE, "/jira/browse/SHOP-1", False, id="page-of-a-page"),
        pytest.param(404, PAGE, REST, False, id="page-of-an-error"),
        pytest.param(200, {"content-type": "application/json"}, REST, False, id="json"),
    ],
)
def test_anonymous_answers(status, headers, path, expected):
    """Data Center says that it knows no caller by a header, by its login page, or by the way there."""
    assert is_anonymous(status, headers, path) is expected
