"""The command migrate moves credentials between stores of any kind."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys

import pytest

from atlassian_auth.stores import EncryptedStore

KILLED = """
import sys
from atlassian_auth._cli import main
from atlassian_auth.stores import SQLiteStore

put = SQLiteStore.put

async def slow(store, namespace, key, value, **options):
    if namespace == "tokens" and b"in transit" not in value:
        print("about to arrive", flush=True)
        sys.stdin.read()
    return await put(store, namespace, key, value, **options)

SQLiteStore.put = slow
sys.argv = ["atlassian-auth", *sys.argv[1:]]
main()
"""


@pytest.fixture
def states(command, config):
    """Return the status of the profile acme in a store."""

    def states(*arguments):
        ended = command("status", "acme", "--config", config, "--json", *arguments)
        return ended.json["state"] if ended.output else None  # if it cannot be read

    return states


def test_all_credentials_move(authorized, command, config, home, states):
    """All credentials move to the new store; a second run changes nothing."""
    there = home / "there.db"

    ended = authorized("migrate", "--to", there)
    again = authorized("migrate", "--to", there)

    assert (ended.status, ended.output, ended.errors) == (0, "acme: moved\n", "")
    assert (again.status, again.output) == (0, "")
    assert "no credentials to move" in again.errors
    assert states("--store", there) == "pending"
    assert states("--store", home / "tokens.db") == "new"
    used = command("token", "acme", "--config", config, "--store", there)
    assert used.status == 0


def test_the_folder_of_the_target_is_missing(authorized, home, states):
    """If the target has a credential, it is named and nothing moves."""
    there = home / "typo" / "there.db"

    ended = authorized("migrate", "--to", there)

    assert (ended.status, ended.output) == (5, "")
    assert f"the folder {there.parent} does not exist" in ended.errors
    assert states("--store", home / "tokens.db") == "pending"


def test_named_credentials_move(authorized, home):
    """Only named keys move; an unknown key is an error and does not stop the others."""
    there = home / "there.db"
    other = authorized("add", "acme", "--key", "other", stdin="another-refresh-token")

    ended = authorized("migrate", "unknown", "other", "--to", there, "--json")

    assert other.status == 0
    assert ended.status == 2
    assert ended.json == [
        {"key": "unknown", "outcome": "configuration", "exit_status": 2},
        {"key": "other", "outcome": "moved", "exit_status": 0},
    ]
    assert "Neither the source nor the target has a key" in ended.errors
    assert [row["key"] for row in authorized("list", "--json").json if row["state"] != "new"] == [
        "acme"
    ]


def test_what_is_there_is_not_replaced(authorized, command, config, home):
    """With --overwrite the target's credential is replaced."""
    there = home / "there.db"
    command("add", "acme", "--config", config, "--store", there, stdin="another-refresh-token")

    refused = authorized("migrate", "acme", "--to", there)
    replaced = authorized("migrate", "acme", "--to", there, "--overwrite")

    assert (refused.status, refused.output) == (2, "")
    assert "use overwrite to replace the target's" in refused.errors
    assert (replaced.status, replaced.output) == (0, "acme: moved\n")


def test_into_an_encrypted_store(authorized, states, home):
    """The moved credential can be read with the encryption key only."""
    there, key = home / "there.db", home / "there.key"
    key.write_text(EncryptedStore.generate_key(), "utf-8")

    ended = authorized("migrate", "--to", there, "--to-encryption-key-file", key)

    assert ended.output == "acme: moved\n"
    assert states("--store", there, "--encryption-key-file", key) == "pending"
    assert states("--store", there) is None
    assert b"refresh" not in there.read_bytes()


def test_through_every_kind_of_store(
    acme, command, config, home, monkeypatch, redis_url, postgres_url, world, app
):
    """A credential that moved through all kinds of stores is refreshed once."""
    name = "traveler"  # the servers are shared with other tests
    refresh_token = world.issue_grant(app, ["read:me"]).refresh_token
    acme("add", "acme", "--key", name, stdin=refresh_token)
    key = home / "there.key"
    key.write_text(EncryptedStore.generate_key(), "utf-8")
    encrypted = {postgres_url}
    stops = [home / "tokens.db", f"file://{home}/folder", redis_url, postgres_url, home / "last.db"]

    for source, target in itertools.pairwise(map(str, stops)):
        monkeypatch.setenv("ATLASSIAN_AUTH_TO", target)
        ended = command(
            *("migrate", name, "--store", source),
            *(("--encryption-key-file", key) if source in encrypted else ()),
            *(("--to-encryption-key-file", key) if target in encrypted else ()),
        )
        assert (ended.status, ended.output, ended.errors) == (0, f"{name}: moved\n", "")

    used = command("token", "acme", "--key", name, "--config", config, "--store", stops[-1])
    assert used.status == 0
    assert world.count("token", grant_type="refresh_token") == 1


def test_keys_come_from_the_environment(authorized, states, home, monkeypatch):
    """Each of the two stores has its own variable for its encryption key."""
    there, key = home / "there.db", EncryptedStore.generate_key()
    monkeypatch.setenv("ATLASSIAN_AUTH_TO_ENCRYPTION_KEY", key)
    monkeypatch.setenv("ATLASSIAN_AUTH_TO", f"sqlite:///{there}")

    moved = authorized("migrate")
    monkeypatch.setenv("ATLASSIAN_AUTH_ENCRYPTION_KEY", key)

    assert moved.output == "acme: moved\n"
    assert states("--store", there) == "pending"


def test_profiles_say_where(authorized, command, home, config):
    """The source is the profile's store, with the password from the environment."""
    with config.open("a", encoding="utf-8") as file:
        file.write("\n[profiles.elsewhere]\nstore = 'tokens.db'\n")
        file.write("\n[profiles.open]\nstore = 'redis://:pass-word@127.0.0.1:1'\n")

    ended = [
        command("migrate", "--config", config, "--profile", name, "--to", home / "there.db")
        for name in ("elsewhere", "open")
    ]

    assert (ended[0].status, ended[0].output) == (0, "acme: moved\n")
    assert ended[1].status == 2
    assert "store in [profiles.open]" in ended[1].errors
    assert "pass-word" not in ended[1].errors


def test_there_is_no_store(command, home):
    """A source that does not exist is not created."""
    ended = command("migrate", "--store", home / "none.db", "--to", home / "there.db")

    assert (ended.status, ended.output) == (2, "")
    assert f"There is no store {home / 'none.db'}" in ended.errors
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("option", ["--to", "--store"])
def test_passwords_are_no_flags(command, option):
    """A password in a flag is refused; the message names the variable."""
    ended = command("migrate", "--to", "there.db", option, "redis://:pass-word@127.0.0.1:1/0")

    variable = {"--to": "ATLASSIAN_AUTH_TO", "--store": "ATLASSIAN_AUTH_STORE"}[option]
    assert ended.status == 2
    assert f"Set {variable} to the whole URL" in ended.errors
    assert "pass-word" not in ended.errors


def test_a_password_in_the_environment_is_fine(authorized, monkeypatch):
    """A password from the environment is used; no server listens here."""
    monkeypatch.setenv("ATLASSIAN_AUTH_TO", "redis://:pass-word@127.0.0.1:1/0")

    ended = authorized("migrate")

    assert ended.status == 5
    assert "pass-word" not in ended.errors


def test_it_is_killed(authorized, states, home, world):
    """A half-moved credential is unusable until a second run moves it completely."""
    there = home / "there.db"
    arguments = ["migrate", "--store", home / "tokens.db", "--to", there]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "about to arrive\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    between = [states("--store", store) for store in (home / "tokens.db", there)]

    ended = authorized("migrate", "--to", there)

    assert between == [None, "new"]
    assert (ended.status, ended.output) == (0, "acme: finished\n")
    assert states("--store", there) == "pending"
