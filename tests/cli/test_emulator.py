"""The command emulator: for any language, and for trying the command line by hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from atlassian_auth._cli.emulator import _introduce
from atlassian_auth.sites import CLOUD_IDS, cloud_id_for_site
from atlassian_auth.testing import FakeAtlassian, LoopbackServer
from tests.cli.test_documents import check

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth._cli import main
sys.argv = ["atlassian-auth", "emulator", *sys.argv[1:]]
main()
"""


@pytest.fixture
def emulator(home):
    """Start the command, and return the process and what it printed as JSON."""
    command = [sys.executable, "-c", START, "--port", "0", "--lifetime", "60", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        lines = iter(process.stdout.readline, "}\n")
        yield process, json.loads("".join(lines) + "}")
        process.kill()


@pytest.mark.programs
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_a_program_in_any_language_can_use_it(emulator):
    """It prints its address and its apps, issues tokens, shows its state, and ends with Ctrl-C."""
    process, printed = emulator
    check("emulator", json.dumps(printed))
    app = next(app for app in printed["apps"] if app["product"] == "service_account")
    form = {
        "grant_type": "client_credentials",
        **{k: app[k] for k in ("client_id", "client_secret")},
    }

    issued = httpx.post(f"{printed['url']}/auth/oauth/token", data=form).json()
    page = httpx.get(printed["url"])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert issued["expires_in"] == 60
    assert "service-account-app" in page.text
    assert app["client_secret"] not in page.text
    assert process.returncode == 130
    assert f"export ATLASSIAN_AUTH_EMULATOR={printed['url']}" in errors


def test_a_person_reads_a_table(home, capsys):
    """Without --json the apps are a table, and advice goes to standard error."""
    atlassian = FakeAtlassian()

    _introduce("http://127.0.0.1:8900", "http://127.0.0.1:8900/dc/jira", atlassian, as_json=False)

    printed = capsys.readouterr()
    assert printed.out.startswith("PRODUCT ")
    assert atlassian.cloud_app.client_secret in printed.out
    assert "its Data Center is http://127.0.0.1:8900/dc/jira." in printed.err


@pytest.fixture
def pointed(home, monkeypatch):
    """Point the library and the commands at an emulator by the variable alone."""
    with LoopbackServer() as server:
        monkeypatch.setenv("ATLASSIAN_AUTH_EMULATOR", server.origin)
        yield server
    CLOUD_IDS.clear()


def test_the_variable_points_commands_at_it(command, pointed, monkeypatch):
    """One variable replaces Atlassian's addresses, and a warning says so."""
    app = pointed.atlassian.service_account_app
    settings = {"PRODUCT": "service-account", "CLIENT_ID": app.client_id, "SITE": "acme"}
    for name, value in {**settings, "CLIENT_SECRET": app.client_secret}.items():
        monkeypatch.setenv(f"ATLASSIAN_AUTH_{name}", value)

    answer = command("request", "GET", "/rest/api/3/myself")

    assert json.loads(answer.output)["displayName"] == "Ada Admin"
    assert f"the emulator at {pointed.origin} takes the place of Atlassian Cloud" in answer.errors


async def test_a_site_is_found_by_its_name(pointed):
    """The emulator has no host for each site, and is asked all the same."""
    assert await cloud_id_for_site("acme") == pointed.atlassian.cloud_id


def test_a_port_in_use_is_named(command):
    """The message names the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = command("emulator", "--port", port)

    assert refused.status == 2
    assert f"port {port} cannot be opened" in refused.errors
    assert "Pass --port with another one" in refused.errors


@pytest.mark.parametrize("seconds", ["0", "nan", "inf"])
def test_a_lifetime_of_no_use_is_refused(command, seconds):
    """A token that is never valid, or for ever, tests nothing."""
    refused = command("emulator", "--lifetime", seconds)

    assert refused.status == 2
    assert "--lifetime" in refused.errors


def test_without_the_server_it_names_the_extra(command, monkeypatch):
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    assert command("emulator").status == (
        "atlassian-auth: not installed: uvicorn. Run: pip install 'atlassian-auth[cli,testing]'"
    )
