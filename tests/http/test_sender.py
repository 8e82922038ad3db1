"""Token requests over the library's own client."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import gzip
import os
import socket
import ssl
import sys
import traceback
import tracemalloc

import anyio
import httpx
import pytest

from atlassian_auth import Settings
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import NothingSent, Unanswered
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth.testing import ManualClock
from tests.raw_server import RawServer, answer

SECRET = "secret-refresh-token"
REQUEST = HTTPRequest(
    url="https://auth.example.com/oauth/token",
    headers={"content-type": "application/json"},
    body=SECRET.encode(),
    secrets=(SECRET,),
)

# The sender runs in the runner's loop, which is an asyncio loop whatever the callers use.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def sender(handler, **options) -> HttpxSender:
    return HttpxSender(transport=httpx.MockTransport(handler), **options)


async def test_it_carries_the_request_and_brings_the_answer():
    """Method, URL, headers and body arrive as they are; status, headers and body come back."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(403, headers={"Retry-After": "7"}, content=b"{}")

    response = await sender(answer).send(REQUEST)

    assert (seen[0].method, str(seen[0].url), seen[0].content) == (
        "POST",
        REQUEST.url,
        REQUEST.body,
    )
    assert seen[0].headers["content-type"] == "application/json"
    assert (response.status, response.headers["retry-after"], response.body) == (403, "7", b"{}")


async def test_each_request_has_time_limits():
    """Connecting has a limit of its own; reading, writing and waiting for a connection have the other one."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    settings = Settings(connect_timeout_seconds=3, read_timeout_seconds=7)
    await sender(answer, settings=settings).send(REQUEST)

    assert seen[0].extensions["timeout"] == {"connect": 3, "read": 7, "write": 7, "pool": 7}


@pytest.mark.parametrize("direct", [True, False])
async def test_connections_are_checked_and_not_kept_for_long(direct):
    """By default a server shows its certificate, and a connection that was idle for two seconds is not used.

    Servers close idle connections after five seconds or more; a request sent at that moment would be lost.
    """
    client = HttpxSender()._new_client(direct)

    pool = client._transport._pool  # httpx does not show it in any other way
    assert pool._ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert pool._ssl_context.check_hostname
    assert pool._keepalive_expiry == 2
    await client.aclose()


async def test_redirects_are_not_followed():
    """A redirect is an answer like any other: the secret in the body goes nowhere else."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://evil.example/"})

    response = await sender(answer).send(REQUEST)

    assert response.status == 307
    assert asked == ["auth.example.com"]


@pytest.mark.parametrize(
    ("size", "truncated"),
    [
        pytest.param(1023, False, id="just-below"),
        pytest.param(1024, False, id="exactly"),
        pytest.param(1025, True, id="just-above"),
        pytest.param(100_000, True, id="far-above"),
    ],
)
async def test_the_size_is_bounded(size, truncated):
    """A body that says it is longer than the limit is not read, and is marked."""
    settings = Settings(max_response_bytes=1024)

    response = await sender(
        lambda _: httpx.Response(200, content=b"x" * size), settings=settings
    ).send(REQUEST)

    assert response.truncated is truncated
    assert len(response.body) == (0 if truncated else size)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        pytest.param(httpx.ConnectError, NothingSent, id="connect"),
        pytest.param(httpx.ConnectTimeout, NothingSent, id="connect-timeout"),
        pytest.param(httpx.PoolTimeout, NothingSent, id="pool"),
        pytest.param(httpx.ProxyError, NothingSent, id="proxy"),
        pytest.param(httpx.ReadTimeout, Unanswered, id="read-timeout"),
        pytest.param(httpx.ReadError, Unanswered, id="read"),
        pytest.param(httpx.WriteError, Unanswered, id="write"),
        pytest.param(httpx.RemoteProtocolError, Unanswered, id="protocol"),
    ],
)
async def test_whether_anything_was_sent_is_told_apart(raised, expected):
    """A failure before the first byte and one after it are different errors, and neither shows a secret."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise raised(f"quoting {SECRET}", request=request)

    with pytest.raises(expected) as caught:
        await sender(answer).send(REQUEST)

    assert raised.__name__ in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_the_operating_system_may_speak():
    """The system's own words about a connection are passed on: they help and hold no secret."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("quoting", request=request) from OSError(111, "refused")

    with pytest.raises(NothingSent, match=r"ConnectError: .*refused"):
        await sender(answer).send(REQUEST)


async def test_the_systems_words_lie_deep():
    """The error quotes the operating system, even from deep inside a circular chain of causes."""
    refused = ConnectionRefusedError(111, "refused")
    outer = httpx.ConnectError("quoting")
    refused.__context__ = outer

    def answer(request: httpx.Request) -> httpx.Response:
        outer.__cause__ = refused
        raise outer

    with pytest.raises(NothingSent, match=r"^ConnectError: Connection refused$"):
        await sender(answer).send(REQUEST)


async def test_a_name_that_is_not_known():
    """The resolver's words are passed on as they are."""

    def answer(request: httpx.Request) -> httpx.Response:
        error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise httpx.ConnectError("quoting", request=request) from error

    with pytest.raises(NothingSent, match=r"^ConnectError: Name or service not known$"):
        await sender(answer).send(REQUEST)


async def test_a_certificate_that_does_not_fit():
    """The error about a certificate quotes the reason that OpenSSL gives."""

    def answer(request: httpx.Request) -> httpx.Response:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise httpx.ConnectError("quoting", request=request) from error

    with pytest.raises(NothingSent, match=r"verify failed: self-signed certificate$"):
        await sender(answer).send(REQUEST)


async def test_closing_and_sending_again():
    """After ``aclose`` the next request opens a new client; closing twice is fine."""
    carrier = sender(lambda _: httpx.Response(200))

    await carrier.send(REQUEST)
    await carrier.aclose()
    await carrier.aclose()

    assert (await carrier.send(REQUEST)).status == 200
    await carrier.aclose()


class Closable(httpx.MockTransport):
    """Knows whether it was closed."""

    closed = False

    async def aclose(self):
        self.closed = True


async def test_closing_leaves_what_is_in_the_air():
    """Requests that are under way get their answers; the client is closed after the last one."""
    gates = {"/first": anyio.Event(), "/second": anyio.Event()}

    async def answer(request: httpx.Request) -> httpx.Response:
        await gates[request.url.path].wait()
        return httpx.Response(200)

    transport = Closable(answer)
    carrier = HttpxSender(transport=transport)
    urls = [f"https://auth.example.com{path}" for path in gates]
    first, second = (
        asyncio.create_task(carrier.send(dataclasses.replace(REQUEST, url=url))) for url in urls
    )
    await anyio.wait_all_tasks_blocked()
    await carrier.aclose()
    gates["/first"].set()
    assert (await first).status == 200
    assert not transport.closed
    gates["/second"].set()

    assert (await second).status == 200
    assert transport.closed


async def test_closing_closes_what_is_idle():
    """`aclose` closes an idle client at once, and the next request opens another one."""
    transport = Closable(lambda _: httpx.Response(200))
    carrier = HttpxSender(transport=transport)
    await carrier.send(REQUEST)

    await carrier.aclose()

    assert transport.closed
    assert (await carrier.send(REQUEST)).status == 200
    await carrier.aclose()


def test_a_client_of_an_ended_loop_is_not_used_again(anyio_backend):
    """All requests of one event loop go through the same clients, and those of another loop never do."""
    carrier = sender(lambda _: httpx.Response(200))

    async def use() -> object:
        await carrier.send(REQUEST)
        clients = carrier._clients
        await carrier.send(REQUEST)
        assert carrier._clients is clients
        return clients

    assert asyncio.run(use()) is not asyncio.run(use())
    asyncio.run(carrier.aclose())


@pytest.mark.parametrize("proxy", ["", "ftp://user:secret@proxy", "http://secret\0", "nonsense"])
async def test_a_proxy_that_is_none(proxy):
    """A wrong proxy URL is refused at once, and not quoted: it may hold a password."""
    with pytest.raises(ConfigurationError, match="proxy is not the URL of a proxy") as caught:
        HttpxSender(proxy=proxy)

    assert caught.value.argument == "proxy"
    assert caught.value.__context__ is None
    assert "secret" not in str(caught.value)


# -- what a server may make us do -----------------------------------------------------------------


def gzipped(plain: bytes, layers: int) -> bytes:
    for _ in range(layers):
        plain = gzip.compress(plain)
    return plain


def to(server: RawServer) -> HTTPRequest:
    return dataclasses.replace(REQUEST, url=f"{server.url}/token")


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_nothing_is_unpacked(layers):
    """A body with a content coding is not read, so that a few hundred bytes cannot become gigabytes."""
    coding = ", ".join(["gzip"] * layers)
    bomb = gzipped(bytes(32 << 20), layers)

    tracemalloc.start()
    with RawServer(answer(200, f"content-encoding: {coding}", body=bomb)) as server:
        carrier = HttpxSender()
        response = await carrier.send(to(server))
        await carrier.aclose()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (response.body, response.headers["content-encoding"]) == (b"", coding)
    assert peak < 8 << 20
    assert b"accept-encoding: identity\r\n" in server.heads[0].lower()


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "unheard-of", "gzip, identity"])
async def test_a_coded_answer_is_told_by_its_header(coding):
    """Whatever the coding is, the body is left alone: this one is no gzip, and that is not noticed."""

    async def body():
        yield b"neither gzip nor anything else"

    response = await sender(
        lambda _: httpx.Response(200, headers={"content-encoding": coding}, content=body())
    ).send(REQUEST)

    assert (response.status, response.body, response.truncated) == (200, b"", False)


async def test_identity_is_no_coding():
    """The content coding `identity` is accepted."""
    with RawServer(answer(200, "content-encoding: identity", body=b"{}")) as server:
        carrier = HttpxSender()
        response = await carrier.send(to(server))
        await carrier.aclose()

    assert response.body == b"{}"


@pytest.mark.parametrize(
    ("size", "truncated"), [(1023, False), (1024, False), (1025, True), (100_000, True)]
)
async def test_a_body_of_unknown_length_is_bounded(size, truncated):
    """No more than the limit is kept, and there is a mark where there was more."""
    with RawServer(answer(200, body=b"x" * size)) as server:
        carrier = HttpxSender(Settings(max_response_bytes=1024))
        response = await carrier.send(to(server))
        await carrier.aclose()

    assert (len(response.body), response.truncated) == (min(size, 1024), truncated)


async def test_no_cookie_is_kept():
    """Two credentials that share a sender do not meet in a session of the server."""
    cookies = [f"set-cookie: JSESSIONID={number}; Path=/" for number in range(50)]
    with RawServer(answer(200, *cookies)) as server:
        carrier = HttpxSender()
        for _ in range(3):
            await carrier.send(to(server))
        await carrier.aclose()

    assert len(server.heads) == 3
    assert not [head for head in server.heads if b"cookie" in head.lower()]


PROXIES = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "argument"]


@pytest.mark.parametrize("named", PROXIES)
async def test_loopback_is_reached_without_a_proxy(named, monkeypatch):
    """Plain http is accepted for this machine because it stays here: no proxy is shown the secrets."""
    with RawServer(answer(200)) as server, RawServer(answer(502)) as proxy:
        if named != "argument":
            monkeypatch.setenv(named, proxy.url)
        carrier = HttpxSender(proxy=proxy.url if named == "argument" else None)
        near = await carrier.send(to(server))
        far = await carrier.send(dataclasses.replace(REQUEST, url="http://dc.example.com/t"))
        await carrier.aclose()

    assert (near.status, len(server.heads)) == (200, 1)
    assert (far.status, len(proxy.heads)) == (502, 1)


# -- before a byte leaves -------------------------------------------------------------------------


class Slow(httpx.AsyncHTTPTransport):
    """A network behind which the process stands still before it connects."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self._stands_still = lambda: clock.advance(seconds)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._stands_still()
        return await super().handle_async_request(request)


@pytest.mark.parametrize("seconds", [6.9, 7])
async def test_connecting_in_time(seconds):
    """Up to the connect timeout the request is sent, whatever took so long."""
    clock = ManualClock()
    with RawServer(answer(200)) as server:
        settings = Settings(connect_timeout_seconds=7)
        carrier = HttpxSender(settings, transport=Slow(clock, seconds), clock=clock)
        assert (await carrier.send(to(server))).status == 200
        await carrier.aclose()


async def test_standing_still_while_connecting():
    """A token is not presented under a lock that may have been lost: not a byte leaves."""
    clock = ManualClock()
    with RawServer(answer(200)) as server:
        settings = Settings(connect_timeout_seconds=7)
        carrier = HttpxSender(settings, transport=Slow(clock, 7.1), clock=clock)
        with pytest.raises(NothingSent, match="connecting took longer than 7 s"):
            await carrier.send(to(server))
        await carrier.aclose()

    assert server.heads == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(errno.EMFILE, NothingSent, id="no-descriptor"),
        pytest.param(errno.ENFILE, NothingSent, id="no-descriptor-in-the-system"),
        pytest.param(errno.EIO, Unanswered, id="another"),
    ],
)
async def test_the_systems_errors_are_ours(code, expected):
    """Without a descriptor nothing was sent; any other error of the system may have come later."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise OSError(code, os.strerror(code))

    with pytest.raises(expected, match=f"OSError: {os.strerror(code)}"):
        await sender(fail).send(REQUEST)


NO_DESCRIPTOR = """
import asyncio, os, resource
from atlassian_auth.ports import NothingSent
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth._tokens.http.sender import HttpxSender

async def main():
    sender = HttpxSender()
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, lowest))
    try:
        await sender.send(HTTPRequest("http://127.0.0.1:9/", {}))
    except NothingSent:
        print("nothing-sent")

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_no_descriptor_is_left(run, anyio_backend):
    """If the process cannot open a socket for lack of descriptors, the error says that nothing was sent."""
    assert run(NO_DESCRIPTOR) == ["nothing-sent"]


SILENT = """
import asyncio, sys
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth._tokens.http.sender import HttpxSender

url = sys.argv[1]
imported = []
sender = HttpxSender()

async def main():
    sys.addaudithook(lambda event, given: event == "import" and imported.append(given[0]))
    for host in ("127.0.0.1", "localhost"):
        assert (await sender.send(HTTPRequest(url.replace("127.0.0.1", host), {}))).status == 200
    await sender.aclose()

asyncio.run(main())
print("done", *imported)
"""


def test_a_request_imports_nothing(run, anyio_backend):
    """A request imports nothing, so a fork during it copies no half-imported module."""
    with RawServer(answer(200)) as server:
        assert run(SILENT, server.url) == ["done"]


@pytest.mark.parametrize("verify", [0, 1, None, "/etc/ssl/certs/ca.pem"])
def test_what_verify_may_be(verify, anyio_backend):
    """`verify=` must be a bool or a context; anything else is refused when the sender is made."""
    with pytest.raises(
        ConfigurationError, match=r"verify must be True, False or an ssl\."
    ) as caught:
        HttpxSender(verify=verify)

    assert caught.value.argument == "verify"


# -- which addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_private_addresses_can_be_refused(host):
    """The address that was connected to counts, not the name: the server is sent nothing."""
    with RawServer(answer(200), host=host.replace("localhost", "127.0.0.1")) as server:
        url = f"{server.url}/token".replace("127.0.0.1", host)
        carrier = HttpxSender(Settings(public_addresses_only=True))
        with pytest.raises(ConfigurationError, match="public_addresses_only") as caught:
            await carrier.send(dataclasses.replace(REQUEST, url=url))
        await carrier.aclose()

    assert caught.value.argument == "public_addresses_only"
    assert caught.value.__context__ is None
    assert server.heads == []


async def test_behind_a_proxy_the_proxy_decides():
    """Behind a proxy private addresses are not refused: only the proxy knows the address."""
    with RawServer(answer(403)) as proxy:
        carrier = HttpxSender(Settings(public_addresses_only=True), proxy=proxy.url)
        response = await carrier.send(dataclasses.replace(REQUEST, url="http://dc.example.com/t"))
        await carrier.aclose()

    assert (response.status, len(proxy.heads)) == (403, 1)
