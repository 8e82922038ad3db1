"""The sites and the account of a credential, with an emulated Atlassian."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Fault


def test_sites(authorized, world):
    """``sites`` lists each site once, sorted."""
    world.add_site("aardvark", products=("jira",))

    people, programs = authorized("sites", "acme"), authorized("sites", "acme", "--json")

    assert [line.split()[0] for line in people.output.splitlines()] == ["NAME", "aardvark", "acme"]
    assert world.cloud_id in people.output
    assert [row["url"] for row in programs.json] == [
        "https://aardvark.atlassian.net",
        "https://acme.atlassian.net",
    ]
    assert {*programs.json[0]} == {"name", "url", "cloud_id", "products", "scopes"}


def test_data_center_has_no_sites(acme, world):
    """On Data Center sites says that there is no list."""
    ended = acme("sites", "tracker")

    assert ended.status == 2
    assert "no list of the sites of a token" in ended.errors


def test_whose_credential(authorized):
    """On Cloud whoami uses the identity endpoint."""
    people, programs = authorized("whoami", "acme"), authorized("whoami", "acme", "--json")

    assert (people.status, people.errors) == (0, "")
    assert people.output.startswith("account id: ")
    assert programs.json.keys() == {"account_id", "name", "email", "username"}


@pytest.mark.parametrize("profile", ["acme", "robot"])
def test_whose_credential_by_jira(acme, world, app, profile):
    """Without read:me, and for service accounts, whoami uses the Jira of the only site."""
    tokens = world.issue_grant(app, ["read:jira-user"])
    acme("add", "acme", stdin=tokens.refresh_token)

    ended = acme("whoami", profile, "--json")

    assert (ended.status, bool(ended.json["account_id"])) == (0, True)
    assert world.count("api", path="/me") == 0


def test_whose_credential_on_data_center(acme, world):
    """On Data Center whoami also prints the login name."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    assert acme("whoami", "tracker", "--json").json["username"]


def test_an_answer_that_makes_no_sense(authorized, world):
    """An unexpected answer exits with 1."""
    world.fault("api", Fault.html())

    assert authorized("sites", "acme").status == 1
