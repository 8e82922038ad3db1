"""The site of a profile, and the base of relative URLs."""

from __future__ import annotations

import pytest

from atlassian_auth.sites import CLOUD_IDS

MYSELF = "rest/api/3/myself"


@pytest.fixture(autouse=True)
def _forget():
    CLOUD_IDS.clear()


@pytest.fixture
def paths(world):
    """Return the paths of all API requests so far."""
    return lambda: [request.path for request in world.api_requests]


def test_the_only_site(authorized, world, paths):
    """The only site need not be named."""
    assert authorized("request", "GET", MYSELF, "--profile", "acme").status == 0

    assert paths()[-1] == f"/ex/jira/{world.cloud_id}/{MYSELF}"


def test_a_site_among_several(authorized, world, paths):
    """One of several sites has to be named, by name, host, URL or id."""
    other = world.add_site("other")
    call = ("request", "GET", MYSELF, "--profile", "acme")

    refused = authorized(*call)
    named = authorized(*call, "--site", "other.atlassian.net")

    assert refused.status == 2
    assert "https://other.atlassian.net" in refused.errors
    assert (named.status, paths()[-1]) == (0, f"/ex/jira/{other.cloud_id}/{MYSELF}")
    assert authorized(*call, "--site", "third").status == 2


def test_a_cloud_id_saves_a_request(authorized, world, paths):
    """A configured cloud id is used without a request."""
    call = ("request", "GET", MYSELF, "--profile", "acme", "--cloud-id", world.cloud_id)

    assert authorized(*call).status == 0

    assert paths() == [f"/ex/jira/{world.cloud_id}/{MYSELF}"]


def test_confluence(acme, world, app, paths):
    """--confluence uses the base URL of Confluence."""
    tokens = world.issue_grant(app, ["read:audit-log:confluence"])
    acme("add", "acme", stdin=tokens.refresh_token)

    ended = acme("request", "GET", "/rest/api/audit", "--profile", "acme", "--confluence")

    assert ended.status == 0
    assert paths()[-1] == f"/ex/confluence/{world.cloud_id}/wiki/rest/api/audit"


def test_data_center(acme, world, paths):
    """On Data Center the base URL of the API has the context path."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    ended = acme("request", "GET", "/rest/api/2/myself", "--profile", "tracker")

    assert (ended.status, paths()[-1]) == (0, "/rest/api/2/myself")


def test_builds(acme, world):
    """For builds the path is that of the API's reference."""
    builds = ("request", "POST", "/rest/builds/0.1/bulk", "--profile", "builds", "--data", "{}")

    assert acme(*builds).status == 0
    assert acme(*builds, "--cloud-id", world.cloud_id).status == 0

    assert [entry["cloud_id"] for entry in world.submissions] == [world.cloud_id] * 2


def test_builds_of_no_site(acme, config):
    """For builds a site or cloud id is required."""
    config.write_text(config.read_text("utf-8").replace('site = "acme"', ""), "utf-8")

    ended = acme("request", "POST", "/rest/builds/0.1/bulk", "--profile", "builds", "--data", "{}")

    assert ended.status == 2
    assert "needs a site or a cloud_id" in ended.errors
