"""Troubles on the way to the token endpoint: real sockets, a real port, real certificates."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import pytest

from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.testing import FakeAtlassian, Fault, LoopbackServer, ManualClock
from atlassian_auth.testing.faults import AnswerLost
from atlassian_auth.testing.urls import Urls
from tests.faults.endpoint import CLOUD, DATA_CENTER, LOST, TAKEN_AGAIN, answered
from tests.faults.shared_store import SharedStore
from tests.faults.stage import TLS, Stage, opened, simulated
from tests.faults.trouble import Trouble, alike


@asynccontextmanager
async def over_sockets(product, _load):
    """Atlassian is on a port of this computer."""
    clock = ManualClock()
    shared = SharedStore(clock)
    with ExitStack() as closing:
        server = closing.enter_context(Restartable(FakeAtlassian(clock)))
        stage = Stage(product, server.atlassian, shared.view, urls=server.urls)
        stage.shared, stage.server = shared, server
        async with opened(stage):
            yield stage


class Restartable(LoopbackServer):
    """A server that may be down for a while, and comes back at the same port."""

    @contextmanager
    def down(self):
        super().__exit__(None, None, None)
        try:
            yield
        finally:
            super().__enter__()


@asynccontextmanager
async def refused(stage):
    with stage.server.down():
        yield


def reset_before(_):
    def run(_work):
        raise AnswerLost  # the connection breaks; the work is not done

    return Fault("reset", run)


# -- TLS ------------------------------------------------------------------------------------------


@asynccontextmanager
async def over_tls(product, _load):
    """The same behind a door whose certificate the managers trust."""
    pytest.importorskip("cryptography", reason="no cryptography to make a certificate with")
    clock = ManualClock()
    shared = SharedStore(clock)
    with ExitStack() as closing:
        server = closing.enter_context(LoopbackServer(FakeAtlassian(clock)))
        folder = Path(closing.enter_context(TemporaryDirectory()))
        async with Door(server.origin, folder) as door:
            urls = Urls.below(door.origin, server.atlassian.urls.dc_base_url)
            trust = ssl.create_default_context(cafile=folder / "ours.pem")
            stage = Stage(product, server.atlassian, shared.view, urls=urls, verify=trust)
            stage.shared, stage.door = shared, door
            async with opened(stage):
                yield stage


class Door:
    """Takes TLS off what comes to a port and passes it on; which certificate it shows can be changed."""

    def __init__(self, origin, folder):
        self._target = urlsplit(origin)
        self._folder = folder
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._guests = {}
        for name in ("ours", "strange"):
            _certify(folder / f"{name}.pem")

    async def __aenter__(self):
        await self.show("ours")
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        self.origin = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._turn_out()
        await self._server.wait_closed()

    async def show(self, name):
        """Show another certificate, also to those who came before: they have to come again."""
        self._context.load_cert_chain(self._folder / f"{name}.pem")
        await self._turn_out()

    async def _turn_out(self):
        for writer in self._guests.values():
            writer.transport.abort()  # a farewell would wait for the answer
        if self._guests:
            await asyncio.wait(self._guests)

    async def _pass_on(self, reader, writer):
        task = asyncio.current_task()
        self._guests[task] = writer
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
        del self._guests[task]


async def _pipe(reader, writer):
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _certify(path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now, day = utc_now(SYSTEM_CLOCK), timedelta(days=1)
    unsigned = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
    )
    certificate = unsigned.sign(key, hashes.SHA256())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(*form, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


@asynccontextmanager
async def strange_certificate(stage):
    await stage.door.show("strange")
    yield
    await stage.door.show("ours")


# -- names ----------------------------------------------------------------------------------------


class Resolving(httpx.AsyncHTTPTransport):
    """Fails as httpx does when a name is unknown: no test can make a real resolver fail on order."""

    known = True

    async def handle_async_request(self, request):
        if self.known:
            return await super().handle_async_request(request)
        cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise httpx.ConnectError(str(cause)) from cause


@asynccontextmanager
async def resolving(product, load):
    """Nothing is real, and names are resolved on the way."""
    transport = Resolving(verify=TLS)
    async with simulated(product, load, transport=transport) as stage:
        stage.transport = transport
        yield stage


@asynccontextmanager
async def nameless(stage):
    stage.transport.known = False
    yield
    stage.transport.known = True


UNREACHABLE = ("could not be reached", "Nothing was sent")
TROUBLES = (
    Trouble(
        name="The connection is refused",
        promise="No request is sent: the exchange tries to connect three times, and not again "
        "before the pause ends.",
        stage=over_sockets,
        lasts=refused,
        seen=alike("transient", "degraded", 0),
        words=UNREACHABLE,
        pause_seconds=1,
    ),
    Trouble(
        name="The name cannot be resolved",
        promise="As for a refused connection.",
        stage=resolving,
        lasts=nameless,
        seen=alike("transient", "degraded", 0),
        words=(*UNREACHABLE, "Name or service not known"),
        pause_seconds=1,
    ),
    Trouble(
        name="A certificate that is not trusted",
        promise="No secret is sent to that server.",
        stage=over_tls,
        lasts=strange_certificate,
        seen=alike("transient", "degraded", 0),
        words=(*UNREACHABLE, "certificate verify failed"),
        pause_seconds=1,
    ),
    Trouble(
        name="The connection breaks before the server has rotated, again and again",
        promise="The client cannot tell this from a lost answer, and does the same: it sends "
        "the request again at once, within the leeway.",
        products=CLOUD,
        stage=over_sockets,
        lasts=answered(reset_before),
        seen=alike("transient", "degraded", 3),
        words=("no complete response came back", TAKEN_AGAIN),
        pause_seconds=1,
    ),
    Trouble(
        name="The connection breaks before the server has rotated, again and again",
        promise="The request is sent again once. Without a leeway more repetitions could end "
        "the consent; without any, a lost request would be an error.",
        products=DATA_CENTER,
        stage=over_sockets,
        lasts=answered(reset_before),
        seen=alike("transient", "degraded", 2),
        words=("no complete response came back", "held the only new one"),
        pause_seconds=1,
    ),
    Trouble(
        name="One answer is lost after the server has rotated",
        promise="The server accepts the same refresh token again within the leeway, and callers "
        "get a token.",
        products=CLOUD,
        stage=over_sockets,
        lasts=answered(lambda _: Fault.lost_answer(), times=1),
        seen=alike("token", "ready", 2, fleet=2),
    ),
    Trouble(
        name="Every answer is lost after the server has rotated",
        promise="The same, as soon as one answer arrives, for 10 minutes.",
        products=CLOUD,
        stage=over_sockets,
        lasts=answered(lambda _: Fault.lost_answer()),
        seen=alike("transient", "degraded", 3),
        words=("no complete response came back", TAKEN_AGAIN),
        pause_seconds=1,
    ),
    Trouble(
        name="One answer is lost after the server has rotated",
        promise="Data Center has no leeway: it refuses the repeated request, and callers learn "
        "that the consent is lost.",
        products=DATA_CENTER,
        stage=over_sockets,
        lasts=answered(lambda _: Fault.lost_answer(), times=1),
        seen=alike(LOST, "reauthorize", 2, fleet=2, afterwards=LOST),
        words=("authorize again", "held the only new one"),
        excused=True,
    ),
)
