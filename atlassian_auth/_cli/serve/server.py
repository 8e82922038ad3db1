"""Serves the pages on loopback until it is interrupted."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from atlassian_auth._cli.output import say
from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import library_settings
from atlassian_auth._cli.serve.gate import LinkGate
from atlassian_auth.connections import ClientConfig, ClientType, Connections
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.stores import SQLiteStore, Store
from atlassian_auth.testing import LoopbackServer
from atlassian_auth.web import connections_app

__all__ = ["run"]

_SCOPES = ("read:jira-work", "read:jira-user", "offline_access")


async def run(place: Place | None, port: int) -> None:
    """Serve until the process is interrupted.

    Args:
        place: The store; None for an emulated Atlassian, and a store that is deleted at the end.
        port: The port on loopback; 0 for a free one.

    Raises:
        ConfigurationError: if the port is in use.
    """
    with _listener(port) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        gate = LinkGate(base_url, _print_link)
        async with _open(place, base_url) as (connections, store):
            app = connections_app(connections, store=store, authorize=gate.authorize)
            # The access log would have the links.
            config = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off")
            gate.tell_link()
            await uvicorn.Server(config).serve([listener])


@asynccontextmanager
async def _open(place: Place | None, base_url: str) -> AsyncGenerator[tuple[Connections, Store]]:
    with ExitStack() as stack:
        server: LoopbackServer | None = None
        if place:
            store = place.open()
        else:
            server = stack.enter_context(LoopbackServer())
            folder = stack.enter_context(TemporaryDirectory())
            store = SQLiteStore(Path(folder) / "connections.db")
        settings = library_settings()
        async with Connections(store, base_url=base_url, settings=settings) as connections:
            if server:
                await _register(connections, server)
            yield connections, store


async def _register(connections: Connections, server: LoopbackServer) -> None:
    """Register an app at the emulated Atlassian, and add it as a client."""
    urls = server.urls
    redirect_uri = connections.configs.redirect_uri(urls.authorize_url)
    app = server.atlassian.register_cloud_app("emulated-app", redirect_uri=redirect_uri)
    config = ClientConfig(
        name="Emulated Jira",
        description="An emulator on this computer, which consents at once",
        type=ClientType.ATLASSIAN_CLOUD,
        client_id=app.client_id,
        client_secret=app.client_secret,
        authorization_endpoint=urls.authorize_url,
        token_endpoint=urls.token_url,
        scopes=_SCOPES,
    )
    await connections.configs.save(config)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        # The whole text would name the address again.
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
    message = f"Port {port} of this computer cannot be used: {reason}. Pass another one: --port."
    raise ConfigurationError(message, argument="port")


def _print_link(url: str) -> None:
    say("Open this link in your browser. It works once:")
    print(url, flush=True)
