"""Messages name flags, variables, commands and the configuration file, and no Python arguments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import atlassian_auth
from atlassian_auth import AuthorizationRequired, ScopeMismatch, StoreError
from atlassian_auth._cli.profile import Flags
from atlassian_auth._cli.words import _REPLACEMENTS, describe_error
from atlassian_auth.testing import Fault

# Calls, keyword arguments and classes of ours.
PYTHON = re.compile(
    r"\w\(|\w+=(?!true\b|verify-full\b)|\b(?!OAuth\b)\w+(?:Grant|Store|Flow|Auth)\b|\bEndpoints\b"
)


@pytest.fixture
def refused(authorized):
    """Run a command that fails because of its settings; return its message."""

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
    """The message names the flag to change."""
    assert words in refused("token", "acme", *arguments)


def test_settings_of_the_file(refused, config):
    """The message names the file that a setting comes from."""
    text = config.read_text("utf-8").replace('["read:me", "read:jira-user"]', '"READ"')
    config.write_text(text, "utf-8")

    assert f"It comes from scopes in [profiles.acme] of {config}." in refused("token", "acme")


def test_another_host(refused):
    """For another host, the message advises a path."""
    for url in ("https://example.com/", "https://acme.atlassian.net/rest/api/3/myself"):
        said = refused("request", "GET", url, "--profile", "acme")

        assert said.endswith("it is appended to the profile's API.\n")


def test_a_url_that_is_none(refused):
    """A malformed URL is refused before a request is sent."""
    said = refused("request", "GET", "ht tp://x", "--profile", "acme")

    assert "URL is 'ht tp://x', but must be a path such as /rest/api/3/myself" in said


def test_a_scope_that_is_missing(refused, config, home):
    """The message names the setting of the scopes, and the command for a new consent."""
    said = refused("request", "GET", "/rest/api/3/auditing/record", "--profile", "acme")

    login = f"atlassian-auth login acme --config {config} --store {home / 'tokens.db'}"
    assert f"to scopes in [profiles.acme] of {config}, then run {login};" in said


def test_another_site(refused, world):
    """The message names the flag for a site, if no site fits or several do."""
    world.add_site("other")

    for arguments in ((), ("--site", "third")):
        said = refused("request", "GET", "/x", "--profile", "acme", *arguments)

        assert "To name a site, pass --site, set ATLASSIAN_AUTH_SITE, or write site into [" in said


def test_a_site_that_can_be_none(refused):
    """The message has the name of the flag."""
    assert "--site must be " in refused(
        "request", "GET", "/", "--profile", "acme", "--site", "ftp://x"
    )


def test_a_consent_that_is_lost(authorized, world, config, home):
    """One line says which command restores a lost consent."""
    world.fault("token", Fault.json({"error": "invalid_grant"}, status=403))

    ended = authorized("token", "acme")

    assert ended.status == 3
    login = f"atlassian-auth login acme --config {config} --store {home / 'tokens.db'}"
    assert ended.errors.endswith(f" Run: {login}\n")
    assert len(ended.errors.splitlines()) == 1


def test_a_command_is_advised_once(acme):
    """The advised command is printed once."""
    assert acme("token", "acme").errors.count("atlassian-auth login acme") == 1


def test_no_login_is_advised_where_there_is_none(home):
    """For a credential without consent, the message does not advise login."""
    profile = Flags(values={"product": "service-account"}).profile("robot")

    assert describe_error(AuthorizationRequired("Gone."), profile) == "Gone."


def test_a_wrong_secret(authorized, home):
    """The message names the file of a wrong secret."""
    (home / "acme.secret").write_text("wrong", "utf-8")

    ended = authorized("token", "acme")

    assert "the client secret is wrong" in ended.errors
    assert "It comes from client_secret_file in [profiles.acme] of " in ended.errors


def test_nothing_to_revoke(refused, acme):
    """If there is no revocation endpoint, the message advises forget."""
    assert acme("token", "builds").status == 0

    assert "Run atlassian-auth forget builds" in refused("revoke", "builds")


def test_an_insecure_network(refused):
    """The message says how the URL can allow an insecure network."""
    said = refused("status", "acme", "--store", "redis://redis.example.com/0")

    assert "add allow_insecure_network=true to its URL" in said


@pytest.mark.parametrize("url", ["redis://redis.example.com/0", "postgresql://db.example.com/x"])
def test_a_store_that_is_refused(refused, url):
    """The message names the option of the store, and its source."""
    used, target = refused("status", "acme", "--store", url), refused("migrate", "--to", url)

    assert used.startswith("atlassian-auth: store: the connection to ")
    assert used.endswith(" It comes from --store.\n")
    assert target.startswith("atlassian-auth: --to: the connection to ")
    assert "--store" not in target


def test_no_account_of_an_app(refused):
    """For builds, whoami advises doctor."""
    said = refused("whoami", "builds")

    assert "belong to no account" in said
    assert " run: atlassian-auth doctor builds --config" in said


def test_an_address_that_takes_no_such_token(refused, world):
    """The message advises a path, not a call of the library."""
    url = f"https://api.atlassian.com/ex/jira/{world.cloud_id}/rest/api/3/myself"

    assert "Give the path alone: " in refused("request", "GET", url, "--profile", "builds")


def texts(tree):
    """Yield the strings of a module; in an f-string the values are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def said():
    """What the library can say."""
    return [
        text
        for path in Path(atlassian_auth.__file__).parent.rglob("*.py")
        if path.name != "words.py"
        for text in texts(ast.parse(path.read_text("utf-8")))
    ]


# It is put together from the name of an argument.
@pytest.mark.parametrize("phrase", [old for old, _ in _REPLACEMENTS if old != "wanted must"])
def test_the_library_speaks_so(phrase, said):
    """Each phrase that is translated occurs in the library."""
    assert any(phrase in text for text in said)


def test_without_a_profile():
    """Without a profile the message is still one line."""
    assert describe_error(StoreError("one\n two")) == "one two"
    assert describe_error(ScopeMismatch("Add it to scopes=, then authorize again; x")) == (
        "Add it to the profile's scopes, then run atlassian-auth login PROFILE; x"
    )
