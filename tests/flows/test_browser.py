"""A login in a real browser: consent, callback, and the page a person sees at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import nullcontext

import anyio.lowlevel
import anyio.to_thread
import pytest
import uvicorn

from atlassian_auth import AuthorizationRequired
from atlassian_auth.flows import LoginApp, LoopbackLogin
from atlassian_auth.testing import cloud_grant

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Without a sandbox, which a container's root may not have; nothing but the page is asked for.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--no-proxy-server", "--dump-dom"),
]

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    # One loop will do: the browser is slow, and the other tests of the login run on all of them.
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


@pytest.fixture
def redirect_uri():
    """A redirect URI whose port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/callback"


@pytest.fixture
def browser(tmp_path):
    """Start Chromium where a login asks for a browser; what it shows can be read at the end."""
    started = []

    def open_browser(url):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", url]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return True

    open_browser.started = started
    yield open_browser
    for process in started:
        process.kill()
        process.communicate()


async def test_a_person_logs_in(atlassian, atlassian_server, flow_of, browser, redirect_uri):
    """Chromium follows the consent to the callback, and shows that the window may be closed."""
    app = atlassian.register_cloud_app("local", redirect_uri=redirect_uri)
    grant = cloud_grant(atlassian, atlassian_server.urls, app=app, scopes="read:me")

    result = await LoopbackLogin(flow_of(grant), open_browser=browser).login("acme")
    shown, _ = await anyio.to_thread.run_sync(lambda: browser.started[0].communicate(timeout=300))

    assert (result.key, result.status.refreshable) == ("acme", True)
    assert "close" in shown
    assert "code=" not in shown


async def test_a_person_declines(atlassian, atlassian_server, flow_of, browser, redirect_uri):
    """If the person declines, the page says so, and `login` raises."""
    app = atlassian.register_cloud_app("local", redirect_uri=redirect_uri)
    grant = cloud_grant(atlassian, atlassian_server.urls, app=app, scopes="read:me")
    atlassian.deny_next_consent()

    with pytest.raises(AuthorizationRequired) as caught:
        await LoopbackLogin(flow_of(grant), open_browser=browser).login("acme")
    shown, _ = await anyio.to_thread.run_sync(lambda: browser.started[0].communicate(timeout=300))

    assert caught.value.reason == "declined"
    assert "declined" in shown


async def test_the_login_of_a_web_app(
    atlassian, atlassian_server, flow_of, browser, redirect_uri, monkeypatch
):
    """Chromium brings the cookie of `LoginApp` back from the consent page, and ends at the wanted page."""
    app = atlassian.register_cloud_app("web", redirect_uri=redirect_uri)
    flow = flow_of(cloud_grant(atlassian, atlassian_server.urls, app=app, scopes="read:me"))
    seen = []

    async def key(scope):
        seen.append(scope["path"])
        return "acme"

    login = LoginApp(flow, key=key, after="/callback?wanted=page")
    port = int(redirect_uri.rpartition(":")[2].partition("/")[0])
    server = uvicorn.Server(uvicorn.Config(login, port=port, log_level="error", lifespan="off"))
    # It would take over the signals of the tests.
    monkeypatch.setattr(server, "capture_signals", nullcontext)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        while not server.started:
            await anyio.lowlevel.checkpoint()
        browser(redirect_uri.replace("/callback", "/login"))
        process = browser.started[0]
        await anyio.to_thread.run_sync(lambda: process.communicate(timeout=300))
        server.should_exit = True

    assert await flow.manager.keys() == ["acme"]
    assert seen == ["/login", "/callback", "/callback"]
