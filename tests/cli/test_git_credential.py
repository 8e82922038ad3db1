"""The credential helper, asked as git asks it; the last test is git itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from atlassian_auth.testing import LoopbackServer

HOST = "protocol=https\nhost=jira.example.com\n"


@pytest.fixture
def tracker(acme, world):
    """Ask the helper about a Data Center that a person has authorized."""
    tokens = world.issue_grant(world.data_center_app)
    acme("add", "tracker", stdin=tokens.refresh_token)

    def ask(action, question):
        return acme("git-credential", action, "--profile", "tracker", stdin=f"{question}\n")

    return ask


def attributes(answer):
    return dict(line.split("=", 1) for line in answer.output.splitlines())


def test_git_gets_a_user_and_a_password(tracker, acme):
    """The password is the token, and git learns when it ends."""
    token = acme("token", "tracker", "--json").json

    answer = attributes(tracker("get", HOST))

    assert (answer["username"], answer["password"]) == ("x-token-auth", token["access_token"])
    assert int(answer["password_expiry_utc"]) > 1_700_000_000


def test_a_newer_git_gets_a_bearer(tracker, acme):
    """Git that says so can send a bearer, which it does not save."""
    answer = attributes(tracker("get", f"capability[]=authtype\ncapability[]=state\n{HOST}"))

    token = acme("token", "tracker").output.strip()
    assert (answer["authtype"], answer["credential"]) == ("Bearer", token)
    assert (answer["capability[]"], answer["ephemeral"]) == ("authtype", "true")
    assert "password" not in answer


@pytest.mark.parametrize(
    "question",
    [
        "protocol=https\nhost=jira.example.com.evil.example\n",
        "protocol=http\nhost=jira.example.com\n",
        "protocol=https\nhost=jira.example.com:8443\n",
        "protocol=https\n",
        "host=jira.example.com\n",
        "",
    ],
)
@pytest.mark.parametrize("action", ["get", "erase"])
def test_other_hosts_get_nothing(tracker, world, action, question):
    """The token goes to the profile's own origin only, and git asks the next helper."""
    answer = tracker(action, question)

    assert (answer.status, answer.output, answer.errors) == (0, "", "")
    assert world.count("token") == 0


def test_storing_is_not_for_git(tracker, world):
    """What git wants to store is not stored: the store of the credential has it."""
    assert tracker("store", f"{HOST}username=x\npassword=y\n").output == ""
    assert world.count("token") == 0


@pytest.mark.parametrize("name", ["password", "credential"])
def test_a_refused_token_is_replaced(tracker, acme, name):
    """If git says that the server refused the token, the next answer has another one."""
    refused = acme("token", "tracker").output.strip()

    tracker("erase", f"{HOST}{name}={refused}\n")

    assert acme("token", "tracker").output.strip() != refused


def test_another_password_replaces_nothing(tracker, acme):
    """A password that git knew before is none of ours."""
    before = acme("token", "tracker").output

    tracker("erase", f"{HOST}password=old\n")

    assert acme("token", "tracker").output == before


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_itself(home):
    """Git runs the helper, and gets the token."""
    with LoopbackServer() as server:
        app, base_url = server.atlassian.data_center_service_account_app, server.urls.dc_base_url
        profile = {
            "PRODUCT": "data-center-service-account",
            "BASE_URL": base_url,
            "CLIENT_ID": app.client_id,
            "CLIENT_SECRET": app.client_secret,
            "SCOPES": "READ",
            "STORE": str(home / "tokens.db"),
        }
        helper = f"!{shlex.quote(sys.executable)} -m atlassian_auth git-credential"
        protocol, host = server.origin.split("://")

        filled = subprocess.run(
            [
                "git",
                "-c",
                "credential.helper=",
                "-c",
                f"credential.helper={helper}",
                "credential",
                "fill",
            ],
            input=f"protocol={protocol}\nhost={host}\n\n",
            env=os.environ
            | {f"ATLASSIAN_AUTH_{name}": value for name, value in profile.items()}
            | {"GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            check=False,
            text=True,
        )

    assert filled.returncode == 0, filled.stderr
    assert "password=secret-at-" in filled.stdout
