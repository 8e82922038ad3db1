"""Data Center's APIs: a bad token makes the caller anonymous, and ADMIN opens the audit log."""

from __future__ import annotations

import pytest


def grant(caller, scope):
    return caller.fake.issue_grant(caller.fake.data_center_app, scope).access_token


@pytest.mark.parametrize(
    ("scope", "status"),
    [("READ", 403), ("WRITE", 403), ("READ_ALL", 403), ("ADMIN", 200), ("SYSTEM_ADMIN", 200)],
)
def test_the_audit_log_wants_admin(caller, scope, status):
    """The audit log needs ADMIN, or a level that includes it."""
    assert caller.dc_audit(grant(caller, scope)).status_code == status


@pytest.mark.parametrize(
    ("scope", "status"), [("READ", 200), ("READ_ALL", 200), ("MANAGE_SUBSCRIPTIONS", 403)]
)
def test_myself_wants_read(caller, scope, status):
    """Every level includes READ; the ones that stand alone need not."""
    assert caller.dc_myself(grant(caller, scope)).status_code == status


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Token"])
def test_bearer_is_spelled_with_a_capital(caller, scheme):
    """Any other spelling leaves the caller anonymous."""
    assert caller.dc_myself(grant(caller, "ADMIN"), scheme=scheme).status_code == 401


@pytest.mark.parametrize("call", ["dc_myself", "dc_audit"])
def test_anonymous_callers_may_be_sent_to_log_in(caller, call):
    """Some instances redirect them to the login page, or show it with status 200."""
    caller.fake.rules.anonymous_answer = "redirect"
    redirect = getattr(caller, call)("unknown")
    caller.fake.rules.anonymous_answer = "page"
    page = getattr(caller, call)("unknown")

    assert redirect.status_code == 302
    assert redirect.headers["location"].startswith(f"{caller.urls.dc_base_url}/login.jsp?")
    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")


@pytest.mark.parametrize("call", ["dc_myself", "dc_audit"])
def test_an_unknown_token_makes_the_caller_anonymous(caller, call):
    """An unknown token gets the answer for an anonymous caller, which does not mention a token."""
    response = getattr(caller, call)("unknown")

    assert response.status_code == 401
    assert set(response.json()) == {"errorMessages", "errors"}
    assert "retry-after" not in response.headers


def test_tokens_of_cloud_are_unknown(caller):
    """The two products do not share their tokens."""
    assert caller.dc_myself(caller.fake.issue_grant().access_token).status_code == 401


def test_service_accounts_do_not_see_the_audit_log(caller):
    """READ and WRITE are all they can have."""
    app = caller.fake.data_center_service_account_app
    body = {"client_id": app.client_id, "client_secret": app.client_secret, "scope": "WRITE"}
    token = caller.dc_token("client_credentials", **body).json()["access_token"]

    assert caller.dc_audit(token).status_code == 403


@pytest.mark.parametrize("scope", ["ADMIN", "READ"])
def test_every_authenticated_answer_carries_a_retry_after_of_zero(caller, scope):
    """Each authenticated answer has a Retry-After of zero, although requests are left."""
    response = caller.dc_audit(grant(caller, scope))

    assert response.headers["retry-after"] == "0"
    assert response.headers["x-ratelimit-remaining"] == "99"
