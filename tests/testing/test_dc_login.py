"""Data Center's authorize endpoint: PKCE, one scope, and errors that mostly stay on the instance."""

from __future__ import annotations

import pytest


def test_consent_leads_back_with_code_and_state(caller):
    """Consent is given at once; the redirect is a 303 that may not be cached."""
    response = caller.http.get(caller.dc_authorize_url(state="s1"))

    assert response.status_code == 303
    assert response.headers["cache-control"] == "no-store"
    location = response.headers["location"]
    assert location.startswith(f"{caller.fake.data_center_app.redirect_uri}?code=secret-code-")
    assert location.endswith("&state=s1")


def test_state_is_not_required(caller):
    """Without a state none comes back."""
    _, parameters = caller.dc_authorize(state=None)

    assert set(parameters) == {"code"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "cloud-app"},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1:8765/other"},
        {"response_type": None},
        {"scope": None},
        {"code_challenge": "x" * 42, "code_challenge_method": "S256"},
        {"code_challenge": "x" * 129, "code_challenge_method": "S256"},
        {"code_challenge": "+" * 43, "code_challenge_method": "S256"},
        {"code_challenge": "x" * 43, "code_challenge_method": "S512"},
    ],
    ids=str,
)
def test_a_wrong_request_stays_on_the_instance(caller, changes):
    """A wrong authorization request ends on a page of the instance, not at the redirect URI."""
    response = caller.http.get(caller.dc_authorize_url(**changes))

    assert response.status_code == 400
    assert "invalid_request" in response.text
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("length", [43, 128])
@pytest.mark.parametrize("method", ["S256", "s256", "plain", None])
def test_every_documented_challenge_is_accepted(caller, length, method):
    """43 to 128 characters; the method in any case, or left out."""
    _, parameters = caller.dc_authorize(code_challenge="x" * length, code_challenge_method=method)

    assert "code" in parameters


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "EVERYTHING"}, "invalid_scope"),
        ({"scope": "READ WRITE"}, "invalid_scope"),
        ({"scope": "admin"}, "invalid_scope"),
    ],
    ids=str,
)
def test_these_errors_reach_the_app(caller, changes, error):
    """Response type and scope are refused by redirect, with the state."""
    address, parameters = caller.dc_authorize(**changes)

    assert address == caller.fake.data_center_app.redirect_uri
    assert (parameters["error"], parameters["state"]) == (error, "s1")
    assert parameters["error_description"]


def test_an_error_without_state_has_none(caller):
    """An error redirect has a state only if the request had one."""
    _, parameters = caller.dc_authorize(scope="EVERYTHING", state=None)

    assert set(parameters) == {"error", "error_description"}


@pytest.mark.parametrize(
    ("cap", "scope", "allowed"),
    [
        ("WRITE", "READ", True),
        ("WRITE", "WRITE", True),
        ("WRITE", "ADMIN", False),
        ("SYSTEM_ADMIN", "ADMIN", True),
        ("SYSTEM_ADMIN", "READ_ALL", False),
        ("READ_ALL", "READ_ALL", True),
        ("READ_ALL", "READ", False),
    ],
)
def test_the_incoming_link_caps_the_scope(caller, cap, scope, allowed):
    """Each level includes those below it; the others stand alone."""
    caller.fake.register_data_center_app("b", scopes=[cap])

    _, parameters = caller.dc_authorize(client_id="b", scope=scope)

    assert ("code" in parameters) is allowed


def test_a_person_can_decline(caller):
    """A declined consent returns access_denied with the state."""
    caller.fake.deny_next_consent()

    _, parameters = caller.dc_authorize()

    assert (parameters["error"], parameters["state"]) == ("access_denied", "s1")
