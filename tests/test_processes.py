"""Several processes on one store: one refresh at a time, and a killed one loses nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from atlassian_auth import TokenManager
from atlassian_auth.stores import SQLiteStore
from atlassian_auth.testing import cloud_grant, data_center_grant

pytestmark = pytest.mark.programs

WORKER = """
import asyncio, sys
from dataclasses import replace
from atlassian_auth import CloudGrant, DataCenterGrant, Endpoints, TokenManager
from atlassian_auth.stores import SQLiteStore

kind, url, path, times = sys.argv[1:]
app = {"client_secret": sys.stdin.readline().strip(), "redirect_uri": "http://127.0.0.1:8765/callback"}
if kind == "data_center":
    grant = DataCenterGrant(url, client_id="data-center-app", scopes=["ADMIN"], **app)
else:
    cloud = replace(
        Endpoints.cloud(), token_url=url + "/oauth/token", authorize_url=url + "/authorize"
    )
    grant = CloudGrant(client_id="cloud-app", scopes=["read:me"], endpoints=cloud, **app)

async def main():
    async with TokenManager(grant, store=SQLiteStore(path)) as manager:
        for _ in range(int(times)):
            await asyncio.gather(manager.refresh("acme"), manager.refresh("acme"))

asyncio.run(main())
"""


@pytest.fixture
def start(tmp_path):
    """Start worker processes that refresh the key ``acme`` again and again."""
    running = []

    def begin(app, kind, url, times):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, kind, url, tmp_path / "tokens.db", str(times)],
            stdin=subprocess.PIPE,
            text=True,
        )
        running.append(worker)
        worker.stdin.write(app.client_secret + "\n")
        worker.stdin.close()
        return worker

    yield begin
    for worker in running:
        worker.kill()
        worker.wait()


def test_processes_present_each_refresh_token_once(atlassian, atlassian_server, start, tmp_path):
    """Processes that refresh one credential at the same time never present a refresh token twice."""
    grant = data_center_grant(atlassian, atlassian_server.urls)
    manager = TokenManager(grant, store=SQLiteStore(tmp_path / "tokens.db"))
    issued = atlassian.issue_grant(atlassian.data_center_app)
    asyncio.run(manager.add("acme", refresh_token=issued.refresh_token))

    workers = [
        start(atlassian.data_center_app, "data_center", atlassian_server.urls.dc_base_url, 10)
        for _ in range(3)
    ]

    assert [worker.wait(300) for worker in workers] == [0, 0, 0]
    presented = [entry.generation for entry in atlassian.token_requests]
    assert sorted(presented) == sorted(set(presented))
    assert {entry.outcome for entry in atlassian.token_requests} == {"ok"}
    assert len(presented) >= 10
    asyncio.run(manager.aclose())


def test_a_process_killed_in_mid_refresh_loses_nothing_on_cloud(
    atlassian, atlassian_server, start, tmp_path
):
    """If a process dies before it has saved the new pair, another one refreshes within the leeway."""
    grant = cloud_grant(atlassian, atlassian_server.urls, scopes=["read:me"])
    manager = TokenManager(grant, store=SQLiteStore(tmp_path / "tokens.db"), clock=atlassian.clock)
    asyncio.run(manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token))
    gate = atlassian.hold("token")

    worker = start(atlassian.cloud_app, "cloud", atlassian_server.urls.auth_url, 1)
    gate.arrived_sync()
    worker.send_signal(signal.SIGKILL)
    worker.wait(300)
    gate.open()
    token = asyncio.run(manager.token("acme"))

    assert token.access_token
    assert (atlassian.leeway_reuses, atlassian.reuses_outside_leeway) == (1, 0)
    assert not list((tmp_path / "tokens.db-locks").iterdir())
    asyncio.run(manager.aclose())
