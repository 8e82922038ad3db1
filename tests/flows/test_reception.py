"""The port that waits for one browser: where it is, and what it does with anything else that comes."""

from __future__ import annotations

import logging
import socket
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from atlassian_auth import ConfigurationError
from atlassian_auth.flows._reception import CallbackPlace, CallbackReply, Reception, listen
from atlassian_auth.testing import ManualClock

pytestmark = pytest.mark.every_loop

V4, V6 = ("127.0.0.1",), ("::1",)
BOTH = V4 + V6

# RFC 3849: an address of documentation, which no computer has.
NOWHERE = "2001:db8::1"


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this computer has no ::1")


@pytest.mark.parametrize(
    ("redirect_uri", "place"),
    [
        ("http://127.0.0.1:8765/callback", CallbackPlace(V4, 8765, "/callback")),
        ("http://[::1]:8765/callback", CallbackPlace(V6, 8765, "/callback")),
        ("http://localhost:1/a/b", CallbackPlace(BOTH, 1, "/a/b")),
        ("http://LOCALHOST:65535/cb?tenant=4", CallbackPlace(BOTH, 65535, "/cb")),
        ("http://127.0.0.1:8765", CallbackPlace(V4, 8765, "/")),
        ("http://127.0.0.1/callback", CallbackPlace(V4, 80, "/callback")),
    ],
)
def test_the_place_of_a_redirect_uri(redirect_uri, place):
    """Addresses, port and path; localhost is both addresses, and http without a port is port 80."""
    assert CallbackPlace.of(redirect_uri) == place


@pytest.mark.parametrize(
    "redirect_uri",
    [
        *("https://127.0.0.1:8765/cb", "https://app.example.com/cb", "http://[::2]:8765/cb"),
        *("http://127.0.0.2:8765/cb", "http://0.0.0.0:8765/cb", "http://localhost:0/cb", None),
    ],
)
def test_elsewhere_no_browser_can_be_waited_for(redirect_uri):
    """For a redirect URI on another host, the error names the argument and an alternative."""
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:8765/callback") as caught:
        CallbackPlace.of(redirect_uri)

    assert caught.value.argument == "redirect_uri"
    assert str(redirect_uri) in str(caught.value)


@pytest.fixture
def place():
    """A place whose port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return CallbackPlace(V4, server.getsockname()[1], "/callback")


@pytest.fixture
def both(place):
    """The same port, as a redirect URI with localhost has it."""
    return CallbackPlace(BOTH, place.port, place.path)


class Desk:
    """Serves a place, and keeps what was asked there and what was answered."""

    def __init__(self, place):
        self.place = place
        self.clock = ManualClock(autojump=False)
        self.reception = Reception(place, self.answer, clock=self.clock)
        self.asked = []
        self.answered = []
        self.news = anyio.Event()

    async def answer(self, query):
        self.asked.append(query)
        return CallbackReply(200, b"hello")

    def ended(self, reply):
        self.answered.append(reply)
        self.news.set()

    async def served(self, count):
        """What was answered, when so many connections have ended."""
        with anyio.fail_after(300):
            while len(self.answered) < count:
                self.news = anyio.Event()
                await self.news.wait()
        return self.answered

    async def __aenter__(self):
        self._listening = listen(self.place)
        listener = await self._listening.__aenter__()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self.reception.serve, listener, self.ended)
        return self

    async def __aexit__(self, *error):
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(*error)
        await self._listening.__aexit__(None, None, None)


async def say(place, request: bytes, address="127.0.0.1") -> bytes:
    """What the port says to these bytes, after which nothing more comes."""
    async with await anyio.connect_tcp(address, place.port) as stream:
        await stream.send(request)
        return await rest_of(stream)


async def rest_of(stream) -> bytes:
    """What still comes until the port closes the connection."""
    answer = b""
    with anyio.fail_after(300):
        try:
            while True:
                answer += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return answer


async def test_a_browser_is_answered(place):
    """The browser gets the page, its length, and headers that forbid caching and loading."""
    async with Desk(place) as desk, httpx.AsyncClient(trust_env=False, timeout=300) as browser:
        response = await browser.get(f"http://127.0.0.1:{place.port}/callback?code=a&state=b")
        answered = await desk.served(1)

    assert desk.asked == ["code=a&state=b"]
    assert (response.status_code, response.content) == (200, b"hello")
    assert response.headers["connection"] == "close"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert answered == [CallbackReply(200, b"hello")]


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
    """Another path or method is refused, and the login does not see the request."""
    async with Desk(place) as desk, httpx.AsyncClient(trust_env=False, timeout=300) as browser:
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
    """A malformed or endless request is refused, and the port goes on serving."""
    async with Desk(place) as desk:
        answer = await say(place, request_bytes)
        good = await say(place, b"GET /callback?ok HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert good.endswith(b"hello")
    assert desk.asked == ["ok"]


async def test_a_browser_that_only_connects(place):
    """A browser may open connections in advance: an unused one does not block the next request."""
    async with Desk(place) as desk:
        async with await anyio.connect_tcp("127.0.0.1", place.port):
            assert (await say(place, b"GET /callback? HTTP/1.0\r\n\r\n")).endswith(b"hello")
        answered = await desk.served(2)

    assert answered == [CallbackReply(200, b"hello"), None]


class Gone(anyio.abc.ByteStream):
    """A connection that breaks when the server writes to it."""

    async def receive(self, max_bytes=65536):
        return b"GET /callback?code=a HTTP/1.0\r\n\r\n"

    def __init__(self, error):
        self._error = error

    async def send(self, item):
        raise self._error

    async def send_eof(self):
        """Do nothing: the other end has gone."""

    async def aclose(self):
        """Nothing is left to close."""


@pytest.mark.parametrize(
    "error",
    [anyio.BrokenResourceError(), anyio.ClosedResourceError(), OSError("no route")],
    ids=repr,
)
async def test_a_browser_that_goes_away(place, error):
    """A callback counts even if its browser has closed the connection."""
    desk = Desk(place)

    reply = await desk.reception.receive(Gone(error))

    assert desk.asked == ["code=a"]
    assert reply == CallbackReply(200, b"hello")


# Releases of anyio before 4.11 leave the socket that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_port_in_use(place):
    """The error names the port and what to do; when the port is free, listening works."""
    async with Desk(place):
        with pytest.raises(ConfigurationError, match=f"port {place.port} of 127") as caught:
            await Desk(place).__aenter__()
    assert caught.value.argument == "redirect_uri"
    assert "(Address already in use)" in str(caught.value)
    assert "If another program uses the port" in str(caught.value)
    assert "another port" in str(caught.value)

    async with Desk(place):
        pass


# -- both addresses of localhost -------------------------------------------------------------------


@ipv6
@pytest.mark.parametrize("address", BOTH)
async def test_localhost_is_both_addresses(both, address):
    """A browser that goes to either is answered."""
    async with Desk(both) as desk:
        answer = await say(both, b"GET /callback?ok HTTP/1.0\r\n\r\n", address)

    assert answer.endswith(b"hello")
    assert desk.asked == ["ok"]


@ipv6
async def test_a_literal_address_of_ipv6(place):
    """A redirect URI with [::1] is listened for there, and not at 127.0.0.1."""
    literal = CallbackPlace(V6, place.port, place.path)
    async with Desk(literal):
        answer = await say(literal, b"GET /callback?ok HTTP/1.0\r\n\r\n", "::1")
        with pytest.raises(OSError, match="connect"):
            await anyio.connect_tcp("127.0.0.1", literal.port)

    assert answer.endswith(b"hello")


@contextmanager
def thief(address, port):
    """Another program that listens where the browser may go."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        yield server


@ipv6
@pytest.mark.parametrize("address", BOTH)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_another_program_at_one_of_both(both, address):
    """If one of both addresses is in use, the login fails and frees the other."""
    refused = pytest.raises(ConfigurationError, match="in place of localhost")
    with thief(address, both.port), refused as caught:
        await Desk(both).__aenter__()
    assert f"port {both.port} of {address}, which browsers may use for localhost" in str(
        caught.value
    )
    assert "could reach another program" in str(caught.value)
    assert caught.value.argument == "redirect_uri"

    async with Desk(both):
        pass


@ipv6
@pytest.mark.parametrize("address", BOTH)
async def test_both_addresses_are_held(both, address):
    """While the login waits, no other program can listen at either address."""
    async with Desk(both):
        with pytest.raises(OSError, match="in use"), thief(address, both.port):
            pass  # pragma: no cover -- it is not entered


async def test_an_address_this_computer_does_not_have(place):
    """On a computer without IPv6 the login listens on the other address only."""
    one = CallbackPlace((*V4, NOWHERE), place.port, place.path)

    async with Desk(one):
        assert (await say(one, b"GET /callback? HTTP/1.0\r\n\r\n")).endswith(b"hello")


async def test_no_address_that_this_computer_has(place):
    """If the computer has none of the addresses, the error says so."""
    with pytest.raises(ConfigurationError, match=f"cannot listen on .* of {NOWHERE}"):
        await Desk(CallbackPlace((NOWHERE,), place.port, place.path)).__aenter__()


@pytest.fixture
def ipv4_network(monkeypatch):
    """A computer whose network has IPv4 only: the resolver does not tell of ::1, though it is there.

    So answers getaddrinfo with AI_ADDRCONFIG in a container (glibc 2.36).
    """
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **options):
        if host in ("::1", b"::1"):
            raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family not supported")
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# uvloop asks the system without Python's function.
@ipv6
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_an_address_that_the_resolver_hides(both, ipv4_network):
    """Browsers may find it all the same: it is kept from others, and browsers go on to 127.0.0.1."""
    async with Desk(both):
        answer = await say(both, b"GET /callback?ok HTTP/1.0\r\n\r\n")
        with pytest.raises(OSError, match="in use"), thief("::1", both.port):
            pass  # pragma: no cover -- it is not entered
        with socket.socket(socket.AF_INET6) as browser, pytest.raises(ConnectionRefusedError):
            browser.connect(("::1", both.port))
    assert answer.endswith(b"hello")

    with thief("::1", both.port), pytest.raises(ConfigurationError, match="of ::1"):
        await Desk(both).__aenter__()


# -- those who only connect ------------------------------------------------------------------------


@asynccontextmanager
async def silent_ones(desk, count):
    """Connections that say nothing, in the order in which the port took them."""
    async with anyio.create_task_group() as tasks:
        streams = []
        for known in range(count):
            streams.append(await anyio.connect_tcp("127.0.0.1", desk.place.port))
            with anyio.fail_after(300):
                while len(desk.reception._waiting) != known + 1:
                    await checkpoint()
        yield streams
        for stream in streams:
            await stream.aclose()
        tasks.cancel_scope.cancel()


async def test_a_request_has_ten_seconds(place):
    """However slowly it comes: then the connection is closed, and an answer is not waited for."""
    async with Desk(place) as desk, silent_ones(desk, 1) as (slow,):
        await slow.send(b"GET /callback?code=a HTTP/1.1\r\n")
        desk.clock.advance(9.999)
        assert (await say(place, b"GET /callback?ok HTTP/1.0\r\n\r\n")).endswith(b"hello")
        assert len(desk.reception._waiting) == 1
        desk.clock.advance(0.001)
        assert await rest_of(slow) == b""
        assert await desk.served(2) == [CallbackReply(200, b"hello"), None]


async def test_the_oldest_silent_one_makes_room(place):
    """With 32 silent connections, a new one is served, and only the oldest is closed."""
    async with Desk(place) as desk, silent_ones(desk, 32) as streams:
        assert desk.answered == []
        assert (await say(place, b"GET /callback?ok HTTP/1.0\r\n\r\n")).endswith(b"hello")
        assert await rest_of(streams[0]) == b""
        assert sorted(await desk.served(2), key=repr) == [CallbackReply(200, b"hello"), None]
        await streams[1].send(b"GET /callback?second HTTP/1.0\r\n\r\n")
        assert (await rest_of(streams[1])).endswith(b"hello")

    assert desk.asked == ["ok", "second"]


async def test_a_computer_without_room(place, no_more_files, caplog):
    """Running out of file descriptors ends nothing: the silent are closed, and the port is heard again."""
    with socket.socket() as browser:
        async with Desk(place) as desk, silent_ones(desk, 2) as streams:
            # What was freed is taken by others: by the library's other connections, say.
            with no_more_files():
                browser.connect(("127.0.0.1", place.port))
                browser.send(b"GET /callback?ok HTTP/1.0\r\n\r\n")
                assert [await rest_of(stream) for stream in streams] == [b"", b""]
            desk.clock.advance(1)
            assert await desk.served(3) == [None, None, CallbackReply(200, b"hello")]

    shortage = "[Errno 24] Too many open files"
    assert caplog.record_tuples == [
        (
            "atlassian_auth",
            logging.WARNING,
            f"The login's port cannot accept more connections: {shortage}. Trying again in 1 s.",
        )
    ]
