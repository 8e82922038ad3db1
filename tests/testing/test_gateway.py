"""Cloud's API host and sites: who may call what, and how each refusal is worded."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import App

AUDIT = "manage:jira-configuration"
MISMATCH = {"code": 401, "message": "Unauthorized; scope does not match"}
UNAUTHORIZED = {"code": 401, "message": "Unauthorized"}


def grant(caller, scopes):
    return caller.fake.issue_grant(scopes=scopes).access_token


def two_legged(caller, app: App, url, **extra):
    body = {"client_id": app.client_id, "client_secret": app.client_secret, **extra}
    response = caller.http.post(url, json={"grant_type": "client_credentials", **body})
    return response.json()["access_token"]


@pytest.fixture
def service_token(caller):
    return two_legged(caller, caller.fake.service_account_app, caller.urls.token_url)


@pytest.fixture
def provider_token(caller):
    app, url = caller.fake.jira_software_app, caller.urls.jira_software_token_url
    return two_legged(caller, app, url, audience="api.atlassian.com")


# Tokens


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer unknown", "Basic YTpi", "Bearer"],
    ids=str,
)
def test_without_a_valid_token_the_gateway_says_unauthorized(caller, authorization):
    """Missing, unknown and foreign credentials are worded alike."""
    headers = {"authorization": authorization} if authorization else {}

    response = caller.http.get(caller.urls.identity_url, headers=headers)

    assert (response.status_code, response.json()) == (401, UNAUTHORIZED)
    assert "x-failure-category" not in response.headers


def test_the_gateway_does_not_mind_how_bearer_is_spelled(caller):
    """The scheme is compared without regard to case (RFC 9110 section 11.1)."""
    token = caller.fake.issue_grant().access_token
    headers = {"authorization": f"bearer {token}"}

    assert caller.http.get(caller.urls.identity_url, headers=headers).status_code == 200


def test_a_revoked_access_token_is_refused(caller):
    """A single access token can be revoked while its consent goes on."""
    issued = caller.fake.issue_grant()

    caller.fake.revoke_access_token(issued.access_token)

    assert caller.me(issued.access_token).json() == UNAUTHORIZED
    assert caller.cloud_refresh(issued.refresh_token).status_code == 200


def test_all_access_tokens_can_be_expired_at_once(caller):
    """Tokens issued afterwards are good."""
    old = caller.fake.issue_grant()

    caller.fake.expire_access_tokens()
    new = caller.fake.issue_grant()

    assert caller.me(old.access_token).status_code == 401
    assert caller.me(new.access_token).status_code == 200


# Scopes


@pytest.mark.parametrize(
    ("scopes", "version", "status"),
    [
        ("manage:jira-configuration", 3, 200),
        ("manage:jira-configuration", 2, 200),
        ("read:audit-log:jira read:user:jira", 3, 200),
        ("read:audit-log:jira read:user:jira", 2, 401),
        ("read:audit-log:jira", 3, 401),
        ("read:user:jira", 3, 401),
        ("read:audit-log:jira read:jira-user", 3, 401),
        ("read:audit-log:confluence", 3, 401),
    ],
)
def test_the_audit_log_of_jira_wants_one_of_two_sets(caller, scopes, version, status):
    """The classic scope, or both granular ones; with those only version 3 answers."""
    response = caller.jira_audit(grant(caller, scopes), version=version)

    assert response.status_code == status


def test_a_missing_scope_is_told_apart_from_a_bad_token(caller):
    """A missing scope has its own message and header, which do not name the scope."""
    response = caller.jira_audit(grant(caller, "read:me"))

    assert (response.status_code, response.json()) == (401, MISMATCH)
    assert response.headers["x-failure-category"] == "FAILURE_CLIENT_SCOPE_CHECK"


@pytest.mark.parametrize(("scopes", "status"), [("read:audit-log:confluence", 200), (AUDIT, 401)])
def test_the_audit_log_of_confluence_wants_its_scope(caller, scopes, status):
    """The audit log of Confluence needs its one scope."""
    assert caller.confluence_audit(grant(caller, scopes)).status_code == status


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("scopes", "status"), [("read:jira-user", 200), ("read:user:jira", 200), (AUDIT, 401)]
)
def test_myself_wants_a_scope_about_users(caller, scopes, version, status):
    """The classic and the granular name differ only in order."""
    url = f"{caller.urls.jira(caller.fake.cloud_id)}rest/api/{version}/myself"

    response = caller.get(url, grant(caller, scopes))

    assert response.status_code == status
    assert status != 200 or response.json()["displayName"] == "Ada Admin"


def test_identity_tells_who_consented(caller):
    """With read:me, /me names the account."""
    person = caller.me(grant(caller, "read:me")).json()

    assert set(person) == {"account_id", "name", "email", "email_verified", "picture"}


def test_identity_wants_its_scope(caller):
    """Without read:me, /me is refused."""
    assert caller.me(grant(caller, AUDIT)).json() == MISMATCH


# Sites


@pytest.mark.parametrize("product", ["jira", "confluence"])
def test_an_unknown_cloud_id_is_not_found(caller, product):
    """An unknown cloud id is a 404."""
    token = caller.fake.issue_grant().access_token
    path = "rest/api/3/auditing/record" if product == "jira" else "rest/api/audit"

    response = caller.get(getattr(caller.urls, product)("no-such-id") + path, token)

    assert response.status_code == 404


def test_accessible_resources_tell_products_apart_by_scopes(caller):
    """A site has one entry for each product, with the same id."""
    token = grant(caller, "manage:jira-configuration read:audit-log:confluence read:me")

    entries = caller.get(caller.urls.resources_url, token).json()

    common = {
        "id": caller.fake.cloud_id,
        "name": "acme",
        "url": caller.urls.site("acme"),
        "avatarUrl": f"{caller.urls.site('acme')}/avatar.png",
    }
    assert entries == [
        {**common, "scopes": ["manage:jira-configuration"]},
        {**common, "scopes": ["read:audit-log:confluence"]},
    ]


def test_every_site_with_a_matching_product_is_accessible(caller):
    """A consent covers all sites; a site without the product is not listed."""
    caller.fake.add_site("globex", cloud_id="c-2")
    caller.fake.add_site("initech", products=["confluence"])

    entries = caller.get(caller.urls.resources_url, grant(caller, AUDIT)).json()

    assert [(e["name"], e["id"]) for e in entries] == [
        ("acme", caller.fake.cloud_id),
        ("globex", "c-2"),
    ]


def test_without_a_site_the_list_is_empty(caller):
    """Consent does not need a site."""
    caller.fake.remove_site("acme")

    response = caller.get(caller.urls.resources_url, grant(caller, AUDIT))

    assert (response.status_code, response.json()) == (200, [])


def test_accessible_resources_want_a_valid_token(caller):
    """A stale token is refused there as everywhere."""
    token = caller.fake.issue_grant().access_token
    caller.clock.advance(3600)

    assert caller.get(caller.urls.resources_url, token).json() == UNAUTHORIZED


def test_a_site_tells_its_cloud_id_to_everybody(caller):
    """No credential is asked for, and the name's case does not matter."""
    for name in ("acme", "ACME"):
        response = caller.http.get(f"{caller.urls.site(name)}/_edge/tenant_info")

        assert response.json() == {"cloudId": caller.fake.cloud_id}


def test_an_unknown_site_is_not_found(caller):
    """A site that is not there has no cloud id."""
    response = caller.http.get(f"{caller.urls.site('globex')}/_edge/tenant_info")

    assert response.status_code == 404


def test_tokens_do_not_work_on_the_site_itself(caller):
    """3LO tokens are for the gateway; the site refuses them."""
    token = caller.fake.issue_grant().access_token

    response = caller.get(f"{caller.urls.site('acme')}/rest/api/3/myself", token)

    assert response.status_code == 401
    assert response.headers["x-failure-category"] == "FAILURE_CLIENT_AUTH_MISMATCH"


@pytest.mark.parametrize("path", ["/nowhere", ""], ids=["path", "root"])
def test_an_unknown_path_is_not_found(caller, path):
    """The emulator says which call it does not know."""
    response = caller.http.get(f"{caller.urls.api_url}{path}")

    assert response.status_code == 404
    assert f"GET {path}" in response.json()["error_description"]


# Client credentials


@pytest.mark.parametrize("entity", ["builds", "deployments", "devinfo", "featureflags"])
def test_jira_software_credentials_submit_in_bulk(caller, provider_token, entity):
    """The emulator keeps what was submitted in bulk."""
    url = f"{caller.urls.api_url}/jira/{entity}/0.1/cloud/{caller.fake.cloud_id}/bulk"
    headers = {"authorization": f"Bearer {provider_token}"}

    response = caller.http.post(url, json={"entities": [1]}, headers=headers)

    assert response.status_code == 202
    assert caller.fake.submissions == (
        {"entity": entity, "cloud_id": caller.fake.cloud_id, "document": {"entities": [1]}},
    )


@pytest.mark.parametrize(
    ("cloud_id", "content", "status"),
    [("no-such-id", b"{}", 404), (None, b"no json", 400)],
    ids=["site", "body"],
)
def test_a_wrong_submission_is_not_kept(caller, provider_token, cloud_id, content, status):
    """Unknown site, unreadable body."""
    cloud_id = cloud_id or caller.fake.cloud_id
    url = f"{caller.urls.api_url}/jira/builds/0.1/cloud/{cloud_id}/bulk"
    headers = {"authorization": f"Bearer {provider_token}"}

    response = caller.http.post(url, content=content, headers=headers)

    assert response.status_code == status
    assert caller.fake.submissions == ()


@pytest.mark.parametrize(("age", "status"), [(899.5, 202), (900, 401)])
def test_jira_software_tokens_live_fifteen_minutes(caller, provider_token, age, status):
    """A Jira Software token works for fifteen minutes, and not a moment longer."""
    url = f"{caller.urls.api_url}/jira/builds/0.1/cloud/{caller.fake.cloud_id}/bulk"
    caller.clock.advance(age)

    response = caller.http.post(url, json={}, headers={"authorization": f"Bearer {provider_token}"})

    assert response.status_code == status


def test_jira_software_tokens_open_nothing_else(caller, provider_token):
    """Not the audit log: they are of another kind."""
    response = caller.jira_audit(provider_token)

    assert (response.status_code, response.json()) == (401, UNAUTHORIZED)
    assert response.headers["x-failure-category"] == "FAILURE_CLIENT_AUTH_MISMATCH"


def test_tokens_of_people_do_not_submit(caller):
    """The bulk APIs are for Jira Software's credentials."""
    token = caller.fake.issue_grant().access_token
    url = f"{caller.urls.api_url}/jira/builds/0.1/cloud/{caller.fake.cloud_id}/bulk"

    response = caller.http.post(url, json={}, headers={"authorization": f"Bearer {token}"})

    assert response.headers["x-failure-category"] == "FAILURE_CLIENT_AUTH_MISMATCH"


def test_service_accounts_call_the_products(caller, service_token):
    """A service account can use sites and products within its scopes, but has no account to read."""
    assert caller.jira_audit(service_token).status_code == 200
    assert caller.confluence_audit(service_token).status_code == 200
    assert len(caller.get(caller.urls.resources_url, service_token).json()) == 2
    assert caller.me(service_token).status_code == 401
