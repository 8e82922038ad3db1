"""Connections before an emulated Atlassian, whose Data Center stands for any provider."""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio
import pytest

from atlassian_auth.connections import ClientConfig, ClientType, Connections
from atlassian_auth.connections.config import redirect_uri
from atlassian_auth.stores import MemoryStore, SQLiteStore

BASE_URL = "https://app.example.com"
OAUTH = "https://jira.example.com/jira/rest/oauth2/latest"
SESSION = "session-of-ann"
CALLBACK = redirect_uri(BASE_URL, f"{OAUTH}/authorize")


@pytest.fixture
def store(request, atlassian_clock, tmp_path):
    """A store in memory; on disk too, where a test or a module asks for `EVERY_STORE`."""
    if getattr(request, "param", "memory") == "memory":
        return MemoryStore(clock=atlassian_clock)
    return SQLiteStore(tmp_path / "connections.db", clock=atlassian_clock)


EVERY_STORE = pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)


@pytest.fixture
def app(atlassian):
    """The app that the administrator has registered at the provider."""
    return atlassian.register_data_center_app(
        "client-1", client_secret="secret-one", redirect_uri=CALLBACK, scopes=("WRITE",)
    )


@pytest.fixture
def mail(app):
    """The client configuration of that app, not saved yet."""
    return ClientConfig(
        name="Mail",
        type=ClientType.GENERIC,
        client_id=app.client_id,
        client_secret=app.client_secret,
        authorization_endpoint=f"{OAUTH}/authorize",
        token_endpoint=f"{OAUTH}/token",
        scopes=["READ"],
    )


@pytest.fixture
def connections_of(store, atlassian_clock, tmp_path):
    """Build `Connections` on one store, as several processes have them; close them at the end."""
    opened = []

    def reopened(clock):
        file = tmp_path / "connections.db"
        return SQLiteStore(file, clock=clock) if isinstance(store, SQLiteStore) else store

    def build(base_url=BASE_URL, *, on=None, **options):
        options = {"clock": atlassian_clock, "jitter": lambda: 0.0, **options}
        opened.append(Connections(on or reopened(options["clock"]), base_url=base_url, **options))
        return opened[-1]

    yield build
    for connections in opened:
        anyio.run(connections.aclose)


@pytest.fixture
def connections(connections_of):
    """One `Connections`."""
    return connections_of()


@pytest.fixture
def config(connections, mail):
    """The client configuration, saved."""
    return anyio.run(connections.configs.save, mail)


@pytest.fixture
def consent(connections, atlassian):
    """Take a person through a flow, and return the flow and the page at which the browser ends."""

    async def consent(config, session=SESSION, on=connections, **options):
        flow = await on.flows.create(session, config, landing="/done/{}".format, **options)
        callback = atlassian.browse(await on.flows.start(session, flow.id))
        suffix = urlsplit(callback).path.rpartition("/")[2]
        return flow, await on.flows.callback(session, suffix, callback)

    return consent


@pytest.fixture
def connected(connections, config, consent):
    """The id of a token that a person got by a flow."""

    async def connect():
        flow, _ = await consent(config)
        return (await connections.flows.get(SESSION, flow.id)).to_success().token_id

    return anyio.run(connect)
