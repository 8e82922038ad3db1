"""The pytest fixtures: there without configuration, and clear about what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from atlassian_auth import testing
from atlassian_auth.testing import ManualClock

pytestmark = pytest.mark.programs

HERE = {"PYTHONPATH": str(Path(testing.__file__).parents[2])}


async def test_atlassian_answers_httpx(atlassian, atlassian_clock):
    """For the time of the test, Atlassian's addresses are the emulator's, on the test's clock."""
    atlassian_clock.advance(timedelta(days=1))

    async with httpx.AsyncClient() as http:
        response = await http.get(f"{atlassian.urls.site('acme')}/_edge/tenant_info")

    assert response.json() == {"cloudId": atlassian.cloud_id}
    assert response.headers["date"] == "Fri, 02 Jan 2026 12:00:00 GMT"


def test_the_clock_is_manual(atlassian_clock, atlassian):
    """Everything goes by the one clock of the test."""
    assert isinstance(atlassian_clock, ManualClock)
    assert atlassian.clock is atlassian_clock


def test_the_server_serves_the_same_atlassian(atlassian, atlassian_server):
    """The fixture's server serves the Atlassian of the fixture `atlassian`."""
    atlassian.add_site("globex", cloud_id="c-2")

    response = httpx.get(f"{atlassian_server.urls.site('globex')}/_edge/tenant_info")

    assert response.json() == {"cloudId": "c-2"}


async def test_the_auth_is_authorized(atlassian, atlassian_auth):
    """The fixture's auth is authorized: its first request already has a valid token."""
    async with httpx.AsyncClient(auth=atlassian_auth) as http:
        response = await http.get(atlassian.urls.identity_url)

    assert response.status_code == 200
    assert atlassian.count("token") == atlassian.count("token", grant_type="authorization_code")


def test_the_auth_refreshes_when_the_clock_says_so(atlassian, atlassian_auth, atlassian_clock):
    """An hour later the next request refreshes, also in a sync client."""
    atlassian_clock.advance(timedelta(hours=1))

    with httpx.Client(auth=atlassian_auth) as http:
        response = http.get(atlassian.urls.identity_url)

    assert response.status_code == 200
    assert atlassian.count("token", grant_type="refresh_token", outcome="ok") == 1


USER_TEST = """
def test_it(atlassian_auth, atlassian_server): pass
"""

BLOCKED = """
import sys
sys.modules["{module}"] = None
"""


UNUSED_FAULT = """
from atlassian_auth.testing import Fault
def test_it(atlassian):
    atlassian.fault("token", Fault.status(503), times=2)
"""


def run_pytest(directory, conftest="", test=USER_TEST):
    (directory / "test_it.py").write_text(test)
    (directory / "conftest.py").write_text(conftest)
    plugins = ["-p", "no:atlassian_auth", "-p", "atlassian_auth.testing.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, str(directory)],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=os.environ | HERE | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


def test_a_users_suite_needs_no_configuration(tmp_path):
    """Asking for a fixture is all there is to do."""
    outcome = run_pytest(tmp_path)

    assert outcome.returncode == 0, outcome.stdout


def test_a_fault_that_met_nothing_fails_the_test(tmp_path):
    """A test that scripts a fault and never meets it fails, and the message names the fault."""
    outcome = run_pytest(tmp_path, test=UNUSED_FAULT)

    assert outcome.returncode == 1
    assert "Unused faults: status 503 (met 0 of 2)." in outcome.stdout


@pytest.mark.parametrize("module", ["respx", "uvicorn"])
def test_a_missing_package_names_the_extra(tmp_path, module):
    """If a package is missing, the error names the extra to install."""
    outcome = run_pytest(tmp_path, BLOCKED.format(module=module))

    assert outcome.returncode == 1
    assert "pip install 'atlassian-auth[testing]'" in outcome.stdout
