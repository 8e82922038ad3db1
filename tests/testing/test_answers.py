"""Answers of a test's own stand behind the emulator's checks: a bearer, its scope, and a site."""

from __future__ import annotations

import re

import pytest

from atlassian_auth.testing import FakeAtlassian, Fault

SEARCH = "/rest/api/3/search/jql"
PAGES = "/wiki/api/v2/pages"
ISSUES = {"issues": [{"key": "ACME-1"}]}


@pytest.fixture
def jira(caller):
    """Ask the site's Jira, with a token that may read it unless another one is given."""
    granted = caller.fake.issue_grant(scopes=["read:jira-work"]).access_token

    def ask(path=SEARCH, token=granted, cloud_id=caller.fake.cloud_id, **query):
        return caller.get(f"{caller.urls.jira(cloud_id)}{path[1:]}", token, **query)

    return ask


def test_an_answer_of_ones_own(caller, jira):
    """A service's own requests can be tested, on each site and with any query."""
    other = caller.fake.add_site("other").cloud_id
    caller.fake.respond("GET", SEARCH, json=ISSUES, scope="read:jira-work")

    first, second = jira(jql="project = ACME"), jira(cloud_id=other)

    assert (first.status_code, first.json()) == (200, ISSUES)
    assert second.json() == ISSUES
    assert caller.fake.count("api", status=200) == 2


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("none", "Unauthorized"),
        ("expired", "Unauthorized"),
        ("scope", "Unauthorized; scope does not match"),
    ],
)
def test_the_bearer_is_checked_first(caller, jira, kind, message):
    """A token that Atlassian would refuse does not get the answer: a test of that proves something."""
    caller.fake.respond("GET", SEARCH, json=ISSUES, scope="read:jira-work")
    token = caller.fake.issue_grant(scopes=["read:me"]).access_token
    if kind == "expired":
        token = caller.fake.issue_grant(scopes=["read:jira-work"]).access_token
        caller.clock.advance(3601)

    refused = jira(token="secret-unknown" if kind == "none" else token)

    assert (refused.status_code, refused.json()["message"]) == (401, message)


def test_a_token_of_another_kind(caller, jira):
    """A token of Jira Software gets no scripted answer of a site."""
    app = caller.fake.jira_software_app
    fields = {"client_id": app.client_id, "client_secret": app.client_secret}
    body = {"grant_type": "client_credentials", "audience": "api.atlassian.com", **fields}
    issued = caller.http.post(caller.urls.jira_software_token_url, json=body).json()
    caller.fake.respond("GET", SEARCH, json=ISSUES)

    refused = jira(token=issued["access_token"])

    assert refused.headers["x-failure-category"] == "FAILURE_CLIENT_AUTH_MISMATCH"


def test_a_site_that_is_not_there(caller, jira):
    """The gateway knows no such site, whatever was to be answered there."""
    caller.fake.respond("GET", SEARCH, json=ISSUES)

    assert jira(cloud_id="unknown").status_code == 404


def test_all_scopes_are_needed(caller, jira):
    """Several are separated by spaces, as in the consent."""
    caller.fake.respond("GET", SEARCH, json=ISSUES, scope="read:jira-work read:jira-user")
    both = caller.fake.issue_grant(scopes=["read:jira-work", "read:jira-user"]).access_token

    assert [jira().status_code, jira(token=both).status_code] == [401, 200]


def test_without_a_scope_any_token_will_do(caller, jira):
    """An answer without `scope=` needs a valid token with any scopes."""
    caller.fake.respond("GET", SEARCH, json=ISSUES)

    assert jira(token=caller.fake.issue_grant(scopes=["read:me"]).access_token).status_code == 200


def test_the_last_answer_counts(caller, jira):
    """A later `respond` replaces the earlier one."""
    caller.fake.respond("GET", SEARCH, json=ISSUES)
    caller.fake.respond("GET", SEARCH, json={"errorMessages": ["Bad JQL"]}, status=400)

    assert (jira().status_code, jira().json()) == (400, {"errorMessages": ["Bad JQL"]})


def test_it_stands_before_the_emulators_own(caller, jira):
    """A scripted answer replaces the emulator's own answer."""
    caller.fake.respond("GET", "/rest/api/3/myself", json={"accountId": "b"})

    assert jira("/rest/api/3/myself").json() == {"accountId": "b"}


def test_methods_are_told_apart(caller, jira):
    """A scripted answer is for one method, and may have no body."""
    caller.fake.respond("POST", SEARCH, status=204)
    token = caller.fake.issue_grant().access_token
    url = f"{caller.urls.jira(caller.fake.cloud_id)}{SEARCH[1:]}"

    posted = caller.http.post(url, headers={"authorization": f"Bearer {token}"})

    assert (posted.status_code, posted.content) == (204, b"")
    assert "add it with respond()" in jira().text


def test_confluence(caller, jira):
    """A path that begins with /wiki belongs to Confluence only."""
    caller.fake.respond("GET", PAGES, json={"results": []})
    caller.fake.respond("GET", SEARCH, json=ISSUES)
    token = caller.fake.issue_grant().access_token
    base_url = caller.urls.confluence(caller.fake.cloud_id)

    assert caller.get(f"{base_url}api/v2/pages", token).json() == {"results": []}
    assert jira(PAGES).status_code == 404
    assert caller.get(base_url.replace("/wiki/", SEARCH), token).status_code == 404


def test_data_center(caller):
    """Scripted answers are below Data Center's base URL, need its scopes, and treat no token as anonymous."""
    caller.fake.respond("GET", "/rest/api/2/search", json=ISSUES, scope="WRITE")
    url = f"{caller.urls.dc_base_url}/rest/api/2/search"
    app = caller.fake.data_center_app
    admin, reader = (
        caller.fake.issue_grant(app, [scope]).access_token for scope in ("ADMIN", "READ")
    )

    answered, refused = caller.get(url, admin), caller.get(url, reader)
    anonymous = caller.get(url, "secret-unknown")

    assert (answered.json(), answered.headers["retry-after"]) == (ISSUES, "0")
    assert (refused.status_code, anonymous.json()) == (
        403,
        caller.dc_myself("secret-unknown").json(),
    )


def test_tokens_are_issued_as_ever(caller):
    """No answer stands before a token endpoint, whatever its path says."""
    caller.fake.respond("POST", "/rest/oauth2/latest/token", json={})
    grant = caller.fake.issue_grant(caller.fake.data_center_app)

    assert caller.dc_refresh(grant.refresh_token).json()["access_token"]


def test_other_services_are_not_answered(caller):
    """The authorization server has no API."""
    caller.fake.respond("GET", "/rest/x", json={})

    assert caller.http.get(f"{caller.urls.auth_url}/rest/x").status_code == 404


def test_faults_meet_them(caller, jira):
    """A fault can meet a scripted answer first; the next request gets the answer."""
    caller.fake.respond("GET", SEARCH, json=ISSUES)
    caller.fake.fault("api", Fault.status(503))

    assert [jira().status_code, jira().status_code] == [503, 200]


@pytest.mark.parametrize(
    ("method", "path", "more", "words"),
    [
        ("FETCH", SEARCH, {}, "'FETCH' is not a known HTTP method: expected one of GET, POST"),
        ("get", SEARCH, {}, "'get' is not a known HTTP method"),
        ("GET", SEARCH[1:], {}, "must begin with / and have no query"),
        ("GET", f"{SEARCH}?jql=x", {}, "must begin with / and have no query"),
        ("GET", f"{SEARCH}#x", {}, "must begin with / and have no query"),
        ("GET", "/rest/api/3/issue/{key}", {}, "is compared as it is"),
        ("GET", f"/ex/jira/1{SEARCH}", {}, "must be what follows the site"),
        ("GET", SEARCH, {"status": 199}, "status is 199, but must be from 200 to 599"),
        ("GET", SEARCH, {"status": 600}, "status is 600"),
        ("GET", SEARCH, {"status": 204, "json": {}}, "status 204 has no body"),
    ],
)
def test_what_would_answer_nothing_is_refused(method, path, more, words):
    """An argument that could never answer a request is an error in `respond` itself."""
    with pytest.raises(ValueError, match=re.escape(words)):
        FakeAtlassian().respond(method, path, **more)
