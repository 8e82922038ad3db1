"""One GET that ends: no redirect, no endless body, no endless wait, no secret in its errors."""

from __future__ import annotations

import gzip
import ssl
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute

from atlassian_auth import (
    AtlassianAuth,
    CloudGrant,
    Settings,
    StaticToken,
    sites,
)
from atlassian_auth._tokens.http import lookup
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import (
    ConfigurationError,
    DiscoveryError,
    OriginNotAllowed,
    TransientError,
)
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.sites import discover
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Fault, ManualClock
from tests.raw_server import RawServer, answer

pytestmark = pytest.mark.every_loop

URL = "https://acme.atlassian.net/_edge/tenant_info"
SECRET = "secret-bearer"


class Watched(httpx.MockTransport):
    """A transport that knows whether it was closed."""

    closed = False

    async def aclose(self):
        self.closed = True


class Bearer(httpx.Auth):
    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {SECRET}"
        yield request


async def test_the_answer_comes_back_whole():
    """Status, headers in lower case and body; the request asks for JSON and brings no credential."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(404, headers={"X-Some": "a"}, content=b"{}")

    response = await lookup.get(URL, transport=httpx.MockTransport(answer))

    assert (response.status, response.headers["x-some"], response.body) == (404, "a", b"{}")
    assert (seen[0].method, seen[0].headers["accept"]) == ("GET", "application/json")
    assert "authorization" not in seen[0].headers
    assert "cookie" not in seen[0].headers


async def test_the_callers_transport_stays_open():
    """A look-up does not close the caller's transport."""
    transport = Watched(lambda _: httpx.Response(200))

    await lookup.get(URL, transport=transport)

    assert not transport.closed


async def test_redirects_are_answers():
    """A look-up returns a redirect as it is, and does not follow it."""
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    response = await lookup.get(URL, transport=httpx.MockTransport(answer))

    assert (response.status, asked) == (302, [URL])


async def test_an_answer_may_be_this_long():
    """1 MiB is read to its end."""
    body = b"x" * 1024 * 1024
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))

    response = await lookup.get(URL, transport=transport)

    assert (response.body == body, response.truncated) == (True, False)


async def test_what_announces_to_be_longer_is_not_read():
    """A body whose Content-Length exceeds the limit by one byte is not read."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * (1024 * 1024 + 1)))

    response = await lookup.get(URL, transport=transport)

    assert (response.body, response.truncated) == (b"", True)


# Trio closes what is left half-way, and says so.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("length", [{}, {"content-length": "junk"}], ids=["unknown", "junk"])
async def test_an_endless_answer_ends(length):
    """Of an answer without a length, 1 MiB is read, and it is marked as truncated."""

    async def endless():
        while True:
            yield b"x" * 100_000

    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, content=endless(), headers=length)
    )

    response = await lookup.get(URL, transport=transport)

    assert (len(response.body), response.truncated) == (1024 * 1024, True)


async def test_time_is_bounded(atlassian, atlassian_clock):
    """An answer that never comes is a temporary failure, by the clock that was given."""
    atlassian.fault("site", Fault.delayed(61))

    with pytest.raises(TransientError, match="within 60 seconds"):
        await lookup.get(URL, clock=atlassian_clock)


async def test_an_answer_just_in_time_counts(atlassian, atlassian_clock):
    """59 seconds are slow and no error."""
    atlassian.fault("site", Fault.delayed(59))

    response = await lookup.get(URL, clock=atlassian_clock)

    assert response.status == 200


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError]
)
async def test_network_trouble_is_transient_and_silent(error):
    """The error names its kind; no chain leads to the request and its bearer."""

    def fail(request):
        raise error(SECRET, request=request)

    with pytest.raises(TransientError, match=error.__name__) as caught:
        await lookup.get(URL, auth=Bearer(), transport=httpx.MockTransport(fail))

    assert SECRET not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_the_auths_errors_are_its_own(atlassian_credential):
    """An error of the auth is raised as it is, not as an error of the network."""
    with pytest.raises(OriginNotAllowed):
        await lookup.get("https://evil.example/", auth=atlassian_credential)


async def test_cancellation_is_prompt():
    """A cancelled look-up ends at once."""

    async def hang(_request):
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await lookup.get(URL, transport=httpx.MockTransport(hang), clock=ManualClock())

    assert scope.cancelled_caught


# -- TLS and proxies ------------------------------------------------------------------------------


class Watching(ssl.SSLContext):
    """Counts the connections that are made with it."""

    def __init__(self, *args):
        self.connections = 0

    def wrap_bio(self, *args, **options):
        self.connections += 1
        return super().wrap_bio(*args, **options)


def address_of(listener):
    return f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610


JIRA = "https://jira.example.com/jira"
QUESTIONS = {
    "get": lambda **options: lookup.get(JIRA, **options),
    "discover": lambda **options: discover(JIRA, **options),
    "cloud_id": lambda **options: sites.cloud_id_for_site("acme", cache={}, **options),
    "resources": lambda **options: sites.accessible_resources(Bearer(), **options),
    "whoami": lambda **options: sites.whoami(Bearer(), **options),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
async def test_a_proxy_is_used(ask):
    """The request goes to the proxy, and its answer counts: here, that it will not pass it on."""
    served = []

    async def refuse(stream):
        async with stream:
            served.append((await stream.receive()).split()[0])
            await stream.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, refuse)
        with pytest.raises(TransientError, match="ProxyError"):
            await ask(proxy=address_of(listener))
        tasks.cancel_scope.cancel()

    assert served == [b"CONNECT"]


async def speak_no_tls(stream):
    """Be a proxy to a server that has never heard of TLS."""
    async with stream:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await stream.receive()
        await stream.send(b"no TLS")


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
async def test_verify_is_used(ask):
    """A private certificate authority is asked about the server's certificate."""
    context = Watching(ssl.PROTOCOL_TLS_CLIENT)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, speak_no_tls)
        with pytest.raises(TransientError):
            await ask(verify=context, proxy=address_of(listener))
        tasks.cancel_scope.cancel()

    assert context.connections == 1


@pytest.mark.parametrize(
    "proxy", ["proxy.example.com", "ftp://user:secret-password@host", "http://[::1"]
)
async def test_a_proxy_that_is_none(proxy):
    """The error names the argument, and not the password that may be in it."""
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        await lookup.get(URL, proxy=proxy)

    assert caught.value.argument == "proxy"
    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize(
    "url", ["https://[::1/", "https://host:port/", "https://a\0b/", "https://xn--zzzzzz.net/"]
)
async def test_a_url_that_is_none(url):
    """A URL that httpx cannot read is an error of the configuration, not of the network."""
    with pytest.raises(ConfigurationError, match="https://host/path") as caught:
        await lookup.get(url)

    assert caught.value.argument == "url"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("verify", [0, "ca.pem"])
async def test_what_verify_may_be(ask, verify):
    """`verify=` must be a bool or a context; anything else is refused before a request."""
    with pytest.raises(ConfigurationError, match="verify must be True, False or") as caught:
        await ask(verify=verify)

    assert caught.value.argument == "verify"


async def auth_of(**options):
    """Return an auth that has a valid token in its store, and so asks no token endpoint."""
    app = {"client_id": "a", "client_secret": "b", "redirect_uri": "http://127.0.0.1/"}
    grant, store, now = CloudGrant(**app, scopes="read:me"), MemoryStore(), utc_now(SYSTEM_CLOCK)
    token = TokenPair(SECRET, now, now + timedelta(hours=1))
    record = TokenRecord.begin(grant.configuration, now).after_refresh(token, now)
    await Records(store, "tokens", TokenRecord).put("default", record)
    return AtlassianAuth(grant, store=store, **options)


THROUGH_AN_AUTH = {
    "discover": lambda auth: discover(JIRA, auth=auth),
    "cloud_id": lambda auth: sites.cloud_id_for_site("acme", cache={}, auth=auth),
    "resources": sites.accessible_resources,
    "whoami": sites.whoami,
}


@pytest.mark.parametrize("ask", THROUGH_AN_AUTH.values(), ids=THROUGH_AN_AUTH)
async def test_an_auth_brings_its_proxy_and_its_authorities(ask):
    """A look-up with `auth=` uses the proxy and the TLS context of that auth."""
    context = Watching(ssl.PROTOCOL_TLS_CLIENT)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, speak_no_tls)
        auth = await auth_of(verify=context, proxy=address_of(listener))
        with pytest.raises(TransientError):
            await ask(auth)
        await auth.aclose()
        tasks.cancel_scope.cancel()

    assert context.connections == 1


async def test_an_auth_brings_its_time_limits():
    """The settings that bound a token request bound these questions as well, by the auth's own clock."""
    clock = ManualClock()
    auth = await auth_of(settings=Settings(exchange_timeout_seconds=5), clock=clock)

    async def hang(_request):
        clock.advance(20)
        await anyio.sleep_forever()

    with pytest.raises(TransientError, match="within 20 seconds"):
        await discover(JIRA, auth=auth, transport=httpx.MockTransport(hang))


@pytest.mark.parametrize("name", ["discover", "whoami"])
async def test_an_auth_brings_its_refusal_of_private_addresses(name):
    """A service that refuses them in its settings refuses them here, unless it says otherwise."""
    auth = await auth_of(settings=Settings(public_addresses_only=True))
    with RawServer(answer(404)) as server:
        bearer = AtlassianAuth(auth.manager, allowed_origins=[server.url])
        asks = {
            "discover": lambda **options: discover(server.url, auth=auth, **options),
            "whoami": lambda **options: sites.whoami(bearer, base_url=server.url, **options),
        }
        with pytest.raises(ConfigurationError, match="not a public address"):
            await asks[name]()
        assert server.heads == []
        with suppress(DiscoveryError):
            await asks[name](public_addresses_only=False)

        assert server.heads


async def test_another_kind_of_auth_has_no_network_of_its_own():
    """A fixed bearer, or any other auth, is asked with the defaults."""
    bearer = StaticToken(SECRET, origins=["https://api.atlassian.com"])

    assert lookup.network_of(bearer) == lookup.network_of(Bearer()) == lookup.network_of(None)
    assert lookup.network_of(None).verify is True


@pytest.mark.parametrize("named", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "argument"])
async def test_loopback_is_reached_without_a_proxy(named, monkeypatch):
    """A request to loopback does not go through the proxy."""
    with RawServer(answer(200)) as server, RawServer(answer(502)) as proxy:
        if named != "argument":
            monkeypatch.setenv(named, proxy.url)
        response = await lookup.get(server.url, proxy=proxy.url if named == "argument" else None)

    assert (response.status, len(server.heads), proxy.heads) == (200, 1, [])


# -- what a server may make us do -----------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_nothing_is_unpacked(layers):
    """An answer in a content coding was not asked for: it is not read, and the error names the coding."""
    bomb = bytes(16 << 20)
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    coding = ", ".join(["gzip"] * layers)

    tracemalloc.start()
    with (
        RawServer(answer(200, f"content-encoding: {coding}", body=bomb)) as server,
        pytest.raises(DiscoveryError, match=rf"not asked for \({coding}\)"),
    ):
        await lookup.get(server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4 << 20
    assert b"accept-encoding: identity\r\n" in server.heads[0].lower()


async def test_a_coding_that_echoes_the_bearer():
    """The error about a coding does not show the bearer of the request."""
    headers = {"content-encoding": SECRET}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers))

    with pytest.raises(DiscoveryError, match=r"not asked for \(\[secret\]\)"):
        await lookup.get(URL, auth=Bearer(), transport=transport)


async def test_other_answers_may_be_coded():
    """Of an answer that is no success the status counts: its body is left alone."""
    with RawServer(answer(404, "content-encoding: gzip", body=b"no gzip")) as server:
        response = await lookup.get(server.url)

    assert (response.status, response.body) == (404, b"")


async def test_no_cookie_comes_back():
    """Not even to the second request of one look-up, which an auth may send."""

    class Twice(httpx.Auth):
        async def async_auth_flow(self, request):
            yield request
            yield request

    with RawServer(answer(401, "set-cookie: a=b; Path=/")) as server:
        await lookup.get(server.url, auth=Twice())

    assert [b"cookie" in head.lower() for head in server.heads] == [False, False]


@pytest.mark.parametrize(
    "ask",
    [
        lambda url: lookup.get(url, public_addresses_only=True),
        lambda url: discover(url, public_addresses_only=True),
        lambda url: sites.whoami(Bearer(), base_url=url, public_addresses_only=True),
        lambda url: sites.whoami(
            Bearer(),
            endpoints=replace(Endpoints.cloud(), identity_url=url),
            public_addresses_only=True,
        ),
        lambda url: sites.accessible_resources(
            Bearer(),
            endpoints=replace(Endpoints.cloud(), resources_url=url),
            public_addresses_only=True,
        ),
    ],
    ids=["get", "discover", "whoami", "me", "resources"],
)
async def test_private_addresses_can_be_refused(ask):
    """With `public_addresses_only`, no request is sent to a private address."""
    with (
        RawServer(answer(200)) as server,
        pytest.raises(ConfigurationError, match="not a public address") as caught,
    ):
        await ask(server.url)

    assert caught.value.argument == "public_addresses_only"
    assert server.heads == []


async def test_the_id_of_a_site_may_be_asked_of_public_addresses_only(atlassian):
    """A transport of the caller's own decides itself where it goes."""
    cloud_id = await sites.cloud_id_for_site(
        "acme",
        cache={},
        public_addresses_only=True,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"cloudId": "a-b-c"})),
    )

    assert cloud_id == "a-b-c"
