"""Token requests over the library's own client."""

from __future__ import annotations

import asyncio
import socket
import ssl
import traceback

import anyio
import httpx
import pytest

from atlassian_auth import Settings
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import NothingSent, Unanswered
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth.sender import HttpxSender

SECRET = "secret-refresh-token"
REQUEST = HTTPRequest(
    url="https://auth.example.com/oauth/token",
    headers={"content-type": "application/json"},
    body=SECRET.encode(),
    secrets=(SECRET,),
)

# The sender runs in the refresher's loop, which is an asyncio loop whatever the callers use.
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
    """No more than the limit is kept of a body, and a longer one is marked."""
    settings = Settings(max_response_bytes=1024)

    response = await sender(
        lambda _: httpx.Response(200, content=b"x" * size), settings=settings
    ).send(REQUEST)

    assert response.truncated is truncated
    assert len(response.body) == min(size, 1024)


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
    """What failed before the first byte left is told from what failed after, and neither leaks."""

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
    """They are found behind the transport's own errors, also in a chain that bites its tail."""
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
    """What is wrong with it is told in the words of whoever checked it."""

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


async def test_closing_waits_for_what_is_in_the_air():
    """A request that is under way gets its answer, and the client is closed after it."""
    arrived, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(_request: httpx.Request) -> httpx.Response:
        arrived.set()
        await may_answer.wait()
        return httpx.Response(200)

    carrier = sender(answer)
    sending = asyncio.create_task(carrier.send(REQUEST))
    await arrived.wait()
    closing = asyncio.create_task(carrier.aclose())
    await anyio.wait_all_tasks_blocked()
    assert not closing.done()
    may_answer.set()

    assert (await sending).status == 200
    await closing


def test_a_client_of_an_ended_loop_is_not_used_again(anyio_backend):
    """A sender that served one event loop serves the next, and closes only what is its own there."""
    carrier = sender(lambda _: httpx.Response(200))

    async def use() -> int:
        return (await carrier.send(REQUEST)).status

    assert [asyncio.run(use()), asyncio.run(use())] == [200, 200]
    asyncio.run(carrier.aclose())


@pytest.mark.parametrize("proxy", ["", "ftp://user:secret@proxy", "http://secret\0", "nonsense"])
async def test_a_proxy_that_is_none(proxy):
    """It is refused when the sender is made, and not quoted: it may hold a password."""
    with pytest.raises(ConfigurationError, match="proxy is not the URL of a proxy") as caught:
        HttpxSender(proxy=proxy)

    assert caught.value.argument == "proxy"
    assert caught.value.__context__ is None
    assert "secret" not in str(caught.value)
