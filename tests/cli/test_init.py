"""init asks for a profile, checks it and writes it; it changes nothing that exists."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib

import pytest

from atlassian_auth._cli.profile import Flags

CLOUD = ("--product", "cloud", "--client-id", "x", "--scopes", "read:me read:jira-user")


def profiles(file):
    return tomllib.loads(file.read_text("utf-8"))["profiles"]


# -- at a terminal ---------------------------------------------------------------------------------


class Terminal:
    """A person at a terminal, who reads questions and types answers."""

    def __init__(self, *arguments):
        self.ours, theirs = pytest.importorskip("pty", reason="Windows has none").openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "atlassian_auth", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def answer(self, question, answer):
        """Wait for the question and its colon, and type the answer."""
        self._read(lambda: question in self.shown and self.shown.endswith(b": "))
        asked, self.shown = self.shown, b""
        os.write(self.ours, answer + b"\n")
        return asked

    def rest(self):
        self._read(lambda: False)
        assert self.process.wait(timeout=300) == 0, self.shown
        os.close(self.ours)
        return self.shown

    def _read(self, enough):
        while not enough():
            try:
                part = os.read(self.ours, 1024)
            except OSError:  # Linux's way to tell that the other side is closed
                return
            if not part:
                return
            self.shown += part


def test_a_person_is_asked(home):
    """``init`` asks in order, asks again after a mistake, and hides the secret."""
    terminal = Terminal("init", "acme")

    terminal.answer(b"Product (cloud, ", b"clod")
    assert b"Error: Products: cloud, " in terminal.answer(b"Product", b"")
    terminal.answer(b"Client id", b"not an id")
    assert b"client_id contains a space" in terminal.answer(b"Client id", b" x ")
    terminal.answer(b"Scopes", b"READ")
    assert b"use --product data-center" in terminal.answer(b"Scopes", b"read:me read:jira-user")
    terminal.answer(b"Callback URL", b"")
    terminal.answer(b"Client secret", b"hush")
    shown = terminal.rest()

    assert b"hush" not in shown
    assert b"Next, run: atlassian-auth login acme" in shown
    assert profiles(Flags().file)["acme"] == {
        "product": "cloud",
        "client_id": "x",
        "scopes": ["read:me", "read:jira-user"],
        "redirect_uri": "http://127.0.0.1:8765/callback",
        "client_secret_file": "acme.secret",
    }
    secret = Flags().profile("acme").client_secret_file
    assert secret.read_text("utf-8") == "hush\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_data_center_is_asked_for_its_address_first(home):
    """``init`` asks for what the product needs; the secret may be left out."""
    terminal = Terminal("init", "tracker", "--redirect-uri", "http://127.0.0.1:8765/callback")

    terminal.answer(b"Product", b"data-center")
    terminal.answer(b"Base URL", b"https://jira.example.com/jira")
    terminal.answer(b"Client id", b"x")
    terminal.answer(b"Scopes", b"READ")
    terminal.answer(b"Client secret", b"")
    terminal.rest()

    assert "client_secret_file" not in profiles(Flags().file)["tracker"]


# -- without one -----------------------------------------------------------------------------------


def test_flags_answer(command, config):
    """With flags init asks nothing, and keeps other profiles and their comments."""
    before = config.read_text("utf-8")

    ended = command("init", "new", "--config", config, *CLOUD, "--json")

    assert (ended.status, ended.json) == (0, {"profile": "new", "file": str(config)})
    assert config.read_text("utf-8").startswith(before)
    assert profiles(config)["new"] == {
        "product": "cloud",
        "client_id": "x",
        "scopes": ["read:me", "read:jira-user"],
    }


def test_a_site_is_asked_for_where_nothing_lists_them(command, home):
    """A profile for builds needs a site or its cloud id."""
    product = ("--product", "jira-software", "--client-id", "x")

    refused = command("init", "builds", *product)
    wrong = command("init", "builds", *product, "--site", "https://jira.example.com/jira")
    named = command("init", "builds", *product, "--site", "acme")
    known = command("init", "other", *product, "--cloud-id", "1-2")

    assert "Pass --site." in refused.errors
    assert "site must be a Cloud site" in wrong.errors
    assert [ended.status for ended in (refused, wrong, named, known)] == [2, 2, 0, 0]
    assert "Next, run: atlassian-auth doctor builds" in named.errors


def test_paths_keep_their_meaning(command, home, monkeypatch):
    """A relative path in a flag becomes absolute; a URL is not changed."""
    monkeypatch.chdir(home)
    (home / "acme.txt").write_text("hush", "utf-8")

    command("init", "a", *CLOUD, "--store", "a.db", "--client-secret-file", "acme.txt")
    command("init", "b", *CLOUD, "--store", "sqlite:///b.db")

    assert profiles(Flags().file)["a"]["store"] == str(home / "a.db")
    assert profiles(Flags().file)["a"]["client_secret_file"] == str(home / "acme.txt")
    assert profiles(Flags().file)["b"]["store"] == "sqlite:///b.db"


def test_a_secret_from_standard_input_is_kept(command, home):
    """A secret is in no message, and in no file that others can read."""
    ended = command("init", "acme", *CLOUD, "--client-secret-file", "-", stdin="hush\n")

    secret = Flags().profile("acme").client_secret_file
    assert (ended.status, secret.read_text("utf-8")) == (0, "hush\n")
    assert str(secret) in ended.output
    assert "hush" not in ended.output + ended.errors + Flags().file.read_text("utf-8")


def test_no_terminal_to_ask_at(command, home):
    """Without a terminal the message names the missing flags, and nothing is written."""
    ended = command("init", "acme")

    assert ended.status == 2
    assert "Pass --client-id, --scopes." in ended.errors
    assert not Flags().file.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a/b", *CLOUD], "may have letters, digits, - and _ only"),
        (["acme", *CLOUD], r"[profiles.acme] exists in "),
        (["new", *CLOUD, "--client-secret-file", "missing"], "should contain client_secret"),
        (["new", *CLOUD, "--scopes", "READ"], "--product data-center"),
        (["new", *CLOUD, "--product", "x"], "--product should be 'cloud'"),
        (["new", *CLOUD, "--store", "redis://:hush@host/0"], "Set ATLASSIAN_AUTH_STORE"),
    ],
    ids=["name", "there", "secret", "scopes", "product", "password"],
)
def test_what_cannot_be_written_is_said(command, config, arguments, words):
    """If the file cannot be changed, the message says what to change, and the file stays as it is."""
    before = config.read_text("utf-8")

    ended = command("--config", config, "init", *arguments)

    assert ended.status == 2
    assert words in ended.errors
    assert "hush" not in ended.errors
    assert config.read_text("utf-8") == before


def test_a_secret_of_the_same_name_is_not_replaced(command, home):
    """A secret file that exists is not overwritten."""
    secret = Flags().file.with_name("acme.secret")
    secret.parent.mkdir(parents=True)
    secret.write_text("hush", "utf-8")

    refused = command("init", "acme", *CLOUD)
    named = command("init", "acme", *CLOUD, "--client-secret-file", secret)

    assert (refused.status, named.status) == (2, 0)
    assert f"{secret} exists." in refused.errors


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("profiles = {}", "table at its end. Add these lines yourself: product = "),
        ("", "cannot be written: "),
    ],
    ids=["no tables", "no file"],
)
def test_a_file_that_takes_nothing(command, home, before, words):
    """If the file cannot be extended, the message says what to do."""
    file = home / "config.toml"
    file.write_text(before, "utf-8") if before else file.symlink_to(home / "no" / "file")

    ended = command("--config", file, "init", "acme", *CLOUD)

    assert ended.status == 2
    assert words in ended.errors
