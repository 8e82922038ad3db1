"""The service between two restarts: three managers, three clients and two collectors.

After a restart it has the SQLite file and the collected events only.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from atlassian_auth._cli.demo.builds import BuildSender
from atlassian_auth._cli.demo.caller import DemoCaller
from atlassian_auth._cli.demo.collector import CLOUD_LOG, DATA_CENTER_LOG, Collector
from atlassian_auth._cli.demo.credentials import CLOUD, DATA_CENTER, JIRA_SOFTWARE, SETTINGS
from atlassian_auth._cli.demo.logbook import Logbook
from atlassian_auth._cli.demo.world import DemoWorld
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores import SQLiteStore

__all__ = ["Job", "Service", "client", "in_background", "open_service", "transport"]

Job = Callable[[], Awaitable[None]]

_PAUSE_SECONDS = 0.15
# Several requests are sent at the same time when a token expires.
_PARALLEL_CALLERS = 3

# A context without certificates: no URL here is https, and loading certificates takes time.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# uvicorn and httpx both close connections that are idle for 5 s. httpx must be first, or it would send a
# request on a closed connection.
_LIMITS = httpx.Limits(keepalive_expiry=2)

_TIMEOUT_SECONDS = 60


class Service:
    """Collects two audit logs, sends builds, and sends other requests with the same credentials.

    Args:
        managers: By the credential's key.
        clients: By the credential's key.
        logbook: Records the requests and events.
    """

    def __init__(
        self,
        managers: Mapping[str, TokenManager],
        clients: Mapping[str, httpx.AsyncClient],
        logbook: Logbook,
    ) -> None:
        self.managers = managers
        callers = {key: DemoCaller(key, client, logbook) for key, client in clients.items()}
        self._cloud, self._data_center = callers[CLOUD.key], callers[DATA_CENTER.key]
        self._builds = BuildSender(callers[JIRA_SOFTWARE.key], logbook.builds)
        self._collectors = [
            Collector(self._cloud, CLOUD_LOG, logbook.collected[CLOUD.key]),
            Collector(self._data_center, DATA_CENTER_LOG, logbook.collected[DATA_CENTER.key]),
        ]

    @property
    def jobs(self) -> list[Job]:
        """The jobs to repeat."""
        callers_of_both: list[Job] = [self._ask_cloud, self._ask_data_center]
        polls: list[Job] = [collector.poll for collector in self._collectors]
        return [*polls, self._builds.send, *callers_of_both * _PARALLEL_CALLERS]

    async def collect(self) -> None:
        """Poll both audit logs once."""
        for collector in self._collectors:
            await collector.poll()

    async def _ask_cloud(self) -> None:
        await self._cloud.get("rest/api/3/myself")

    async def _ask_data_center(self) -> None:
        await self._data_center.get("rest/api/2/myself")


@asynccontextmanager
async def open_service(world: DemoWorld, logbook: Logbook) -> AsyncGenerator[Service]:
    """Yield a service that uses the SQLite file, and close it afterwards."""
    async with AsyncExitStack() as stack:
        managers: dict[str, TokenManager] = {}
        clients: dict[str, httpx.AsyncClient] = {}
        for key, grant in world.grants.items():
            managers[key] = await stack.enter_async_context(
                TokenManager(
                    grant,
                    store=SQLiteStore(world.path),
                    settings=SETTINGS,
                    on_event=logbook.note,
                    transport=transport(),
                )
            )
            clients[key] = await stack.enter_async_context(
                client(auth=managers[key].auth(key), base_url=world.base_urls[key])
            )
        yield Service(managers, clients, logbook)


@asynccontextmanager
async def in_background(*jobs: Job) -> AsyncGenerator[None]:
    """Repeat each job, with pauses, until the context ends and cancels them."""
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(_repeat, job)
        yield
        tasks.cancel_scope.cancel()


def client(**options: Any) -> httpx.AsyncClient:
    """Return a client for ports of this computer, with a long timeout for a busy computer."""
    return httpx.AsyncClient(transport=transport(), timeout=_TIMEOUT_SECONDS, **options)


def transport() -> httpx.AsyncHTTPTransport:
    """Return a transport that ignores proxies of the environment."""
    return httpx.AsyncHTTPTransport(verify=_NO_TLS, limits=_LIMITS)


async def _repeat(job: Job) -> None:
    while True:
        await job()
        await SYSTEM_CLOCK.sleep(_PAUSE_SECONDS)
