"""The pages in a real browser: from the first client to a connection that is made again.

With ``ATLASSIAN_AUTH_TEST_IMAGES`` the screenshots of ``docs/web.md`` are written again.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn

from atlassian_auth.connections import Connections
from atlassian_auth.web import Caller, connections_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PAGE = (IMAGES.parent / "web.md").read_text("utf-8")
WRITES_IMAGES = "ATLASSIAN_AUTH_TEST_IMAGES" in os.environ
# Without a sandbox, which a container's root may not have; only our own pages are opened.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
# 360 px: a narrow phone, and two screenshots fit beside each other on a wide page.
LOOKS = [(width, scheme) for width in (1280, 360) for scheme in ("light", "dark")]

pytestmark = [pytest.mark.programs, pytest.mark.campaign]


@contextmanager
def serving(listener, app):
    """Serve an application until the block ends."""
    config = uvicorn.Config(app, loop="asyncio", ws="none", lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield
    server.should_exit = True
    thread.join()


@pytest.fixture
def base_url(atlassian_server, atlassian_clock, store):
    """The application on a port of this computer, beside a server of the emulated Atlassian."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        connections = Connections(store, base_url=url, clock=atlassian_clock)
        app = connections_app(
            connections,
            store=store,
            clock=atlassian_clock,
            authorize=lambda _: Caller(id="anna", administrator=True),
        )
        with serving(listener, app):
            yield url
        anyio.run(connections.aclose)


@pytest.fixture
def page(base_url):
    """A page of a browser. The test fails if the browser complains, as of a page's policy."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # A colour in the middle of a transition has no meaning.
        context = browser.new_context(base_url=base_url, reduced_motion="reduce")
        page = context.new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        browser.close()
        # Of a refused form the console says the status.
        assert not [text for text in said if "status of 4" not in text]


def check(page, name):
    """Look at a page as people do: on a wide and a narrow screen, in light and dark, and without sight."""
    for width, scheme in LOOKS if WRITES_IMAGES else LOOKS[::3]:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        results = axe.Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        image = f"{name}-{scheme}-{width}.png"
        if WRITES_IMAGES and image in PAGE:
            page.screenshot(path=IMAGES / image, full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})


def press(page, name, role="button"):
    """Press a button or follow a link, and wait for the page: a click alone does not."""
    with page.expect_navigation():
        page.get_by_role(role, name=name).click()


def state(page):
    return page.locator(".state").inner_text()


def test_from_the_first_client_to_a_new_consent(page, atlassian, atlassian_server):
    """Add a client, connect, be ready, lose the consent, connect again; each page has no barrier."""
    page.goto("/")
    press(page, "Add a client", "link")
    check(page, "types")
    press(page, "Atlassian Cloud", "link")
    press(page, "Save")
    assert page.get_by_role("alert").get_by_role("link").count() == 3
    check(page, "wrong")

    urls = atlassian_server.urls
    fields = {
        "Name": "Jira of Acme",
        "Description": "Issues and builds of the platform team",
        "Client id": "house-app",
        "Client secret": "secret-of-the-house",
        "Authorization endpoint": urls.authorize_url,
        "Token endpoint": urls.token_url,
        "Scopes": "read:jira-work read:jira-user offline_access",
    }
    for label, text in fields.items():
        page.get_by_label(re.compile(f"^{label}")).fill(text)
    press(page, "Save")
    check(page, "clients")
    redirect_uri = page.locator("code", has_text="/callback/").inner_text()
    atlassian.register_cloud_app(
        "house-app", client_secret="secret-of-the-house", redirect_uri=redirect_uri
    )

    press(page, "Your connections", "link")
    assert state(page) == "Not connected"
    press(page, "Connect Jira of Acme")
    page.wait_for_url("**/?done=connected*")
    assert state(page) == "Ready"
    assert "code=" not in page.url
    check(page, "ready")

    atlassian.families[-1].alive = False
    press(page, "Refresh now")
    assert state(page) == "Connect again"
    check(page, "lost")
    press(page, "Reconnect")
    page.wait_for_url("**/?done=connected*")
    assert state(page) == "Ready"

    press(page, "Delete the connection", "link")
    check(page, "delete")
    press(page, "Delete")
    assert state(page) == "Not connected"


def test_with_the_keyboard_alone(page):
    """The first key leads past the navigation, and the focus can be seen on each step to the form."""
    page.goto("/")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Add a client"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/clients/new")
