"""Data Center's token endpoint: forms only, no leeway, old tokens die at once."""

from __future__ import annotations

import base64
import hashlib

import pytest

VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())[:-1].decode()
DAY = 86_400


@pytest.fixture
def code(caller):
    return caller.dc_authorize()[1]["code"]


@pytest.fixture
def grant(caller):
    return caller.fake.issue_grant(caller.fake.data_center_app)


# Codes


def test_a_code_becomes_a_pair(caller, code):
    """The token type is lower case, and there is no offline_access to ask for."""
    response = caller.dc_redeem(code)

    token = response.json()
    assert response.status_code == 200
    assert token == {
        "access_token": token["access_token"],
        "refresh_token": token["refresh_token"],
        "expires_in": 3600,
        "token_type": "bearer",
        "scope": "ADMIN",
    }
    assert response.headers["cache-control"] == "no-store"


def test_json_is_a_server_error(caller, code):
    """Jersey reads forms only and says so."""
    response = caller.http.post(caller.urls.dc_token_url, json={"code": code})

    assert response.status_code == 500
    assert "@FormParam" in response.text


def test_a_replayed_code_takes_its_tokens_with_it(caller, code):
    """A second use of a code is refused, and revokes the tokens of the first."""
    token = caller.dc_redeem(code).json()

    again = caller.dc_redeem(code)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert caller.dc_myself(token["access_token"]).status_code == 401
    assert caller.dc_refresh(token["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("age", "status"), [(59.5, 200), (60, 400), (60.5, 400)])
def test_a_code_lives_a_minute(caller, code, age, status):
    """A code works for a minute, and not a moment longer."""
    caller.clock.advance(age)

    assert caller.dc_redeem(code).status_code == status


def test_an_expired_code_is_an_invalid_request(caller, code):
    """Not an invalid grant, as elsewhere."""
    caller.clock.advance(60)

    assert caller.dc_redeem(code).json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code": "unknown"}, 400, "invalid_request"),
        ({"code": None}, 400, "invalid_request"),
        ({"redirect_uri": None}, 400, "invalid_request"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:8765/other"}, 400, "invalid_grant"),
        ({"client_id": "nobody"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"code": "unknown", "client_secret": "wrong"}, 400, "invalid_request"),
    ],
    ids=str,
)
def test_a_code_is_checked_before_the_client(caller, code, changes, status, error):
    """Of two mistakes the grant's is reported; the client's secret is checked last."""
    response = caller.dc_redeem(**({"code": code} | changes))

    assert (response.status_code, response.json()["error"]) == (status, error)


def test_a_refused_attempt_does_not_use_up_the_code(caller, code):
    """A wrong secret leaves the code as it was."""
    caller.dc_redeem(code, client_secret="wrong")

    assert caller.dc_redeem(code).status_code == 200


@pytest.mark.parametrize(
    ("challenge", "method", "verifier", "status"),
    [
        (CHALLENGE, "S256", VERIFIER, 200),
        (CHALLENGE, "s256", VERIFIER, 200),
        (CHALLENGE, "S256", "b" * 43, 400),
        (CHALLENGE, "S256", None, 400),
        (VERIFIER, "plain", VERIFIER, 200),
        (VERIFIER, None, VERIFIER, 200),
        (VERIFIER, None, "b" * 43, 400),
        (CHALLENGE, None, VERIFIER, 400),
    ],
)
def test_pkce_is_verified(caller, challenge, method, verifier, status):
    """A challenge without a method is plain (RFC 7636 section 4.3)."""
    _, parameters = caller.dc_authorize(code_challenge=challenge, code_challenge_method=method)

    response = caller.dc_redeem(parameters["code"], code_verifier=verifier)

    assert response.status_code == status


# Rotation


def test_a_refresh_deletes_the_old_pair_at_once(caller, grant):
    """The old access token dies with the request that refreshes it."""
    refreshed = caller.dc_refresh(grant.refresh_token).json()

    assert caller.dc_myself(grant.access_token).status_code == 401
    assert caller.dc_myself(refreshed["access_token"]).status_code == 200
    assert caller.dc_refresh(refreshed["refresh_token"]).status_code == 200


def test_there_is_no_leeway(caller, grant):
    """A spent refresh token is refused at once, and its family stays valid."""
    refreshed = caller.dc_refresh(grant.refresh_token).json()

    again = caller.dc_refresh(grant.refresh_token)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (caller.fake.leeway_reuses, caller.fake.reuses_outside_leeway) == (0, 1)
    assert caller.dc_myself(refreshed["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("age", "status"),
    [(90 * DAY - 0.5, 200), (90 * DAY, 400), (90 * DAY + 0.5, 400)],
    ids=["before", "at", "after"],
)
def test_a_refresh_token_lives_ninety_days(caller, grant, age, status):
    """From its own creation; there is no absolute end."""
    caller.clock.advance(age)

    assert caller.dc_refresh(grant.refresh_token).status_code == status


def test_a_grant_in_use_outlives_a_year(caller, grant):
    """Each rotation starts the 90 days anew."""
    refresh_token = grant.refresh_token
    for _ in range(5):
        caller.clock.advance(80 * DAY)
        refresh_token = caller.dc_refresh(refresh_token).json()["refresh_token"]

    assert caller.dc_refresh(refresh_token).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"refresh_token": "unknown"}, 400, "invalid_grant"),
        ({"refresh_token": None}, 400, "invalid_request"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"redirect_uri": "http://127.0.0.1:8765/other"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"refresh_token": "unknown", "client_secret": "wrong"}, 400, "invalid_grant"),
    ],
    ids=str,
)
def test_a_refresh_is_checked_before_the_client(caller, grant, changes, status, error):
    """Of two mistakes the grant's is reported, and nothing is rotated."""
    fields = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}

    response = caller.dc_token(**(fields | changes))

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert caller.fake.family_of(grant.refresh_token).generation == 1


def test_a_refresh_may_name_its_redirect_uri(caller, grant):
    """A refresh may name the redirect URI of its client."""
    uri = caller.fake.data_center_app.redirect_uri

    assert caller.dc_refresh(grant.refresh_token, redirect_uri=uri).status_code == 200


def test_a_refresh_token_belongs_to_its_client(caller, grant):
    """Another client cannot use the refresh token."""
    other = caller.fake.register_data_center_app("b")

    response = caller.dc_refresh(
        grant.refresh_token, client_id="b", client_secret=other.client_secret
    )

    assert response.json()["error"] == "invalid_grant"


# Lifetimes


@pytest.mark.parametrize(("age", "status"), [(3599.5, 200), (3600, 401), (3600.5, 401)])
def test_an_access_token_lives_an_hour(caller, grant, age, status):
    """After an hour the request is anonymous, and an API that needs a person refuses it."""
    caller.clock.advance(age)

    assert caller.dc_myself(grant.access_token).status_code == status


def test_a_changed_lifetime_acts_on_live_tokens(caller, grant):
    """Expiry is computed when a token is presented."""
    caller.fake.rules.access_token_lifetime_seconds["data_center"] = 10
    caller.clock.advance(10)

    assert caller.dc_myself(grant.access_token).status_code == 401
    assert caller.dc_refresh(grant.refresh_token).json()["expires_in"] == 10


# Revocation


def revoke(caller, token, **changes):
    app = caller.fake.data_center_app
    body = {"token": token, "client_id": app.client_id, "client_secret": app.client_secret}
    return caller.http.post(caller.urls.dc_revoke_url, data=body | changes)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_one_token_ends_both(caller, grant, which):
    """The answer is empty."""
    response = revoke(caller, getattr(grant, which), token_type_hint=which)

    assert (response.status_code, response.content) == (200, b"")
    assert caller.dc_myself(grant.access_token).status_code == 401
    assert caller.dc_refresh(grant.refresh_token).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"token": ""}, 400, "invalid_request"),
        ({"token_type_hint": "id_token"}, 400, "unsupported_token_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
    ids=str,
)
def test_a_wrong_revocation_revokes_nothing(caller, grant, changes, status, error):
    """Missing token, unknown hint, stranger."""
    response = revoke(caller, **({"token": grant.refresh_token} | changes))

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert caller.fake.family_of(grant.refresh_token).alive


def test_revoking_an_unknown_token_succeeds(caller):
    """Revoking an unknown token succeeds (RFC 7009 section 2.2)."""
    assert revoke(caller, "unknown").status_code == 200


# Service accounts


def service_account(caller, **changes):
    app = caller.fake.data_center_service_account_app
    body = {"client_id": app.client_id, "client_secret": app.client_secret, "scope": "READ"}
    return caller.dc_token("client_credentials", **(body | changes))


@pytest.mark.parametrize("scope", ["READ", "WRITE", "READ WRITE"])
def test_a_service_account_reads_and_writes(caller, scope):
    """A service account may request several scopes, and gets no refresh token."""
    token = service_account(caller, scope=scope).json()

    assert token == {
        "access_token": token["access_token"],
        "token_type": "bearer",
        "expires_in": 3600,
        "scope": scope,
    }
    assert caller.dc_myself(token["access_token"]).status_code == 200


def test_a_service_account_token_can_be_revoked(caller):
    """A service account's token can be revoked by itself."""
    token = service_account(caller).json()["access_token"]
    app = caller.fake.data_center_service_account_app

    revoke(caller, token, client_id=app.client_id, client_secret=app.client_secret)

    assert caller.dc_myself(token).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"scope": "ADMIN"}, 400, "invalid scope"),
        ({"scope": "READ ADMIN"}, 400, "invalid scope"),
        ({"scope": "read"}, 400, "invalid scope"),
        ({"scope": None}, 400, "invalid_request"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "nobody", "scope": "ADMIN"}, 400, "invalid scope"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
    ids=str,
)
def test_a_service_account_is_refused(caller, changes, status, error):
    """The scope's error has a space in it, and comes before the client's."""
    response = service_account(caller, **changes)

    assert (response.status_code, response.json()["error"]) == (status, error)


def test_a_service_account_is_capped(caller):
    """A service account cannot get a scope above its own."""
    app = caller.fake.register_2lo("data_center_service_account", "b", scopes=["READ"])

    response = service_account(
        caller, client_id="b", client_secret=app.client_secret, scope="WRITE"
    )

    assert response.json()["error"] == "invalid scope"
