"""The application: who may call, and what a host application decides."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from starlette.responses import RedirectResponse

from atlassian_auth import ConfigurationError
from atlassian_auth.web import Caller, Owners, connections_app
from tests.web.house import ORIGIN, REST, Browser


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("authorize", {}),
        ("authorize", {"authorize": None}),
        ("authorize", {"authorize": "anna"}),
        ("flows_per_minute", {"authorize": lambda _: None, "flows_per_minute": 0}),
        ("max_body_bytes", {"authorize": lambda _: None, "max_body_bytes": 0}),
    ],
)
def test_wrong_arguments(house, argument, options):
    """Without a decision who may call, there is no application; the error names the argument."""
    with pytest.raises(ConfigurationError) as caught:
        connections_app(house.connections, store=house.store, **options)

    assert caught.value.argument == argument


def test_connections_are_needed(store):
    """Something other than a `Connections` is refused."""
    with pytest.raises(ConfigurationError) as caught:
        connections_app("connections.db", store=store, authorize=lambda _: None)

    assert caught.value.argument == "connections"


@pytest.mark.parametrize("path", ["/connections/", f"{REST}/tokens", f"{REST}/openapi.json"])
async def test_callers_without_permission(house, path):
    """Whom the host application refuses gets a 403, a page or JSON, and no cookie."""
    refused = await house.browser(None).get(path)

    assert refused.status_code == 403
    assert "You are not allowed to use this application." in refused.text
    assert "set-cookie" not in refused.headers


async def test_the_host_may_send_to_its_login(house_of):
    """A response of the host, such as a redirect to its login, replaces the page; REST gets a 401."""
    visitor = house_of(authorize=lambda _: RedirectResponse("/login")).browser(None)

    sent = await visitor.get("/connections/")
    refused = await visitor.get(f"{REST}/tokens")

    assert (sent.status_code, sent.headers["location"]) == (307, "/login")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_the_decision_may_be_asynchronous(house_of):
    """`authorize` may be a coroutine function."""

    async def authorize(_request):
        return Caller(id="anna")

    assert (await house_of(authorize=authorize).browser(None).get("/connections/")).is_success


async def test_a_wrong_decision(house_of):
    """A decision that is no `Caller` is an error of the host application, not an access."""
    app = house_of(authorize=lambda _: True).app

    with pytest.raises(TypeError, match="authorize must return a Caller, a Response or None"):
        await Browser(app, None).get("/")


async def test_an_error_of_the_host(house_of):
    """An unexpected error is raised to the host's server, and the caller learns nothing of it."""

    def authorize(_request):
        raise RuntimeError("secret-of-the-house")

    app = house_of(authorize=authorize).app
    with pytest.raises(RuntimeError):
        await Browser(app, None).get("/")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    failed = await httpx.AsyncClient(transport=transport, base_url=ORIGIN).get("/")
    assert failed.status_code == 500
    assert "The application has failed." in failed.text
    assert "secret-of-the-house" not in failed.text


@pytest.mark.parametrize("wrong", ["", None, 5])
def test_a_caller_needs_an_id(wrong):
    """A `Caller` without an id is refused: all such callers would share their connections."""
    with pytest.raises(ConfigurationError) as caught:
        Caller(id=wrong)

    assert caught.value.argument == "id"


@pytest.mark.parametrize("wrong", [None, "connections.db"])
def test_the_store_is_needed(house, wrong):
    """A path in place of the store is refused: it would be opened a second time."""
    with pytest.raises(ConfigurationError) as caught:
        connections_app(house.connections, store=wrong, authorize=lambda _: None)

    assert caught.value.argument == "store"


async def test_owners(house, store):
    """`Owners` finds the token of a caller, and stores only a digest of the caller's id."""
    owners = Owners(store)

    await owners.assign("anna", "jira", "token-1")
    await owners.assign("anna", "jira", "token-2")

    assert await owners.token_id("anna", "jira") == "token-2"
    assert await owners.token_id("anna", "confluence") is None
    assert await owners.token_id("bert", "jira") is None
    assert "anna" not in str(await house.contents())


async def test_other_kinds_of_connection(house):
    """The lifespan of a server passes through, so that the application can be served without a host."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await house.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.programs
@pytest.mark.parametrize("missing", ["jinja2", "starlette"])
def test_missing_packages_are_named(missing):
    """Without the extra, the error says what to install."""
    code = f"import sys; sys.modules[{missing!r}] = None; import atlassian_auth.web"
    failed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True
    )

    last = failed.stderr.splitlines()[-1]
    assert last.endswith(f"web needs {missing}: pip install 'atlassian-auth[web]'")


async def test_the_cookie(house):
    """The browser's cookie is for this host and its server only, and not readable by scripts."""
    anna = house.browser("anna")

    first, second = await anna.get("/connections/"), await anna.get("/connections/")

    cookie = first.headers["set-cookie"]
    assert cookie.startswith("__Host-atlassian-auth")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert part in cookie
    assert "set-cookie" not in second.headers


async def test_an_odd_cookie_is_replaced(house):
    """A cookie that we did not make is replaced."""
    [name] = [
        (await house.browser("anna").get("/connections/")).headers["set-cookie"].split("=")[0]
    ]

    page = await house.browser("anna", Cookie=f"{name}=guess").get("/connections/")

    assert "set-cookie" in page.headers
