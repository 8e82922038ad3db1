"""The worlds in which things go wrong: an emulated Atlassian, a store, and managers that share it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import httpx

from atlassian_auth import AtlassianAuthError, Settings, TokenManager
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth.events import AuthorizationNeeded, RefreshSucceeded
from atlassian_auth.ports import SystemClock
from atlassian_auth.testing import (
    FakeAtlassian,
    ManualClock,
    cloud_grant,
    data_center_grant,
    mock_router,
)
from tests.faults.shared_store import SharedStore
from tests.model.acceptor import accept
from tests.model.recording import Event, watch

KEY = "acme"
HOUR = 3600
TLS = httpx.create_ssl_context()
_GRANTS = {"cloud": cloud_grant, "data_center": data_center_grant}


class ShiftedClock:
    """The clock of one host: apart from the others' by so many seconds."""

    def __init__(self, true_clock):
        self._true_clock = true_clock
        self.apart_seconds = 0
        self.sleep = true_clock.sleep
        self.timeout = true_clock.timeout

    def time(self):
        return self._true_clock.time() + self.apart_seconds


class MovedClock(SystemClock):
    """The computer's clock, ahead by what the test says: for stores and servers that really wait."""

    def __init__(self):
        self._ahead_seconds = 0.0
        self.time = self._time

    def advance(self, seconds):
        self._ahead_seconds += seconds

    def _time(self):
        return SystemClock.time() + self._ahead_seconds


class Stage:
    """One emulated Atlassian, one credential in one store, and the managers that share it.

    Args:
        product: ``"cloud"`` or ``"data_center"``.
        atlassian: The emulator; its clock is the world's.
        new_store: Opens the store, once for each manager.
        urls: Where the emulator is reached; by default at Atlassian's own addresses.
        options: For each manager.
    """

    def __init__(self, product, atlassian, new_store, *, urls=None, **options):
        self.product = product
        self.atlassian = atlassian
        self.clock = atlassian.clock
        self.new_store = new_store
        self.grant = _GRANTS[product](atlassian, urls)
        self.managers = []
        self.host_clocks = []
        self.shared = None
        self.ask_with = ask_for_token
        self.identity_url = self.grant.endpoints.identity_url
        if product == "data_center":
            self.identity_url = f"{self.grant.endpoints.api_url}/rest/api/2/myself"
        self.news = SharedFuture()
        self.trace = []
        self.hosts = 0
        self._options = {
            "verify": TLS,
            "jitter": lambda: 0.0,
            "on_event": self._on_event,
            **options,
        }

    def new_manager(self):
        clock = ShiftedClock(self.clock)
        manager = TokenManager(self.grant, store=self.new_store(), clock=clock, **self._options)
        self.hosts += 1
        watch(manager, self.trace.append, self.hosts)
        self.managers.append(manager)
        self.host_clocks.append(clock)
        return manager

    def happened(self, what, data=None):
        """Write into the trace what is done to the credential from outside."""
        self.trace.append(Event("outside", KEY, what, data))

    @property
    def requests(self):
        return len(self.atlassian.token_requests)

    async def enrol(self, load, passed_seconds=HOUR):
        """Let everybody have the credential's token, and time pass: an hour, and it has ended."""
        managers = [self.new_manager() for _ in range(load.managers)]
        app = getattr(self.atlassian, f"{self.product}_app")
        refresh_token = self.atlassian.issue_grant(app).refresh_token
        self.family = self.atlassian.family_of(refresh_token)
        await managers[0].add(KEY, refresh_token=refresh_token)
        for manager in managers:
            await manager.token(KEY)
        self.clock.advance(passed_seconds)

    async def ask(self, load):
        """Let all tasks of all managers ask at once, and return what each of them gets."""
        wanted = [manager for manager in self.managers for _ in range(load.tasks)]
        return await asyncio.gather(*(self._answer(manager) for manager in wanted))

    async def ask_together(self, load):
        """Do the same, and let all managers begin at the same moment, if that can be had."""
        if self.shared is None:
            return await self.ask(load)
        return await self.shared.all_at_once(self.ask(load), self.managers, KEY)

    async def _answer(self, manager):
        try:
            return await self.ask_with(self, manager)
        except AtlassianAuthError as error:
            return error

    def _on_event(self, event):
        if isinstance(event, RefreshSucceeded | AuthorizationNeeded):
            self.news.set_result(event)

    async def restart(self):
        """End all processes, and start as many new ones."""
        await self.aclose()
        ended = len(self.managers)
        self.managers.clear()
        for _ in range(ended):
            self.new_manager()

    async def aclose(self):
        await asyncio.gather(*(manager.aclose() for manager in self.managers))


async def ask_for_token(_, manager):
    await manager.token(KEY)
    return "token"


async def ask_to_refresh(_, manager):
    await manager.refresh(KEY)
    return "token"


async def ask_the_api(stage, manager):
    async with httpx.AsyncClient(auth=manager.auth(KEY), verify=TLS) as client:
        return str((await client.get(stage.identity_url)).status_code)


@asynccontextmanager
async def opened(stage):
    """Close the stage's managers at the end, however it comes."""
    async with AsyncExitStack() as closing:
        closing.push_async_callback(stage.aclose)
        yield stage
    accept(stage.trace, stage.product)


@asynccontextmanager
async def simulated(product, _load, **options):
    """Nothing is real: neither time nor network, and the store fails on order.

    All managers of a fleet begin at the same moment: when each of them waits for the store's lock.
    """
    clock = ManualClock()
    atlassian = FakeAtlassian(clock)
    shared = SharedStore(clock)
    with mock_router(atlassian):
        async with opened(Stage(product, atlassian, shared.view, **options)) as stage:
            stage.shared = shared
            yield stage


@asynccontextmanager
async def real_time(product, new_store, **options):
    """The store is real, and so is the time it takes; Atlassian is not."""
    clock = MovedClock()
    atlassian = FakeAtlassian(clock)
    settings = Settings(retry_pause_seconds=0.01, lock_timeout_seconds=10)
    with ExitStack() as router:
        router.enter_context(mock_router(atlassian))
        stage = Stage(product, atlassian, lambda: new_store(clock), settings=settings, **options)
        async with opened(stage):
            yield stage
