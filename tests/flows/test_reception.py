"""The port that waits for one browser: where it is, and what it does with anything else that comes."""

from __future__ import annotations

import socket

import anyio
import httpx
import pytest

from atlassian_auth import ConfigurationError
from atlassian_auth.flows.reception import Place, Reply, listening, receive


@pytest.mark.parametrize(
    ("redirect_uri", "place"),
    [
        ("http://127.0.0.1:8765/callback", Place(8765, "/callback")),
        ("http://localhost:1/a/b", Place(1, "/a/b")),
        ("http://LOCALHOST:65535/cb?tenant=4", Place(65535, "/cb")),
        ("http://localhost:8765", Place(8765, "/")),
        ("http://localhost/callback", Place(80, "/callback")),
    ],
)
def test_the_place_of_a_redirect_uri(redirect_uri, place):
    """Port and path; http without a port is port 80."""
    assert Place.of(redirect_uri) == place


@pytest.mark.parametrize(
    "redirect_uri",
    [
        *("https://127.0.0.1:8765/cb", "https://app.example.com/cb", "http://[::1]:8765/cb"),
        *("http://127.0.0.2:8765/cb", "http://0.0.0.0:8765/cb", "http://localhost:0/cb", None),
    ],
)
def test_elsewhere_nobody_can_be_waited_for(redirect_uri):
    """The error names the argument, what would do, and what to use instead."""
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:8765/callback") as caught:
        Place.of(redirect_uri)

    assert caught.value.argument == "redirect_uri"
    assert str(redirect_uri) in str(caught.value)


@pytest.fixture
def place():
    """A port that is free, as far as anybody can tell."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Place(server.getsockname()[1], "/callback")


class Desk:
    """Serves a place, and keeps what was asked there and what was answered."""

    def __init__(self, place):
        self.place = place
        self.asked = []
        self.answered = []
        self.news = anyio.Event()

    async def answer(self, query):
        self.asked.append(query)
        return Reply(200, b"hello")

    async def handle(self, stream):
        self.answered.append(await receive(stream, self.place, self.answer))
        self.news.set()

    async def served(self, count):
        """What was answered, when so many connections have ended."""
        with anyio.fail_after(10):
            while len(self.answered) < count:
                self.news = anyio.Event()
                await self.news.wait()
        return self.answered

    async def __aenter__(self):
        self._listening = listening(self.place)
        listener = await self._listening.__aenter__()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(listener.serve, self.handle, self._tasks)
        return self

    async def __aexit__(self, *error):
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(*error)
        await self._listening.__aexit__(None, None, None)


async def say(place, request: bytes) -> bytes:
    """What the port says to these bytes, after which nothing more comes."""
    async with await anyio.connect_tcp("127.0.0.1", place.port) as stream:
        await stream.send(request)
        answer = b""
        with anyio.fail_after(10):
            try:
                while True:
                    answer += await stream.receive()
            except anyio.EndOfStream:
                return answer


async def test_a_browser_is_answered(place):
    """It gets the page, its length, and headers that keep it to itself."""
    async with Desk(place) as desk, httpx.AsyncClient(trust_env=False) as browser:
        response = await browser.get(f"http://127.0.0.1:{place.port}/callback?code=a&state=b")
        answered = await desk.served(1)

    assert desk.asked == ["code=a&state=b"]
    assert (response.status_code, response.content) == (200, b"hello")
    assert response.headers["connection"] == "close"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert answered == [Reply(200, b"hello")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/favicon.ico", 404),
        ("GET", "/", 404),
        ("GET", "/callback/", 404),
        ("GET", "//callback?code=a", 404),
        ("GET", "/Callback?code=a", 404),
        ("POST", "/elsewhere", 404),
        ("POST", "/callback?code=a", 405),
        ("HEAD", "/callback?code=a", 405),
        ("OPTIONS", "/callback", 405),
    ],
)
async def test_anything_else_is_turned_away(place, method, path, status):
    """One path, one method: nobody is asked what to do about the rest."""
    async with Desk(place) as desk, httpx.AsyncClient(trust_env=False) as browser:
        response = await browser.request(method, f"http://127.0.0.1:{place.port}{path}")

    assert (response.status_code, response.content) == (status, b"")
    assert response.headers.get("allow") == ("GET" if status == 405 else None)
    assert desk.asked == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400", id="tls"),
        pytest.param(b"GET /callback?code=a HTTP/1.1\r\n\r\n", b"400", id="no-host"),
        pytest.param(b"GET /callback?code=a b HTTP/1.1\r\nHost: a\r\n\r\n", b"400", id="blank"),
        pytest.param(b"GET /callback?" + b"x" * 40_000, b"431", id="far-too-long"),
    ],
)
async def test_what_is_not_http_is_refused(place, request_bytes, status):
    """A request that is malformed or has no end is refused, and the port goes on serving."""
    async with Desk(place) as desk:
        answer = await say(place, request_bytes)
        good = await say(place, b"GET /callback?ok HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert good.endswith(b"hello")
    assert desk.asked == ["ok"]


async def test_a_browser_that_only_connects(place):
    """Browsers open connections ahead; one that says nothing is in nobody's way."""
    async with Desk(place) as desk:
        async with await anyio.connect_tcp("127.0.0.1", place.port):
            assert (await say(place, b"GET /callback? HTTP/1.0\r\n\r\n")).endswith(b"hello")
        answered = await desk.served(2)

    assert answered == [Reply(200, b"hello"), None]


class Gone(anyio.abc.ByteStream):
    """A connection that breaks when somebody writes to it."""

    async def receive(self, max_bytes=65536):
        return b"GET /callback?code=a HTTP/1.0\r\n\r\n"

    async def send(self, item):
        raise anyio.BrokenResourceError

    async def send_eof(self):
        """Nobody is there to notice."""

    async def aclose(self):
        """Nothing is left to close."""


async def test_a_browser_that_goes_away(place):
    """Whoever closes the window early has still brought what they had to."""
    desk = Desk(place)

    await desk.handle(Gone())

    assert desk.asked == ["code=a"]
    assert desk.answered == [Reply(200, b"hello")]


# Releases of anyio before 4.11 leave the socket that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_port_in_use(place):
    """The error says which port, and what can be done; afterwards it can be had."""
    async with Desk(place):
        with pytest.raises(ConfigurationError, match=f"Port {place.port} of 127") as caught:
            await Desk(place).__aenter__()
    assert caught.value.argument == "redirect_uri"
    assert "(Address already in use). If a program uses it" in str(caught.value)
    assert "another port" in str(caught.value)

    async with Desk(place):
        pass
