"""The commands about credentials, with an emulated Atlassian; the last tests run processes."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from atlassian_auth._cli.place import default_store
from atlassian_auth.testing import Fault, LoopbackServer

KEYS = {
    *(
        "key",
        "state",
        "reason",
        "refresh_status",
        "refresh_status_since",
        "scopes",
        "access_expires_at",
    ),
    *(
        "inactive_by",
        "consent_expires_at",
        "authorized_at",
        "last_refreshed_at",
        "refresh_count",
        "refreshable",
    ),
}


# -- token -----------------------------------------------------------------------------------------


def test_the_token_and_nothing_else(authorized, world):
    """``token`` prints the token alone, for a shell's ``$(...)``; the second call reads it from the store."""
    first = authorized("token", "acme")
    second = authorized("token", "acme")

    assert (first.status, first.errors) == (0, "")
    assert first.output == second.output
    assert world.family_of(first.output.removesuffix("\n")).app is not None
    assert world.count("token") == 1


def test_the_token_as_json(authorized):
    """As JSON, token prints all that a program needs to use the token."""
    shown = authorized("token", "acme", "--json").json

    assert shown.keys() == {"access_token", "token_type", "expires_at", "scopes"}
    assert (shown["token_type"], "read:me" in shown["scopes"]) == ("bearer", True)


@pytest.mark.parametrize("profile", ["robot", "builds"])
def test_tokens_without_a_consent(acme, world, profile):
    """A client credentials token is obtained without a login, and stored."""
    first = acme("token", profile)

    assert (first.status, acme("token", profile).output) == (0, first.output)
    assert world.count("token") == 1


def test_a_credential_of_data_center(acme, world):
    """A service account uses the secret file of its profile."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    assert acme("token", "tracker").status == 0


def test_the_profile_may_be_a_variable(authorized, monkeypatch):
    """A refresh token can be added instead of a login."""
    monkeypatch.setenv("ATLASSIAN_AUTH_PROFILE", "acme")

    assert authorized("token").output == authorized("token", "acme").output


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Fault.status(503), 4, "503"),
        (Fault.json({"error": "invalid_grant"}, status=403), 3, "authorize"),
        (Fault.json({"error": "access_denied"}, status=403), 2, "client"),
        (Fault.html(), 1, "login page"),
    ],
    ids=["transient", "dead", "secret", "page"],
)
def test_a_token_that_cannot_be_obtained(authorized, world, monkeypatch, fault, status, words):
    """A failure prints one line to standard error, and nothing that could be taken for a token."""
    monkeypatch.setenv("ATLASSIAN_AUTH_ATTEMPTS", "1")
    world.fault("token", fault)

    ended = authorized("token", "acme")

    assert (ended.status, ended.output) == (status, "")
    assert words in ended.errors
    assert (len(ended.errors.splitlines()), "secret-" in ended.errors) == (1, False)


def test_nothing_is_authorized(acme):
    """The exit status 3 says that a person has to authorize."""
    ended = acme("token", "acme")

    assert (ended.status, ended.output) == (3, "")
    assert "'acme'" in ended.errors


def test_the_secret_is_missing(authorized, config):
    """Without a terminal, the message says how to pass the client secret."""
    text = config.read_text("utf-8").replace('client_secret_file = "acme.secret"', "")
    config.write_text(text, "utf-8")

    ended = authorized("token", "acme")

    assert ended.status == 2
    assert "ATLASSIAN_AUTH_CLIENT_SECRET" in ended.errors


@pytest.mark.parametrize("name", ["token", "refresh", "revoke"])
def test_what_is_not_stored_needs_no_secret(authorized, home, name):
    """If nothing is stored, the command says so before it asks for a client secret."""
    (home / "acme.secret").unlink()

    ended = authorized(name, "acme", "--key", "other")

    assert ended.status == (1 if name == "revoke" else 3)
    assert "Nothing is stored for key 'other'" in ended.errors
    assert "secret" not in ended.errors


def test_nothing_to_revoke_needs_no_secret(authorized, home):
    """If nothing is stored, revoke needs no secret, also for a client credential."""
    (home / "robot.secret").unlink()

    ended = authorized("revoke", "robot")

    assert (ended.status, ended.output) == (1, "key: robot\nrevoked: False\n")


# -- status ----------------------------------------------------------------------------------------


def test_status(authorized, home):
    """``status`` sends no request, reads no client secret, and prints no secret."""
    pending = authorized("status", "acme")
    authorized("token", "acme")
    (home / "acme.secret").unlink()

    people, programs = authorized("status", "acme"), authorized("status", "acme", "--json")

    assert pending.output.startswith("key: acme\nstate: pending\nreason: ")
    assert (people.status, people.errors) == (0, "")
    assert people.output.startswith("key: acme\nstate: ready\nscopes: ")
    assert re.search(r"^inactive by: [-+:T0-9]+ \(in 89 days\)$", people.output, re.MULTILINE)
    assert "status" not in people.output
    assert programs.json.keys() == KEYS
    assert "secret-" not in people.output + programs.output


def test_status_of_nothing_makes_nothing(acme, home):
    """``status`` exits with 3 if nothing is stored, and creates no file."""
    ended = acme("status", "acme")

    assert (ended.status, ended.output) == (3, "")
    assert "atlassian-auth login acme" in ended.errors
    assert not (home / "tokens.db").exists()


def test_status_of_nothing_as_json(acme):
    """A program reads the state in this case too."""
    ended = acme("status", "acme", "--json")

    assert (ended.status, ended.json["key"], ended.json["state"]) == (3, "acme", "new")
    assert "atlassian-auth login acme" in ended.errors


def test_status_of_another_key(authorized):
    """``status`` exits with 3 if the store has other credentials only."""
    assert authorized("status", "tracker").status == 3


@pytest.mark.parametrize("profile", ["robot", "builds"])
def test_status_without_consent(acme, home, profile):
    """A credential that needs no consent is new until its first token, which is not a failure."""
    before = acme("status", profile)
    made = (home / "tokens.db").exists()
    acme("token", profile)
    after = acme("status", profile, "--json")

    assert (before.status, before.errors, made) == (0, "", False)
    assert (
        "state: new\nreason: There is no token yet. The first request gets one.\n" in before.output
    )
    assert (after.status, after.json["state"], after.json["reason"]) == (0, "ready", None)


def test_status_of_a_lost_credential(authorized, world):
    """``status`` shows a lost consent, and exits with 3."""
    world.fault("token", Fault.json({"error": "invalid_grant"}, status=403))
    authorized("token", "acme")

    ended = authorized("status", "acme", "--json")

    assert (ended.status, ended.json["state"]) == (3, "reauthorize")
    assert "atlassian-auth login acme" in ended.errors


@pytest.mark.parametrize("name", ["status", "token", "refresh", "sites"])
def test_the_command_that_helps_is_about_the_same_credential(acme, config, home, name):
    """The advised command repeats the flags of this one."""
    ended = acme(name, "acme", "--key", "tenant 1")

    store = home / "tokens.db"
    login = f"atlassian-auth login acme --config {config} --store {store} --key 'tenant 1'"
    assert (ended.status, ended.output) == (3, "")
    assert ended.errors.endswith(f" Run: {login}\n")


# -- list ------------------------------------------------------------------------------------------


def test_list(authorized):
    """``list`` has all profiles, and the stored credentials without a profile."""
    authorized("add", "acme", "--key", "old", "--refresh-token-file", "-", stdin="secret-old")

    rows = authorized("list", "--json").json

    assert [(row["profile"], row["key"], row["state"]) for row in rows] == [
        ("acme", "acme", "pending"),
        ("builds", "builds", "new"),
        ("robot", "robot", "new"),
        ("tracker", "tracker", "new"),
        (None, "old", "pending"),
    ]
    assert {*rows[0]} == {"profile", "product", "key", "state", "access_expires_at", "store"}


def test_list_for_people(authorized):
    """``list`` prints a table with one line for each credential."""
    authorized("token", "acme")

    lines = authorized("list").output.splitlines()

    assert lines[0].split()[:4] == ["PROFILE", "PRODUCT", "KEY", "STATE"]
    assert lines[1].split()[:4] == ["acme", "cloud", "acme", "ready"]


def test_list_of_nothing(command):
    """Without a configuration file list reads the default store, if it exists."""
    assert command("list", "--json").json == []
    assert not default_store().exists()


# -- add, refresh, revoke, forget ------------------------------------------------------------------


@pytest.mark.parametrize("source", ["pipe", "file", "variable"])
def test_add(acme, world, app, home, monkeypatch, source):
    """``add`` reads the refresh token from each source, and needs no client secret."""
    (home / "acme.secret").unlink()
    refresh_token = world.issue_grant(app, ["read:me"]).refresh_token
    file = home / "pasted"
    file.write_text(refresh_token, "utf-8")
    if source == "variable":
        monkeypatch.setenv("ATLASSIAN_AUTH_REFRESH_TOKEN", refresh_token)

    options = ("--refresh-token-file", file) if source == "file" else ()
    stdin = refresh_token if source == "pipe" else ""
    ended = acme("add", "acme", "--json", *options, stdin=stdin)

    assert (ended.status, ended.json["refreshable"]) == (0, True)
    assert "secret-" not in ended.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["robot"], "has no refresh tokens. Run: atlassian-auth token robot"),
        (["acme", "--scopes", "READ"], "It comes from --scopes."),
    ],
    ids=["no refresh tokens", "wrong settings"],
)
def test_add_asks_for_nothing_in_vain(acme, arguments, words):
    """``add`` reports a wrong profile before it reads a refresh token."""
    ended = acme("add", *arguments, "--refresh-token-file", "missing")

    assert (ended.status, ended.output) == (2, "")
    assert words in ended.errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T12:30", "2026-01-31T12:30:00+00:00"),
        ("2026-01-31T12:30:00+02:00", "2026-01-31T12:30:00+02:00"),
    ],
)
def test_add_with_the_day_of_the_consent(acme, text, shown):
    """With --authorized-at the status has the end of the consent. A time without a zone is UTC."""
    ended = acme("add", "acme", "--authorized-at", text, "--json", stdin="secret-refresh")

    authorized_at = datetime.fromisoformat(ended.json["authorized_at"])
    ends_at = datetime.fromisoformat(ended.json["consent_expires_at"])
    assert (ended.status, authorized_at) == (0, datetime.fromisoformat(shown))
    assert ends_at - authorized_at == timedelta(days=365)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "yesterday",
            "'yesterday' is not a date or time: write it as 2026-01-31 or 2026-01-31T12:00:00Z",
        ),
        ("2199-01-31", "2199-01-31T00:00:00+00:00 is in the future"),
    ],
)
def test_no_day_of_a_consent(acme, home, text, words):
    """``add`` refuses an invalid time, names the flag, and stores nothing."""
    ended = acme("add", "acme", "--authorized-at", text, stdin="secret-refresh")

    assert (ended.status, ended.output) == (2, "")
    assert f"'--authorized-at': {words}" in ended.errors
    assert not (home / "tokens.db").exists()


def test_add_nothing(acme):
    """``add`` refuses an empty pipe."""
    ended = acme("add", "acme")

    assert ended.status == 2
    assert "no refresh token" in ended.errors


def test_refresh(authorized, world):
    """Each refresh command refreshes, although the token is valid for an hour."""
    authorized("refresh", "acme")
    ended = authorized("refresh", "acme", "--json")

    assert (ended.status, ended.json["refresh_count"]) == (0, 2)
    assert world.count("token", outcome="ok") == 2
    assert "secret-" not in ended.output


def test_revoke(authorized, world):
    """``revoke`` ends the consent at Atlassian, and deletes the credential."""
    refresh_token = world.families[0]

    first, second = authorized("revoke", "acme", "--json"), authorized("revoke", "acme")

    assert (first.status, first.json) == (0, {"key": "acme", "revoked": True})
    assert (second.status, second.output) == (1, "key: acme\nrevoked: False\n")
    assert "so nothing was revoked" in second.errors
    assert not refresh_token.alive
    assert authorized("status", "acme").status == 3


def test_a_revocation_that_fails(authorized, world):
    """If the server refuses, revoke keeps the credential."""
    world.fault("revoke", Fault.status(503), times=3)

    assert authorized("revoke", "acme").status == 4
    assert authorized("status", "acme").status == 0


def test_forget(authorized, home):
    """``forget`` deletes the credential without a client secret, and exits with 1 if nothing is stored."""
    (home / "acme.secret").unlink()

    first, second = authorized("forget", "acme", "--json"), authorized("forget", "acme")

    assert (first.status, first.json) == (0, {"key": "acme", "forgotten": True})
    assert (second.status, second.output) == (1, "key: acme\nforgotten: False\n")
    assert "Nothing is stored for key 'acme'" in second.errors
    assert authorized("status", "acme").status == 3


@pytest.mark.parametrize("name", ["forget", "revoke"])
def test_the_command_that_lists_is_about_the_same_store(authorized, config, home, name):
    """The advised list command repeats the flags of the store, without the key."""
    ended = authorized(name, "acme", "--key", "other")

    list_ = f"atlassian-auth list --config {config} --store {home / 'tokens.db'}"
    assert ended.errors.endswith(f" To see what is stored, run: {list_}\n")


@pytest.mark.parametrize("name", ["forget", "revoke", "token", "refresh", "sites", "doctor"])
def test_nothing_is_made_for_what_is_not_there(acme, home, name):
    """A store that does not exist is not created, and the exit status is 1."""
    ended = acme(name, "acme")

    assert ended.status in {1, 3}
    assert "Nothing is stored for key 'acme'" in ended.output + ended.errors
    assert not (home / "tokens.db").exists()


@pytest.mark.parametrize("name", ["forget", "revoke", "status", "token", "login", "migrate"])
def test_the_folder_of_a_store_is_missing(acme, home, name):
    """A store in a missing folder is a store error, not an empty store."""
    store = home / "typo" / "tokens.db"
    arguments = ("--to", home / "new.db") if name == "migrate" else ("acme",)

    ended = acme(name, *arguments, "--store", store)

    assert (ended.status, ended.output) == (5, "")
    assert f"{store}: the folder {store.parent} does not exist" in ended.errors


# -- the store -------------------------------------------------------------------------------------


def test_the_usual_store_is_made(command, config):
    """Only the user can read the folder of the default store."""
    assert command("token", "robot", "--config", config).status == 0

    assert stat.S_IMODE(default_store().parent.stat().st_mode) == 0o700


def test_the_usual_store_cannot_be_made(command, config):
    """If the default folder cannot be created, the message names it, and the exit status is 5."""
    default_store().parent.parent.mkdir(parents=True)
    default_store().parent.write_text("a file", "utf-8")

    ended = command("token", "robot", "--config", config)

    assert ended.status == 5
    assert f"{default_store().parent} cannot be created" in ended.errors


def test_the_folder_of_another_store_is_not_made(command, config, home):
    """A mistyped path creates no folders."""
    ended = command("token", "robot", "--config", config, "--store", home / "typo" / "tokens.db")

    assert ended.status == 5
    assert not (home / "typo").exists()


def test_a_broken_store(authorized, home):
    """A damaged store exits with 5, and is not changed."""
    for name in ("tokens.db-wal", "tokens.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "tokens.db").write_text("no database" * 100, "utf-8")

    assert authorized("status", "acme").status == 5
    assert authorized("list").status == 5


# -- as it is started ------------------------------------------------------------------------------


@pytest.mark.campaign
def test_processes(home):
    """Processes over real sockets add, get and read the same token."""
    with LoopbackServer() as server:
        app, urls = server.atlassian.cloud_app, server.urls
        refresh_token = server.atlassian.issue_grant(app).refresh_token
        file = home / "acme.toml"
        file.write_text(
            f"[profiles.acme]\nclient_id = '{app.client_id}'\nscopes = 'read:me'\n"
            f"store = 'acme.db'\ntoken_url = '{urls.token_url}'\n",
            "utf-8",
        )

        def run(*arguments, stdin=""):
            return subprocess.run(
                [sys.executable, "-m", "atlassian_auth", "--config", file, *arguments],
                capture_output=True,
                check=False,
                env={**os.environ, "ATLASSIAN_AUTH_CLIENT_SECRET": app.client_secret},
                input=stdin,
                text=True,
                timeout=300,
            )

        added = run("add", "acme", stdin=refresh_token)
        tokens = [run("token", "acme") for _ in range(2)]
        status = run("status", "acme")

    assert [ended.returncode for ended in (added, *tokens, status)] == [0, 0, 0, 0]
    assert {ended.stderr for ended in (added, *tokens, status)} == {""}
    assert tokens[0].stdout == tokens[1].stdout
    assert tokens[0].stdout.startswith("secret-")
    assert "state: ready" in status.stdout
    with closing(sqlite3.connect(home / "acme.db")) as database:
        assert database.execute("SELECT count(*) FROM records").fetchone()[0]
