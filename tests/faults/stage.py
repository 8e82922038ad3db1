"""The worlds in which things go wrong: an emulated Atlassian, a store, and managers that share it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import httpx

from atlassian_auth import AtlassianAuthError, Settings
from atlassian_auth.events import AuthorizationNeeded, RefreshSucceeded
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.testing import FakeAtlassian, ManualClock, mock_router
from tests.faults.shared_store import SharedStore
from tests.harness.clocks import MovedClock, ShiftedClock
from tests.harness.world import KEY, World

HOUR = 3600
TLS = httpx.create_ssl_context()


class Stage(World):
    """A world with one credential in one store, and the managers that share it.

    Args:
        product: ``"cloud"`` or ``"data_center"``.
        atlassian: The emulator; its clock is the world's.
        new_store: Opens the store, once for each manager.
        urls: Where the emulator is reached; by default at Atlassian's own addresses.
        options: For each manager.
    """

    def __init__(self, product, atlassian, new_store, *, urls=None, **options):
        super().__init__(product, atlassian, urls)
        self.new_store = new_store
        self.host_clocks = []
        self.shared = None
        self.ask_with = ask_for_token
        self.news = SharedFuture()
        self._options = {"verify": TLS, "on_event": self._on_event, **options}

    def new_host(self):
        """Return the manager of another host, which has a clock of its own."""
        clock = ShiftedClock(self.clock)
        self.host_clocks.append(clock)
        return self.new_manager(self.new_store(), clock=clock, **self._options)

    @property
    def requests(self):
        return len(self.atlassian.token_requests)

    async def enrol(self, load, passed_seconds=HOUR):
        """Give each manager the credential's token, and let time pass; after an hour the token has ended."""
        managers = [self.new_host() for _ in range(load.managers)]
        await managers[0].add(KEY, refresh_token=self.new_refresh_token())
        for manager in managers:
            await manager.token(KEY)
        self.clock.advance(passed_seconds)

    async def ask(self, load):
        """Let all tasks of all managers ask at once, and return what each of them gets."""
        wanted = [manager for manager in self.managers for _ in range(load.tasks)]
        return await asyncio.gather(*(self._answer(manager) for manager in wanted))

    async def ask_together(self, load):
        """Do the same; where the store can do it, let all managers begin at the same moment."""
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
            self.new_host()

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
    """Close the stage's managers at the end, also after an error; then judge what they did."""
    async with AsyncExitStack() as closing:
        closing.push_async_callback(stage.aclose)
        yield stage
    stage.judge()


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
