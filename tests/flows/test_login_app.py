"""The login of a web app in two addresses: what completes it, and every attack that must not."""

from __future__ import annotations

import logging
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx
import pytest

from atlassian_auth import CloudGrant, ConfigurationError
from atlassian_auth.flows import LoginApp
from atlassian_auth.flows.login_app import _LONGEST
from atlassian_auth.testing import Fault, cloud_grant

SITE = "https://app.example.com"


@pytest.fixture
def grant(atlassian):
    app = atlassian.register_cloud_app("web", redirect_uri=f"{SITE}/jira/callback")
    return cloud_grant(atlassian, app=app)


@pytest.fixture
def login(flow_of, grant):
    """The app; a header names the person, as the session of a real application does."""

    async def key(scope):
        return dict(scope["headers"]).get(b"x-person", b"").decode() or None

    return LoginApp(flow_of(grant), key=key, after="/home")


class Browser(httpx.AsyncClient):
    """A browser of one person, with its own cookies. It follows no redirect by itself."""

    def __init__(self, app, person="ada", origin=SITE):
        headers = {"x-person": person} if person else {}
        transport = httpx.ASGITransport(app)
        super().__init__(transport=transport, base_url=origin, headers=headers)

    async def consent(self, atlassian, path="/jira/login"):
        """Start a login, consent, and return the callback URL to which the browser is sent."""
        started = await self.get(path)
        assert started.status_code == 303, started.text
        return atlassian.browse(started.headers["location"])


@pytest.fixture
def browser(login):
    return Browser(login)


async def keys(login):
    return await login._flow.manager.keys()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/jira/login", "/home"),
        ("/jira/login?next=/settings?tab=jira%26open=1%23top", "/settings?tab=jira&open=1#top"),
        ("/jira/login?next=/gr%C3%BC%C3%9Fe;%20x", "/gr%C3%BC%C3%9Fe;%20x"),
    ],
)
async def test_a_login(login, browser, atlassian, path, target):
    """A link sends the browser to the consent page and then to the page it came from."""
    callback = await browser.consent(atlassian, path)
    done = await browser.get(callback)

    assert (done.status_code, done.headers["location"]) == (303, target)
    assert await keys(login) == ["ada"]
    assert dict(browser.cookies) == {}


async def test_two_logins_in_two_tabs(login, browser, atlassian):
    """Two logins of one browser do not disturb each other, in either order."""
    first = await browser.consent(atlassian, "/jira/login?next=/1")
    second = await browser.consent(atlassian, "/jira/login?next=/2")

    assert (await browser.get(second)).headers["location"] == "/2"
    assert (await browser.get(first)).headers["location"] == "/1"


async def test_the_cookie(browser):
    """The cookie is out of reach of scripts, other sites, other hosts and plain HTTP."""
    answer = await browser.get("/jira/login")

    [(name, cookie)] = SimpleCookie(answer.headers["set-cookie"]).items()
    assert name.startswith("__Host-atlassian-login-")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "600")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")


async def test_on_this_computer(flow_of, atlassian):
    """Without https, which is only possible on loopback, the cookie is not Secure, and the login works."""
    app = atlassian.register_cloud_app("dev", redirect_uri="http://127.0.0.1:8000/callback")

    async def key(_scope):
        return "ada"

    login = LoginApp(flow_of(cloud_grant(atlassian, app=app)), key=key)
    browser = Browser(login, origin="http://127.0.0.1:8000")

    started = await browser.get("/login")
    done = await browser.get(atlassian.browse(started.headers["location"]))

    assert started.headers["set-cookie"].startswith("atlassian-login-")
    assert "Secure" not in started.headers["set-cookie"]
    assert done.headers["location"] == "/"


@pytest.mark.parametrize("person", ["eve", "ada"])
async def test_the_callback_of_another_browser(login, browser, atlassian, person):
    """A callback that another browser started is refused, also for the same person; its own still works."""
    callback = await browser.consent(atlassian)

    refused = await Browser(login, person).get(callback)

    assert refused.status_code == 400
    assert "belongs to no login of this browser" in refused.text
    assert await keys(login) == []
    assert (await browser.get(callback)).status_code == 303


async def test_another_person_in_the_same_browser(login, browser, atlassian):
    """If another person has signed in meanwhile, the consent is stored under neither key."""
    callback = await browser.consent(atlassian)

    refused = await browser.get(callback, headers={"x-person": "eve"})

    assert refused.status_code == 400
    assert await keys(login) == []


@pytest.mark.parametrize("path", ["/jira/login", "/jira/callback?code=1&state=2"])
async def test_without_a_person(login, path):
    """Whom the application does not know can neither start nor complete a login."""
    refused = await Browser(login, person=None).get(path)

    assert refused.status_code == 403
    assert await login._flow.manager.store.keys("flows") == []


async def test_a_page_of_another_site_cannot_start(login, browser):
    """A login that the page of another site has started is refused; a link in a mail program works."""
    statuses = [
        (await browser.get("/jira/login", headers={"sec-fetch-site": site})).status_code
        for site in ("cross-site", "none", "same-origin")
    ]

    assert statuses == [403, 303, 303]
    assert len(await login._flow.manager.store.keys("flows")) == 2


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/",
        "//evil.example.com/",
        "/\\evil.example.com/",
        "/%09/evil.example.com/",
        "\\\\evil.example.com",
        "evil",
        "/a%0D%0ASet-Cookie:%20x=y",
        "/1&next=/2",
        "/" + "a" * _LONGEST,
    ],
)
async def test_no_open_redirect(login, browser, target):
    """A ``next`` that is no path of this host is refused before anything is stored."""
    refused = await browser.get(f"/jira/login?next={target}")

    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert await login._flow.manager.store.keys("flows") == []


async def test_a_changed_cookie(browser, atlassian):
    """The target in the cookie is checked again: a person who changes it stays on this host."""
    callback = await browser.consent(atlassian)
    [(name, value)] = browser.cookies.items()
    browser.cookies.clear()
    changed = f"{name}={value.partition('.')[0]}.//evil.example.com"

    done = await browser.get(callback, headers={"cookie": f"a=b; {changed}"})

    assert done.headers["location"] == "/home"


async def test_a_callback_works_once(browser, atlassian, login):
    """A callback that comes again is refused and changes nothing."""
    callback = await browser.consent(atlassian)
    cookie = "; ".join("=".join(item) for item in browser.cookies.items())
    await browser.get(callback)

    again = await browser.get(callback, headers={"cookie": cookie})

    assert again.status_code == 400
    assert await keys(login) == ["ada"]


async def test_declined(browser, atlassian, caplog):
    """A person who declines reads that nothing was connected; it is no warning."""
    atlassian.deny_next_consent()
    callback = await browser.consent(atlassian)

    answer = await browser.get(callback)

    assert answer.status_code == 400
    assert "You did not consent." in answer.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (Fault.status(503), 503, "Please try again later."),
        (Fault.json({"error": "access_denied"}, status=401), 400, "could not be completed"),
    ],
)
async def test_trouble(browser, atlassian, caplog, fault, status, text):
    """A person reads what to do, the log says what is wrong, and neither page nor log has a code."""
    callback = await browser.consent(atlassian)
    atlassian.fault("token", fault, times=None)

    answer = await browser.get(callback)

    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "A login for key 'ada' failed: " in caplog.text
    code = dict(part.split("=") for part in urlsplit(callback).query.split("&"))["code"]
    assert code not in answer.text + caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/jira/login", 405), ("GET", "/jira/logins", 404), ("GET", "/", 404)],
)
async def test_other_requests(browser, method, path, status):
    """Other paths and methods are not there."""
    assert (await browser.request(method, path)).status_code == status


async def test_other_protocols(login):
    """A WebSocket is closed; what a server asks at its start is left unanswered, as ASGI allows."""
    sent = []

    async def send(message):
        sent.append(message["type"])

    for kind in ("websocket", "lifespan"):
        await login({"type": kind}, None, send)

    assert sent == ["websocket.close"]


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"flow": None}, "flow"),
        ({"key": "acme"}, "key"),
        ({"after": "https://app.example.com/"}, "after"),
        ({"after": None}, "after"),
        ({"path": "/login"}, "redirect_uri"),
        ({"path": ""}, "redirect_uri"),
    ],
)
def test_wrong_arguments(flow_of, changes, argument):
    """A wrong argument is refused when the app is made, and named."""

    async def key(_scope):
        """Not called."""

    grant = CloudGrant(
        client_id="web",
        client_secret="your-secret",
        redirect_uri=f"{SITE}{changes.pop('path', '/callback')}",
        scopes="read:me",
    )
    with pytest.raises(ConfigurationError) as caught:
        LoginApp(**({"flow": flow_of(grant), "key": key} | changes))

    assert caught.value.argument == argument
