"""Connections mounted in a FastAPI and in a Starlette application, each with its own login."""

from __future__ import annotations

import re

import httpx
import pytest

from atlassian_auth.connections import ClientConfig, Connections
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import FakeAtlassian, mock_router
from tests.examples.conftest import load

ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def atlassian():
    with mock_router(emulator := FakeAtlassian(SYSTEM_CLOCK)):
        yield emulator


@pytest.fixture
async def store(atlassian):
    """A store with a client for Jira."""
    store = MemoryStore()
    connections = Connections(store, base_url=f"{ORIGIN}/connections")
    urls = atlassian.urls
    redirect_uri = connections.configs.redirect_uri(urls.authorize_url)
    app = atlassian.register_cloud_app("example-app", redirect_uri=redirect_uri)
    config = ClientConfig(
        name="Jira",
        type="ATLASSIAN_CLOUD",
        client_id=app.client_id,
        client_secret=app.client_secret,
        authorization_endpoint=urls.authorize_url,
        token_endpoint=urls.token_url,
        scopes=["read:me", "offline_access"],
    )
    await connections.configs.save(config)
    return store


async def connect(browser, atlassian):
    """Press Connect, consent, and return the page at the end."""
    page = await browser.get("/connections/", follow_redirects=True)
    [(action, token)] = re.findall(r'action="([^"]+)".*?value="(\w+)"', page.text, re.DOTALL)
    leaving = await browser.post(action, data={"formToken": token})
    start = re.search(r'content="0;url=([^"]+)"', leaving.text)[1]
    provider = (await browser.get(start)).headers["location"]
    return await browser.get(atlassian.browse(provider), follow_redirects=True)


def browser_of(app, **options):
    transport = httpx.ASGITransport(app)
    headers = {"Sec-Fetch-Site": "same-origin"}
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, **options)


async def test_fastapi(store, atlassian):
    """A person who is logged in connects, and then the service asks Atlassian in their name."""
    pytest.importorskip("fastapi")
    app = load("connections_fastapi").create_app(store, f"{ORIGIN}/connections")
    async with browser_of(app, auth=("anna", "anna")) as anna, app.router.lifespan_context(app):
        before = await anna.get("/me")
        page = await connect(anna, atlassian)
        after = await anna.get("/me")
        stranger = await browser_of(app, auth=("anna", "wrong")).get("/connections/")

    assert before.status_code == 409
    assert "Ready" in page.text
    assert "account_id" in after.json()
    assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, "Basic")


async def test_starlette(store, atlassian):
    """Who is not logged in is sent to the login, and comes back to connect."""
    pytest.importorskip("itsdangerous")
    app = load("connections_starlette").create_app(store, f"{ORIGIN}/connections")
    async with browser_of(app) as browser, app.router.lifespan_context(app):
        page = await connect(browser, atlassian)

    assert "Ready" in page.text
