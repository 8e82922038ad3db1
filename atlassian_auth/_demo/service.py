"""One life of the service: what a process builds at its start, and loses at its end.

Three managers, three clients, two collectors. All it has from the life before is the SQLite file, and
what was collected.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import httpx

from atlassian_auth._demo.builds import BuildSender
from atlassian_auth._demo.caller import Caller
from atlassian_auth._demo.collector import CLOUD_LOG, DATA_CENTER_LOG, Collector
from atlassian_auth._demo.credentials import CLOUD, DATA_CENTER, JIRA_SOFTWARE, SETTINGS
from atlassian_auth._demo.logbook import Logbook
from atlassian_auth._demo.world import World
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores import SQLiteStore

__all__ = ["Job", "Service", "client", "in_background", "opened", "transport"]

Job = Callable[[], Awaitable[None]]

_PAUSE_SECONDS = 0.15
# So that several requests at once meet the end of each token.
_COLLEAGUES = 3

# A context that trusts nobody: nothing here is https, and loading certificates takes its time.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# uvicorn hangs up on connections that are idle for 5 s, and httpx gives them up after 5 s as well: whoever
# is second finds a broken connection. Here it is never httpx.
_LIMITS = httpx.Limits(keepalive_expiry=2)

_TIMEOUT_SECONDS = 60


class Service:
    """Collects two audit logs, sends builds, and has colleagues who use the same credentials.

    Args:
        managers: By the credential's key.
        clients: By the credential's key.
        logbook: Where everything is noted.
    """

    def __init__(
        self,
        managers: Mapping[str, TokenManager],
        clients: Mapping[str, httpx.AsyncClient],
        logbook: Logbook,
    ) -> None:
        self.managers = managers
        callers = {key: Caller(key, client, logbook) for key, client in clients.items()}
        self._cloud, self._data_center = callers[CLOUD.key], callers[DATA_CENTER.key]
        self._builds = BuildSender(callers[JIRA_SOFTWARE.key], logbook.builds)
        self._collectors = [
            Collector(self._cloud, CLOUD_LOG, logbook.collected[CLOUD.key]),
            Collector(self._data_center, DATA_CENTER_LOG, logbook.collected[DATA_CENTER.key]),
        ]

    @property
    def jobs(self) -> list[Job]:
        """What it does all the time."""
        colleagues: list[Job] = [self._ask_cloud, self._ask_data_center]
        polls: list[Job] = [collector.poll for collector in self._collectors]
        return [*polls, self._builds.send, *colleagues * _COLLEAGUES]

    async def collect(self) -> None:
        """Look at both audit logs once."""
        for collector in self._collectors:
            await collector.poll()

    async def _ask_cloud(self) -> None:
        await self._cloud.get("rest/api/3/myself")

    async def _ask_data_center(self) -> None:
        await self._data_center.get("rest/api/2/myself")


@asynccontextmanager
async def opened(world: World, logbook: Logbook) -> AsyncGenerator[Service]:
    """Build the service from the SQLite file, and close all of it in the end."""
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
    """Repeat each job, with a pause in between, until the context ends and cuts them off."""
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(_repeat, job)
        yield
        tasks.cancel_scope.cancel()


def client(**options: Any) -> httpx.AsyncClient:
    """Return a client for this computer's own ports, which may be slow: other programs may be busy."""
    return httpx.AsyncClient(transport=transport(), timeout=_TIMEOUT_SECONDS, **options)


def transport() -> httpx.AsyncHTTPTransport:
    """Return a way to this computer's own ports that no proxy of the environment is in."""
    return httpx.AsyncHTTPTransport(verify=_NO_TLS, limits=_LIMITS)


async def _repeat(job: Job) -> None:
    while True:
        await job()
        await SYSTEM_CLOCK.sleep(_PAUSE_SECONDS)
