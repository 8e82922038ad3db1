"""A login on this computer: a browser that comes back, one that does not, and everybody else who comes."""

from __future__ import annotations

import functools
import html
import logging
import socket
import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest

from atlassian_auth import AtlassianAuthError, AuthorizationRequired, ConfigurationError
from atlassian_auth.flows import LoopbackLogin
from atlassian_auth.testing import Fault, cloud_grant, data_center_grant

pytestmark = pytest.mark.every_loop

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def redirect_uri():
    """A redirect URI whose port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/callback"


@pytest.fixture
def app(atlassian, redirect_uri):
    return atlassian.register_cloud_app("local", redirect_uri=redirect_uri)


@pytest.fixture
def flow(flow_of, atlassian, app):
    """A flow whose callback leads to this computer."""
    return flow_of(cloud_grant(atlassian, app=app, scopes="read:me"))


@pytest.fixture
def warned():
    """An event that is set as soon as the library warns of something."""
    event, handler = threading.Event(), logging.Handler(logging.WARNING)
    handler.emit = lambda _record: event.set()
    logging.getLogger("atlassian_auth").addHandler(handler)
    yield event
    logging.getLogger("atlassian_auth").removeHandler(handler)


class Attempt:
    """A login under way: the URL for the browser, and in the end what became of it."""

    def __init__(self, flow, **options):
        self.started = anyio.Event()
        self.ended = anyio.Event()
        self.outcome = None
        options = {"open_browser": None, "on_url": self.on_url} | options
        self.local = LoopbackLogin(flow, **options)

    def on_url(self, url):
        self.url = url
        self.started.set()

    async def run(self, key="acme"):
        try:
            self.outcome = await self.local.login(key)
        except AtlassianAuthError as error:
            self.outcome = error
        finally:
            self.ended.set()


@asynccontextmanager
async def under_way(flow, **options):
    """A login that waits for its browser; ended when it was left, one way or the other."""
    with anyio.fail_after(300):
        async with anyio.create_task_group() as tasks:
            attempt = Attempt(flow, **options)
            tasks.start_soon(attempt.run)
            await attempt.started.wait()
            yield attempt
            await attempt.ended.wait()


async def visit(url):
    """What a browser shows at this URL."""
    async with httpx.AsyncClient(trust_env=False, timeout=300) as browser:
        return await browser.get(url)


# -- the way it should go --------------------------------------------------------------------------


@pytest.mark.parametrize("grant_of", [cloud_grant, data_center_grant])
async def test_a_login_through_a_browser(
    flow_of, atlassian, atlassian_server, redirect_uri, grant_of
):
    """On real ports: the browser is opened, comes back and shows the result, and the token is stored."""
    cloud = grant_of is cloud_grant
    register = atlassian.register_cloud_app if cloud else atlassian.register_data_center_app
    app = register("local", redirect_uri=redirect_uri)
    flow = flow_of(grant_of(atlassian, atlassian_server.urls, app=app))
    seen, pages = threading.Event(), []

    def browser(url):
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=300) as client:
            pages.append(client.get(url))
        seen.set()
        return True

    result = await LoopbackLogin(flow, open_browser=browser).login("acme")
    await anyio.to_thread.run_sync(seen.wait, 300)

    assert result.key == "acme"
    assert (await flow.manager.token("acme")).access_token.startswith("secret-")
    assert pages[0].status_code == 200
    assert "The login succeeded" in pages[0].text
    assert "You may close this window." in pages[0].text
    assert pages[0].headers["cache-control"] == "no-store"


@pytest.fixture
def named_flow(flow_of, atlassian, redirect_uri):
    """A flow whose callback leads to localhost, which has two addresses."""
    named = redirect_uri.replace("127.0.0.1", "localhost")
    app = atlassian.register_cloud_app("named", redirect_uri=named)
    return flow_of(cloud_grant(atlassian, app=app))


async def test_localhost_is_this_computer(named_flow, atlassian):
    """A redirect URI may say localhost; the browser is answered wherever that leads it."""
    async with under_way(named_flow) as attempt:
        await visit(atlassian.browse(attempt.url).replace("localhost", "127.0.0.1"))

    assert attempt.outcome.key == "acme"


async def test_what_is_missing_is_shown(flow, atlassian):
    """The page names the scopes that were not granted."""
    async with under_way(flow) as attempt:
        callback = atlassian.browse(attempt.url)
        atlassian.fault("token", Fault.edited(lambda answer: answer | {"scope": "other"}))
        page = await visit(callback)

    assert attempt.outcome.missing_scopes == ("read:me",)
    assert "Not granted, although requested: read:me." in page.text


async def test_one_object_logs_in_again(flow, atlassian):
    """One LoopbackLogin can be used for several logins, one after the other."""
    async with under_way(flow) as attempt:
        await visit(atlassian.browse(attempt.url))
    attempt.ended, attempt.started = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attempt.run, "other")
        await attempt.started.wait()
        await visit(atlassian.browse(attempt.url))

    assert await flow.manager.keys() == ["acme", "other"]


# -- who else comes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("code=a&state=guess", id="wrong-state"),
        pytest.param("error=access_denied&state=guess", id="error-with-wrong-state"),
        pytest.param("error=<script>&error_description=<b>", id="error-without-state"),
        pytest.param("code=a", id="no-state"),
        pytest.param("code=a&code=b&state=c", id="duplicate"),
        pytest.param("", id="nothing"),
    ],
)
async def test_a_stranger_is_turned_away(flow, atlassian, redirect_uri, query):
    """A callback of another login gets an error page, changes nothing, and the login goes on."""
    async with under_way(flow) as attempt:
        page = await visit(f"{redirect_uri}?{query}")
        assert atlassian.token_requests == ()
        assert await flow.manager.keys() == []
        await visit(atlassian.browse(attempt.url))

    assert page.status_code == 400
    assert "This is not the login that is waiting" in page.text
    assert "The login goes on waiting." in page.text
    assert "<script" not in page.text
    assert attempt.outcome.key == "acme"


async def test_a_callback_of_another_flow(flow, atlassian):
    """A login that waits elsewhere, on the same store, is not completed here."""
    other = await flow.start("other", started_by=None)

    async with under_way(flow) as attempt:
        page = await visit(atlassian.browse(other.url))
        assert atlassian.token_requests == ()
        await visit(atlassian.browse(attempt.url))

    assert page.status_code == 400
    assert await flow.manager.keys() == ["acme"]


async def test_a_favicon_is_not_found(flow, atlassian, redirect_uri):
    """Browsers ask for one; that ends nothing."""
    async with under_way(flow) as attempt:
        favicon = await visit(httpx.URL(redirect_uri).join("/favicon.ico"))
        await visit(atlassian.browse(attempt.url))

    assert favicon.status_code == 404
    assert attempt.outcome.key == "acme"


async def test_the_same_callback_twice_at_once(flow, atlassian):
    """The code of the first callback is exchanged; the second gets a page that says so."""
    async with under_way(flow) as attempt:
        callback = atlassian.browse(attempt.url)
        gate = atlassian.hold("token")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(visit, callback)
            await gate.arrived()
            second = await visit(callback)
            gate.open()

    assert second.status_code == 400
    assert "was answered already" in second.text
    assert attempt.outcome.key == "acme"
    assert len(atlassian.token_requests) == 1


# -- how it can fail -------------------------------------------------------------------------------


async def test_a_person_declines(flow, atlassian):
    """The page says so, and so does the error."""
    async with under_way(flow) as attempt:
        atlassian.deny_next_consent()
        page = await visit(atlassian.browse(attempt.url))

    assert isinstance(attempt.outcome, AuthorizationRequired)
    assert (attempt.outcome.key, attempt.outcome.reason) == ("acme", "declined")
    assert page.status_code == 400
    assert "The login failed" in page.text
    assert "The person declined to give access" in page.text
    assert atlassian.token_requests == ()


async def test_the_exchange_fails(flow, atlassian):
    """The page quotes the error that the caller gets."""
    async with under_way(flow) as attempt:
        callback = atlassian.browse(attempt.url)
        atlassian.fault("token", Fault.rate_limited(3000))
        page = await visit(callback)

    assert str(attempt.outcome) in html.unescape(page.text)
    assert await flow.manager.keys() == []


async def test_no_browser_comes_back(flow, atlassian, atlassian_clock, redirect_uri):
    """After five minutes it ends, and the port is free again."""
    async with under_way(flow) as attempt:
        atlassian_clock.advance(FIVE_MINUTES - timedelta(milliseconds=1))
        await visit(f"{redirect_uri}?code=a")
        assert attempt.outcome is None
        atlassian_clock.advance(timedelta(milliseconds=1))

    assert isinstance(attempt.outcome, AuthorizationRequired)
    assert (attempt.outcome.key, attempt.outcome.reason) == ("acme", "unanswered")
    assert "within 300 seconds" in str(attempt.outcome)
    with pytest.raises(httpx.ConnectError):
        await visit(redirect_uri)


async def test_a_computer_without_room(flow, redirect_uri, no_more_files):
    """A login survives the lack of file descriptors; if it lasts, the login ends as unanswered."""
    with socket.socket() as browser:
        async with under_way(flow) as attempt:
            with no_more_files():
                browser.connect(("127.0.0.1", httpx.URL(redirect_uri).port))
                await attempt.ended.wait()

    assert isinstance(attempt.outcome, AuthorizationRequired)
    assert attempt.outcome.reason == "unanswered"


async def test_only_the_person_is_timed(flow, atlassian, atlassian_clock):
    """A callback at the last moment counts: the exchange may take longer than the timeout."""
    async with under_way(flow, timeout=timedelta(seconds=1)) as attempt:
        callback = atlassian.browse(attempt.url)
        gate = atlassian.hold("token")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(visit, callback)
            await gate.arrived()
            atlassian_clock.advance(1)
            gate.open()

    assert attempt.outcome.key == "acme"


@pytest.mark.parametrize("timeout", [timedelta(), timedelta(seconds=-1), 0.5])
def test_a_timeout_that_is_over_at_once(flow, timeout):
    """A timeout that is not positive is refused: no browser could come back in time."""
    with pytest.raises(ConfigurationError, match="timeout must be positive") as caught:
        LoopbackLogin(flow, timeout=timeout)

    assert caught.value.argument == "timeout"


def test_a_redirect_uri_elsewhere(flow_of, atlassian):
    """A redirect URI on another computer is refused before a browser opens."""
    app = atlassian.register_cloud_app("web", redirect_uri="https://app.example.com/cb")

    with pytest.raises(ConfigurationError) as caught:
        LoopbackLogin(flow_of(cloud_grant(atlassian, app=app)))

    assert caught.value.argument == "redirect_uri"


# Releases of anyio before 4.11 leave the socket that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_port_in_use(flow, atlassian, store):
    """Nothing is started, no browser is opened, and the other login is undisturbed."""
    opened = []

    async with under_way(flow) as attempt:
        waiting = await store.keys("flows")
        with pytest.raises(ConfigurationError, match="cannot listen on port") as caught:
            await LoopbackLogin(flow, open_browser=opened.append).login("other")
        assert await store.keys("flows") == waiting
        assert attempt.outcome is None
        with pytest.raises(ConfigurationError):
            await attempt.local.login("other")
        await visit(atlassian.browse(attempt.url))

    assert attempt.outcome.key == "acme"
    assert caught.value.argument == "redirect_uri"
    assert opened == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_thief_at_the_other_address(named_flow, redirect_uri, store):
    """If another program listens on ::1, the login refuses to start and opens no browser."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this computer has no ::1")
    opened, there = [], ("::1", httpx.URL(redirect_uri).port)
    refused = pytest.raises(ConfigurationError, match="of ::1")

    with socket.create_server(there, family=socket.AF_INET6), refused as caught:
        await LoopbackLogin(named_flow, open_browser=opened.append).login("acme")

    assert caught.value.argument == "redirect_uri"
    assert "127.0.0.1 in place of localhost" in str(caught.value)
    assert (opened, await store.keys("flows")) == ([], [])


async def test_cancelled_it_frees_the_port(flow, atlassian):
    """Ctrl-C leaves nothing behind that would be in the way of the next try."""
    async with anyio.create_task_group() as tasks:
        attempt = Attempt(flow)
        tasks.start_soon(attempt.run)
        await attempt.started.wait()
        tasks.cancel_scope.cancel()

    async with under_way(flow) as again:
        await visit(atlassian.browse(again.url))

    assert again.outcome.key == "acme"


async def test_cancelled_in_the_middle_of_the_exchange(flow, atlassian):
    """After a cancellation the token is still stored, and `paste` raises instead of waiting."""
    pasted = Attempt(flow)

    async def paste(callback):
        with pytest.raises(AuthorizationRequired, match="interrupted") as caught:
            await pasted.local.paste(callback)
        assert caught.value.reason == "unanswered"

    with anyio.fail_after(300):
        async with anyio.create_task_group() as pasters, anyio.create_task_group() as tasks:
            tasks.start_soon(pasted.run)
            await pasted.started.wait()
            callback = atlassian.browse(pasted.url)
            gate = atlassian.hold("token")
            pasters.start_soon(paste, callback)
            await gate.arrived()
            tasks.cancel_scope.cancel()
    gate.open()

    assert (await flow.manager.token("acme")).access_token


# -- without a browser on this computer ------------------------------------------------------------


async def test_a_pasted_callback(flow, atlassian):
    """Over SSH: the URL the browser ended at, elsewhere, completes the login here."""
    async with under_way(flow) as attempt:
        callback = atlassian.browse(attempt.url)
        result = await attempt.local.paste(f"\n {callback}\n")

    assert result == attempt.outcome
    assert result.key == "acme"


async def test_a_pasted_callback_from_a_thread(flow, atlassian):
    """A thread that reads the person's input can paste the callback."""
    async with under_way(flow) as attempt:
        paste = functools.partial(attempt.local.paste, atlassian.browse(attempt.url))
        result = await anyio.to_thread.run_sync(anyio.from_thread.run, paste)

    assert result.key == "acme"


@pytest.mark.parametrize("text", ["", "code=a", "code=a&state=guess", "code=a&code=b"])
async def test_something_else_is_pasted(flow, atlassian, text):
    """The error for a wrong pasted text says what to paste, and the login goes on."""
    async with under_way(flow) as attempt:
        with pytest.raises(ConfigurationError):
            await attempt.local.paste(text)
        assert atlassian.token_requests == ()
        await visit(atlassian.browse(attempt.url))

    assert attempt.outcome.key == "acme"


async def test_nothing_to_paste_into(flow, atlassian):
    """Before a login and after it there is nothing to complete."""
    with pytest.raises(ConfigurationError, match="call login"):
        await LoopbackLogin(flow).paste("code=a&state=b")
    async with under_way(flow) as attempt:
        callback = atlassian.browse(attempt.url)
        await visit(callback)

    with pytest.raises(ConfigurationError, match="call login") as caught:
        await attempt.local.paste(callback)

    assert caught.value.argument == "callback"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (True, ""),
        (None, ""),
        (False, "No browser could be opened: pass on_url"),
        (OSError("secret-detail"), "The browser could not be opened (OSError)"),
    ],
    ids=["opened", "nothing-said", "no-browser", "an-error"],
)
async def test_a_browser_that_cannot_be_opened(flow, atlassian, caplog, warned, outcome, said):
    """If the browser cannot be opened, there is a warning: the person may open the URL."""
    tried = threading.Event()

    def open_browser(_url):
        tried.set()
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    async with under_way(flow, open_browser=open_browser) as attempt:
        await anyio.to_thread.run_sync((warned if said else tried).wait, 300)
        await visit(atlassian.browse(attempt.url))

    assert attempt.outcome.key == "acme"
    assert said in caplog.text
    assert bool(caplog.records) is bool(said)
    assert "secret-detail" not in caplog.text


async def test_a_browser_that_does_not_return(flow, atlassian):
    """Text browsers run until they are left; the login does not wait for that."""
    left = threading.Event()

    async with under_way(flow, open_browser=lambda _: left.wait(300)) as attempt:
        await visit(atlassian.browse(attempt.url))
    left.set()

    assert attempt.outcome.key == "acme"


async def test_an_on_url_that_raises(flow, store, atlassian):
    """An error of `on_url` reaches the caller unchanged, and the port is free again."""

    def on_url(_url):
        raise RuntimeError("no terminal")

    with pytest.raises(RuntimeError, match="no terminal"):
        await LoopbackLogin(flow, open_browser=None, on_url=on_url).login("acme")

    async with under_way(flow) as attempt:
        await visit(atlassian.browse(attempt.url))
    assert attempt.outcome.key == "acme"
