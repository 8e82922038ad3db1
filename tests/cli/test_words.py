"""Messages name flags, variables, commands and the configuration file, and no arguments of Python."""

from __future__ import annotations

import re

import pytest

from atlassian_auth import StoreError
from atlassian_auth.cli.words import told
from atlassian_auth.testing import Fault

# Calls, keyword arguments and classes of ours.
PYTHON = re.compile(r"\w\(|\w+=(?!true\b)|\b\w+(?:Grant|Store|Flow|Auth)\b|\bEndpoints\b")


@pytest.fixture
def refused(authorized):
    """Run a command that fails because of its settings; return what it says."""

    def refused(*arguments, status=2):
        ended = authorized(*arguments)
        assert (ended.status, ended.output) == (status, "")
        assert not PYTHON.search(ended.errors), ended.errors
        return ended.errors

    return refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scopes", "READ"], "use --product data-center. It comes from --scopes."),
        (
            ["--product", "data-center", "--base-url", "https://x.example.com"],
            "use --product cloud",
        ),
        (
            ["--product", "data-center", "--base-url", "https://acme.atlassian.net"],
            "use --product cloud instead. It comes from --base-url.",
        ),
        (
            [
                *("--product", "data-center-service-account", "--scopes", "ADMIN"),
                *("--base-url", "https://x.example.com"),
            ],
            "needs --product data-center. It comes from --scopes.",
        ),
        (["--redirect-uri", "nowhere"], "It comes from --redirect-uri."),
    ],
    ids=["cloud scopes", "data center scopes", "base url", "service account", "redirect"],
)
def test_settings(refused, arguments, words):
    """The flag to change is named."""
    assert words in refused("token", "acme", *arguments)


def test_settings_of_the_file(refused, config):
    """So is the file that a setting comes from."""
    text = config.read_text("utf-8").replace('["read:me", "read:jira-user"]', '"READ"')
    config.write_text(text, "utf-8")

    assert f"It comes from scopes in [profiles.acme] of {config}." in refused("token", "acme")


def test_another_host(refused):
    """Nothing advises to send a credential elsewhere."""
    for url in ("https://example.com/", "https://acme.atlassian.net/rest/api/3/myself"):
        said = refused("request", "GET", url, "--profile", "acme")

        assert said.endswith("it is taken below the profile's API.\n")


def test_a_scope_that_is_missing(refused):
    """The command that asks for consent again has the profile's name."""
    said = refused("request", "GET", "/rest/api/3/auditing/record", "--profile", "acme")

    assert "to the profile's scopes, then run atlassian-auth login acme;" in said


def test_another_site(refused, world):
    """The flag that names one is said, whether none fits or several."""
    world.add_site("other")

    for arguments in ((), ("--site", "third")):
        said = refused("request", "GET", "/x", "--profile", "acme", *arguments)

        assert "To name a site, pass --site, set ATLASSIAN_AUTH_SITE, or write site into [" in said


def test_a_site_that_can_be_none(refused):
    """It is called as the flag is."""
    assert "--site must be " in refused(
        "request", "GET", "/", "--profile", "acme", "--site", "ftp://x"
    )


def test_a_consent_that_is_lost(authorized, world):
    """The command that helps is said, with the profile's name, and the line is the only one."""
    world.fault("token", Fault.json({"error": "invalid_grant"}, status=403))

    ended = authorized("token", "acme")

    assert ended.status == 3
    assert ended.errors.endswith(" Run: atlassian-auth login acme\n")
    assert len(ended.errors.splitlines()) == 1


def test_a_wrong_secret(authorized, home):
    """The file that it was read from is named."""
    (home / "acme.secret").write_text("wrong", "utf-8")

    ended = authorized("token", "acme")

    assert "the client secret is wrong" in ended.errors
    assert "It comes from client_secret_file in [profiles.acme] of " in ended.errors


def test_nothing_to_revoke(refused, acme):
    """The command that can be used instead is said."""
    assert acme("token", "builds").status == 0

    assert "Run atlassian-auth forget builds" in refused("revoke", "builds")


def test_an_insecure_network(refused):
    """What allows it is part of the store's URL."""
    said = refused("status", "acme", "--store", "redis://redis.example.com/0")

    assert "add allow_insecure_network=true to its URL" in said


def test_without_a_profile():
    """What is known is said, in one line."""
    assert told(StoreError("one\n two")) == "one two"
