"""What a credential is good for and whose it is, against an emulated Atlassian."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Fault


def test_sites(authorized, world):
    """Each site once, sorted, for people and for programs."""
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
    """Whoever asks is told so."""
    ended = acme("sites", "tracker")

    assert ended.status == 2
    assert "nothing lists the sites of a token" in ended.errors


def test_whose_credential(authorized):
    """On Cloud the identity endpoint knows."""
    people, programs = authorized("whoami", "acme"), authorized("whoami", "acme", "--json")

    assert (people.status, people.errors) == (0, "")
    assert people.output.startswith("account id: ")
    assert programs.json.keys() == {"account_id", "name", "email", "username"}


@pytest.mark.parametrize("profile", ["acme", "robot"])
def test_whose_credential_by_jira(acme, world, app, profile):
    """Without read:me, or where no person consented, the only site's Jira is asked."""
    tokens = world.issue_grant(app, ["read:jira-user"])
    acme("add", "acme", stdin=tokens.refresh_token)

    ended = acme("whoami", profile, "--json")

    assert (ended.status, bool(ended.json["account_id"])) == (0, True)
    assert world.count("api", path="/me") == 0


def test_whose_credential_on_data_center(acme, world):
    """It says the name the person logs in with as well."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    assert acme("whoami", "tracker", "--json").json["username"]


def test_an_answer_that_makes_no_sense(authorized, world):
    """It has the status of whatever has none of its own."""
    world.fault("api", Fault.html())

    assert authorized("sites", "acme").status == 1
