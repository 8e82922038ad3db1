"""The emulator on a loopback port, served by uvicorn in its own thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, cast

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as _missing:
    raise ImportError(
        "LoopbackServer needs uvicorn: pip install 'atlassian-auth[testing]'"
    ) from _missing

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.testing._asgi import ASGIApp, Receive, Scope, Send
from atlassian_auth.testing.faults import AnswerLost, ConnectionRefused
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.urls import Urls

__all__ = ["LoopbackServer"]


class LoopbackServer:
    """Serves a `FakeAtlassian` on 127.0.0.1 while the context is open, for sync and async tests.

    A connection "refused" by a fault is closed without an answer: the port is open for other requests, so
    a client sees a broken connection, as for a lost answer.

    Args:
        atlassian: The emulator. Default: a new one with this computer's clock.
        port: Default: a free one.
    """

    def __init__(self, atlassian: FakeAtlassian | None = None, *, port: int = 0) -> None:
        self.atlassian: FakeAtlassian = atlassian or FakeAtlassian(SYSTEM_CLOCK)
        self._app = ASGIApp(self.atlassian)
        self._port = port

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a trailing slash; valid in the context."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def urls(self) -> Urls:
        """The URLs of the services on this server; valid in the context."""
        return Urls.below(self.origin, self.atlassian.urls.dc_base_url)

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._port))
        # asyncio sets TCP_NODELAY only on sockets from getaddrinfo. Without it each answer waits for the
        # client's delayed acknowledgement, 40 ms on Linux. Accepted sockets inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = listener.getsockname()[1]
        self._server = _Server(_config(self._serve))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="atlassian-server", daemon=True
        )
        self._thread.start()
        self._server.ready.wait_sync()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stopping.set_result(None)
        self._thread.join()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except (AnswerLost, ConnectionRefused):
            self._server.abort(scope["client"])
            await receive()  # for the disconnection, so that uvicorn does not answer for us


def _config(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the emulator's own clock writes the date
        # Uvicorn closes an idle connection after 5 s, which is when httpx's clients stop using one: on a busy
        # machine the server would be first, and the client's next request would fail.
        timeout_keep_alive=3600,
    )


class _Server(uvicorn.Server):
    """Starts and stops on signals between threads, without polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = SharedFuture[None]()
        self.stopping = SharedFuture[None]()

    def abort(self, client: tuple[str, int]) -> None:
        for transport in self._transports():
            if transport.get_extra_info("peername") == client:
                transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set_result(None)

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        # Abort connections that still wait for an answer: no answer will come.
        for server in self.servers:
            server.close()
        for transport in self._transports():
            transport.abort()
        await asyncio.gather(*self.server_state.tasks)
        for server in self.servers:
            await server.wait_closed()

    def _transports(self) -> list[asyncio.Transport]:
        # Uvicorn's types name protocols of other kinds too; with http="h11" it is always this one.
        connections = cast("set[H11Protocol]", self.server_state.connections)
        return [connection.transport for connection in connections]
