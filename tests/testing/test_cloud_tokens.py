"""Cloud's token endpoints: rotation, the reuse leeway to the second, and the wording of errors."""

from __future__ import annotations

import base64
import hashlib

import pytest

from atlassian_auth.testing import Rules


def s256(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())[:-1].decode()


VERIFIER = "a" * 43
DAY = 86_400
DEAD = {
    "error": "invalid_grant",
    "error_description": "Unknown or invalid refresh token.",
}


@pytest.fixture
def code(caller):
    return caller.cloud_authorize()[1]["code"]


@pytest.fixture
def grant(caller):
    return caller.fake.issue_grant()


# Codes


@pytest.mark.parametrize("as_form", [False, True], ids=["json", "form"])
def test_a_code_becomes_a_pair(caller, code, as_form):
    """The docs show JSON; forms are accepted too."""
    response = caller.cloud_redeem(code, as_form=as_form)

    token = response.json()
    assert response.status_code == 200
    assert token == {
        "access_token": token["access_token"],
        "refresh_token": token["refresh_token"],
        "expires_in": 3600,
        "token_type": "Bearer",
        "scope": "read:me offline_access",
    }
    assert response.headers["cache-control"] == "no-store"


def test_without_offline_access_there_is_no_refresh_token(caller):
    """Only offline_access brings a refresh token."""
    _, parameters = caller.cloud_authorize(scope="read:me")

    token = caller.cloud_redeem(parameters["code"]).json()

    assert "refresh_token" not in token
    assert caller.me(token["access_token"]).status_code == 200


def test_a_code_works_once(caller, code):
    """The second use is refused, and the tokens of the first stay."""
    token = caller.cloud_redeem(code).json()

    again = caller.cloud_redeem(code)

    assert (again.status_code, again.json()["error"]) == (403, "invalid_grant")
    assert caller.me(token["access_token"]).status_code == 200


@pytest.mark.parametrize(("age", "status"), [(59.5, 200), (60, 403), (60.5, 403)])
def test_a_code_lives_a_minute(caller, code, age, status):
    """A code works for a minute, and not a moment longer."""
    caller.clock.advance(age)

    assert caller.cloud_redeem(code).status_code == status


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "unknown"},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1:8765/other"},
        {"code_verifier": VERIFIER},
    ],
    ids=str,
)
def test_a_code_that_does_not_fit_is_refused(caller, code, changes):
    """An unknown code, another redirect URI or an unexpected verifier is refused."""
    response = caller.cloud_redeem(**({"code": code} | changes))

    assert (response.status_code, response.json()["error"]) == (403, "invalid_grant")


def test_a_code_belongs_to_its_app(caller, code):
    """Another app cannot redeem the code."""
    other = caller.fake.register_cloud_app("b")

    response = caller.cloud_redeem(code, client_id="b", client_secret=other.client_secret)

    assert (response.status_code, response.json()["error"]) == (403, "invalid_grant")


@pytest.mark.parametrize(
    ("challenge", "verifier", "status"),
    [
        (s256("a" * 43), "a" * 43, 200),
        (s256("a" * 128), "a" * 128, 200),
        (s256("a" * 43), "b" * 43, 403),
        (s256("a" * 43), None, 403),
        (s256("a" * 42), "a" * 42, 403),
        (s256("a" * 129), "a" * 129, 403),
    ],
    ids=["right", "longest", "wrong", "missing", "short", "long"],
)
def test_pkce_is_verified_if_it_was_asked_for(caller, challenge, verifier, status):
    """A challenge binds the code to its verifier of 43 to 128 characters."""
    _, parameters = caller.cloud_authorize(code_challenge=challenge, code_challenge_method="S256")

    response = caller.cloud_redeem(parameters["code"], code_verifier=verifier)

    assert response.status_code == status


# Rotation


def test_a_refresh_rotates(caller, grant):
    """Each refresh brings a new pair of the same family; the old access token still works."""
    refreshed = caller.cloud_refresh(grant.refresh_token).json()

    assert refreshed["refresh_token"] != grant.refresh_token
    assert caller.me(refreshed["access_token"]).status_code == 200
    assert caller.me(grant.access_token).status_code == 200
    family = caller.fake.family_of(refreshed["refresh_token"])
    assert family is caller.fake.family_of(grant.refresh_token)
    assert (family.generation, family.refresh_token) == (2, refreshed["refresh_token"])


@pytest.mark.parametrize("age", [0, 599.5], ids=["at once", "just before its end"])
def test_within_the_leeway_the_old_refresh_token_still_answers(caller, grant, age):
    """A client that lost an answer may ask again for ten minutes."""
    first = caller.cloud_refresh(grant.refresh_token).json()
    caller.clock.advance(age)

    second = caller.cloud_refresh(grant.refresh_token)

    assert second.status_code == 200
    assert second.json()["refresh_token"] not in {grant.refresh_token, first["refresh_token"]}
    assert (caller.fake.leeway_reuses, caller.fake.reuses_outside_leeway) == (1, 0)
    assert caller.cloud_refresh(first["refresh_token"]).status_code == 200
    assert caller.cloud_refresh(second.json()["refresh_token"]).status_code == 200


@pytest.mark.parametrize("age", [600, 600.5], ids=["at its end", "just after"])
def test_outside_the_leeway_reuse_kills_the_family(caller, grant, age):
    """A refresh token that comes back late may be stolen: no token of its family works any more."""
    refreshed = caller.cloud_refresh(grant.refresh_token).json()
    caller.clock.advance(age)

    late = caller.cloud_refresh(grant.refresh_token)

    assert (late.status_code, late.json()) == (403, DEAD)
    assert (caller.fake.leeway_reuses, caller.fake.reuses_outside_leeway) == (0, 1)
    assert not caller.fake.family_of(grant.refresh_token).alive
    assert caller.cloud_refresh(refreshed["refresh_token"]).json() == DEAD
    assert caller.me(refreshed["access_token"]).status_code == 401


def test_the_leeway_counts_from_the_first_exchange(caller, grant):
    """Asking again within the leeway does not prolong it."""
    caller.cloud_refresh(grant.refresh_token)
    caller.clock.advance(300)
    caller.cloud_refresh(grant.refresh_token)
    caller.clock.advance(300)

    assert caller.cloud_refresh(grant.refresh_token).json() == DEAD


def test_the_leeway_can_be_changed(caller, grant):
    """The leeway can be set, for example to the three seconds of earlier years."""
    caller.fake.rules.reuse_leeway_seconds = 3
    caller.cloud_refresh(grant.refresh_token)
    caller.clock.advance(3)

    assert caller.cloud_refresh(grant.refresh_token).json() == DEAD


@pytest.mark.parametrize(("age", "status"), [(599.5, 200), (600, 401), (600.5, 401)])
def test_the_old_access_token_dies_with_the_leeway(caller, grant, age, status):
    """The access token of a spent refresh token works for ten minutes more."""
    caller.cloud_refresh(grant.refresh_token)

    caller.clock.advance(age)

    assert caller.me(grant.access_token).status_code == status


def test_the_leeway_does_not_prolong_the_old_access_token(caller, grant):
    """An access token that is about to expire expires."""
    caller.clock.advance(3599.5)
    caller.cloud_refresh(grant.refresh_token)

    caller.clock.advance(0.5)

    assert caller.me(grant.access_token).status_code == 401


# The end of a grant


@pytest.mark.parametrize(
    ("age", "status"),
    [(90 * DAY - 0.5, 200), (90 * DAY, 403), (90 * DAY + 0.5, 403)],
    ids=["before", "at", "after"],
)
def test_ninety_days_of_silence_end_a_grant(caller, grant, age, status):
    """A refresh token that is not used for 90 days is dead."""
    caller.clock.advance(age)

    assert caller.cloud_refresh(grant.refresh_token).status_code == status


def test_use_prolongs_a_grant(caller, grant):
    """Each rotation starts the 90 days anew."""
    caller.clock.advance(89 * DAY)
    refreshed = caller.cloud_refresh(grant.refresh_token).json()
    caller.clock.advance(89 * DAY)

    assert caller.cloud_refresh(refreshed["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("age", "status"),
    [(365 * DAY - 0.5, 200), (365 * DAY, 403)],
    ids=["before", "at"],
)
def test_a_year_ends_every_grant(caller, grant, age, status):
    """However often it is used, a grant ends 365 days after consent."""
    refresh_token = grant.refresh_token
    for _ in range(5):
        caller.clock.advance(60 * DAY)
        refresh_token = caller.cloud_refresh(refresh_token).json()["refresh_token"]

    caller.clock.advance(age - 300 * DAY)

    assert caller.cloud_refresh(refresh_token).status_code == status


def test_a_revoked_grant_is_dead_at_once(caller, grant):
    """The person took the app's access away."""
    caller.fake.revoke_grant(grant.refresh_token)

    assert caller.cloud_refresh(grant.refresh_token).json() == DEAD
    assert caller.me(grant.access_token).status_code == 401


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("invalid_grant", "Unknown or invalid refresh token."),
        ("unauthorized_client", "refresh_token is invalid"),
    ],
)
def test_both_wordings_of_a_dead_grant(caller, error, description):
    """The emulator can refuse a refresh token as documented, or as clients have seen it."""
    caller.fake.rules.dead_grant_error = error

    response = caller.cloud_refresh("unknown")

    assert response.status_code == 403
    assert response.json() == {"error": error, "error_description": description}


def test_a_refresh_token_belongs_to_its_app(caller, grant):
    """Another app cannot use the refresh token, which stays valid."""
    other = caller.fake.register_cloud_app("b")

    response = caller.cloud_refresh(
        grant.refresh_token, client_id="b", client_secret=other.client_secret
    )

    assert response.json() == DEAD
    assert caller.cloud_refresh(grant.refresh_token).status_code == 200


# Mistakes


@pytest.mark.parametrize(
    "changes",
    [{"client_secret": "wrong"}, {"client_secret": None}, {"client_id": "nobody"}],
    ids=str,
)
def test_a_wrong_client_is_told_apart_from_a_dead_grant(caller, grant, changes):
    """A wrong or missing secret is 401 access_denied, and nothing is rotated."""
    response = caller.cloud_refresh(grant.refresh_token, **changes)

    assert response.status_code == 401
    assert response.json() == {"error": "access_denied", "error_description": "Unauthorized"}
    assert caller.fake.family_of(grant.refresh_token).generation == 1


def test_an_app_of_data_center_is_unknown_to_cloud(caller, grant):
    """The two products do not share their apps."""
    app = caller.fake.data_center_app

    response = caller.cloud_refresh(
        grant.refresh_token, client_id=app.client_id, client_secret=app.client_secret
    )

    assert response.json()["error"] == "access_denied"


def test_a_scope_on_refresh_is_refused(caller, grant):
    """Cloud answers 403 to a refresh that names scopes, and rotates nothing."""
    response = caller.cloud_refresh(grant.refresh_token, scope="read:me")

    assert response.status_code == 403
    assert caller.fake.family_of(grant.refresh_token).generation == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"grant_type": None},
        {"grant_type": "refresh_token"},
        {"grant_type": "authorization_code"},
        {"grant_type": "refresh_token", "client_id": None, "refresh_token": "x"},
        {"grant_type": "refresh_token", "refresh_token": ""},
    ],
    ids=str,
)
def test_a_missing_field_is_an_invalid_request(caller, fields):
    """Every field of a grant is required."""
    response = caller.cloud_token(**fields)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_an_unknown_grant_type_is_named(caller):
    """An unknown grant type is refused."""
    response = caller.cloud_token("password")

    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": '),
        ("application/json", b'["refresh_token"]'),
        ("application/json", b'{"grant_type": 1}'),
        ("text/plain", b"grant_type=refresh_token"),
    ],
    ids=["broken", "list", "number", "text"],
)
def test_a_body_that_cannot_be_read_is_an_invalid_request(caller, content_type, body):
    """Only JSON objects and forms have fields, and only text is a value."""
    headers = {"content-type": content_type}

    response = caller.http.post(caller.urls.token_url, content=body, headers=headers)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


# Lifetimes


@pytest.mark.parametrize(("age", "status"), [(3599.5, 200), (3600, 401), (3600.5, 401)])
def test_an_access_token_lives_an_hour(caller, grant, age, status):
    """An access token works for an hour, and not a moment longer."""
    caller.clock.advance(age)

    assert caller.me(grant.access_token).status_code == status


def test_a_lifetime_can_be_changed_for_new_tokens(caller, grant):
    """Cloud writes the expiry into the token: live ones keep theirs."""
    caller.fake.rules.access_token_lifetime_seconds["cloud"] = 40

    refreshed = caller.cloud_refresh(grant.refresh_token).json()
    caller.clock.advance(40)

    assert refreshed["expires_in"] == 40
    assert caller.me(refreshed["access_token"]).status_code == 401
    assert caller.me(grant.access_token).status_code == 200


def test_rules_can_be_given_at_the_start():
    """A test that is about one number names only that."""
    rules = Rules(reuse_leeway_seconds=3)

    assert rules.access_token_lifetime_seconds["cloud"] == 3600
    assert rules.reuse_leeway_seconds == 3


# Revocation


def test_revoking_a_refresh_token_ends_its_grant(caller, grant):
    """The answer is empty, and the family is dead."""
    app = caller.fake.cloud_app
    body = {"token": grant.refresh_token, "client_id": app.client_id}

    response = caller.http.post(
        caller.urls.revoke_url, data={**body, "client_secret": app.client_secret}
    )

    assert (response.status_code, response.content) == (200, b"")
    assert caller.cloud_refresh(grant.refresh_token).json() == DEAD


def test_revoking_an_unknown_token_succeeds(caller):
    """Revoking an unknown token succeeds (RFC 7009 section 2.2)."""
    app = caller.fake.cloud_app
    body = {"token": "unknown", "client_id": app.client_id, "client_secret": app.client_secret}

    assert caller.http.post(caller.urls.revoke_url, data=body).status_code == 200


def test_revoking_needs_the_client(caller, grant):
    """A stranger revokes nothing."""
    body = {"token": grant.refresh_token, "client_id": "cloud-app", "client_secret": "wrong"}

    response = caller.http.post(caller.urls.revoke_url, data=body)

    assert response.json()["error"] == "access_denied"
    assert caller.fake.family_of(grant.refresh_token).alive


# Client credentials


def jira_software(caller, **changes):
    app = caller.fake.jira_software_app
    body = {
        "audience": "api.atlassian.com",
        "grant_type": "client_credentials",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
    }
    return caller.http.post(caller.urls.jira_software_token_url, json=body | changes)


def test_jira_software_credentials_get_fifteen_minutes(caller):
    """The API host issues them a token without a refresh token."""
    token = jira_software(caller).json()

    assert token == {
        "access_token": token["access_token"],
        "expires_in": 900,
        "token_type": "Bearer",
        "scope": "",
    }


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"audience": ""}, 400, "invalid_request"),
        ({"audience": "jira"}, 400, "invalid_request"),
        ({"client_secret": "wrong"}, 401, "access_denied"),
        ({"client_id": "cloud-app"}, 401, "access_denied"),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
    ],
    ids=str,
)
def test_jira_software_credentials_must_be_presented_right(caller, changes, status, error):
    """Audience, client and grant type are checked."""
    response = jira_software(caller, **changes)

    assert (response.status_code, response.json()["error"]) == (status, error)


def test_a_service_account_gets_an_hour_and_its_own_scopes(caller):
    """A service account's token has an hour, the scopes of its creation, and no refresh token."""
    app = caller.fake.service_account_app
    body = {"client_id": app.client_id, "client_secret": app.client_secret}

    response = caller.cloud_token("client_credentials", as_form=True, **body)

    token = response.json()
    assert (token["expires_in"], token["scope"]) == (3600, " ".join(app.scopes))
    assert "refresh_token" not in token


def test_jira_software_credentials_are_unknown_to_the_authorization_server(caller):
    """Only the API host issues tokens for Jira Software credentials."""
    app = caller.fake.jira_software_app
    body = {"client_id": app.client_id, "client_secret": app.client_secret}

    response = caller.cloud_token("client_credentials", **body)

    assert (response.status_code, response.json()["error"]) == (401, "access_denied")
