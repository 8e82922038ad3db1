"""The command line in this process, with the settings of the test, an emulated Atlassian and no terminal."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from functools import cache

import pytest
import typer.main

from atlassian_auth._cli import main
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import FakeAtlassian, mock_router

SECRET = "secret-of-the-app"

PROFILES = """
[profiles.acme]
client_id = "console-app"
client_secret_file = "acme.secret"
scopes = ["read:me", "read:jira-user"]

[profiles.robot]
product = "service-account"
client_id = "service-account-app"
client_secret_file = "robot.secret"

[profiles.tracker]
product = "data-center"
base_url = "https://jira.example.com/jira"
client_id = "data-center-app"
client_secret_file = "tracker.secret"
scopes = "ADMIN"

[profiles.builds]
product = "jira-software"
client_id = "jira-software-app"
client_secret_file = "builds.secret"
site = "acme"
"""


@dataclass(frozen=True)
class Result:
    """The exit status and the texts of a command."""

    status: int
    output: str
    errors: str

    @property
    def json(self):
        return json.loads(self.output)


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A new home folder, without the environment variables of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith(("ATLASSIAN_AUTH_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


# Typer builds all commands anew with each call, which would be a third of the time of these tests.
build = cache(typer.main.get_command)


@pytest.fixture
def command(home, monkeypatch, capsys):
    """Run the command line in this process and return its status, output and errors."""
    monkeypatch.setattr(typer.main, "get_command", build)

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["atlassian-auth", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        with pytest.raises(SystemExit) as exit_:
            main()
        return Result(exit_.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def world():
    """An emulated Atlassian with this computer's clock, which the command uses as well."""
    emulator = FakeAtlassian(SYSTEM_CLOCK)
    with mock_router(emulator):
        yield emulator


@pytest.fixture
def app(world):
    """The 3LO app of the profile acme."""
    return world.register_cloud_app("console-app", client_secret=SECRET)


@pytest.fixture
def config(home, world, app):
    """A configuration file with four profiles, and the secrets beside it."""
    file = home / "settings.toml"
    file.write_text(PROFILES, "utf-8")
    (home / "acme.secret").write_text(f"{SECRET}\n", "utf-8")
    apps = {
        "robot": world.service_account_app,
        "tracker": world.data_center_app,
        "builds": world.jira_software_app,
    }
    for name, registered in apps.items():
        (home / f"{name}.secret").write_text(f"{registered.client_secret}\n", "utf-8")
    return file


@pytest.fixture
def acme(command, config, home):
    """Run a command with the configuration file and a new store."""
    store = home / "tokens.db"

    def run(*arguments, stdin=""):
        return command("--config", config, "--store", store, *arguments, stdin=stdin)

    return run


@pytest.fixture
def authorized(acme, world, app):
    """The same, after a person has authorized the profile acme."""
    tokens = world.issue_grant(app, ["read:me", "read:jira-user"])
    assert acme("add", "acme", stdin=f"{tokens.refresh_token}\n").status == 0
    return acme
