"""Which site is meant, and what relative URLs are relative to."""

from __future__ import annotations

import pytest

from atlassian_auth.sites import CLOUD_IDS

MYSELF = "rest/api/3/myself"


@pytest.fixture(autouse=True)
def _forget():
    CLOUD_IDS.clear()


@pytest.fixture
def paths(world):
    """Return the paths of the requests that APIs got so far."""
    return lambda: [request.path for request in world.api_requests]


def test_the_only_site(authorized, world, paths):
    """It need not be named."""
    assert authorized("request", "GET", MYSELF, "--profile", "acme").status == 0

    assert paths()[-1] == f"/ex/jira/{world.cloud_id}/{MYSELF}"


def test_a_site_among_several(authorized, world, paths):
    """It has to be named, by whatever it is known by."""
    other = world.add_site("other")
    call = ("request", "GET", MYSELF, "--profile", "acme")

    refused = authorized(*call)
    named = authorized(*call, "--site", "other.atlassian.net")

    assert refused.status == 2
    assert "https://other.atlassian.net" in refused.errors
    assert (named.status, paths()[-1]) == (0, f"/ex/jira/{other.cloud_id}/{MYSELF}")
    assert authorized(*call, "--site", "third").status == 2


def test_a_cloud_id_saves_a_request(authorized, world, paths):
    """Whoever knows it may say it."""
    call = ("request", "GET", MYSELF, "--profile", "acme", "--cloud-id", world.cloud_id)

    assert authorized(*call).status == 0

    assert paths() == [f"/ex/jira/{world.cloud_id}/{MYSELF}"]


def test_confluence(acme, world, app, paths):
    """It is behind the same gateway, and has to be said."""
    tokens = world.issue_grant(app, ["read:audit-log:confluence"])
    acme("add", "acme", stdin=tokens.refresh_token)

    ended = acme("request", "GET", "/rest/api/audit", "--profile", "acme", "--confluence")

    assert ended.status == 0
    assert paths()[-1] == f"/ex/confluence/{world.cloud_id}/wiki/rest/api/audit"


def test_data_center(acme, world, paths):
    """Its base URL is the API's, context path included."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    ended = acme("request", "GET", "/rest/api/2/myself", "--profile", "tracker")

    assert (ended.status, paths()[-1]) == (0, "/rest/api/2/myself")


def test_builds(acme, world):
    """The path is written as in the API's reference; the site's name is enough."""
    builds = ("request", "POST", "/rest/builds/0.1/bulk", "--profile", "builds", "--data", "{}")

    assert acme(*builds).status == 0
    assert acme(*builds, "--cloud-id", world.cloud_id).status == 0

    assert [entry["cloud_id"] for entry in world.submissions] == [world.cloud_id] * 2


def test_builds_of_no_site(acme, config):
    """There is no list of sites to choose from."""
    config.write_text(config.read_text("utf-8").replace('site = "acme"', ""), "utf-8")

    ended = acme("request", "POST", "/rest/builds/0.1/bulk", "--profile", "builds", "--data", "{}")

    assert ended.status == 2
    assert "needs a site or a cloud_id" in ended.errors
