"""What these tests share: managers on the emulator, stores that wait on request, patient profiles."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, settings

from atlassian_auth.stores import MemoryStore
from tests.harness.store import WatchedStore
from tests.harness.world import World

settings.register_profile(
    "long", deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck)
)


class UnlockableStore(WatchedStore):
    """A store whose locks a test may take away: then each manager goes on without one."""

    def __init__(self, clock):
        super().__init__(MemoryStore(clock=clock))
        self.locks = True

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        if not self.locks:
            self.recorder.was(key, "lock taken away")
            yield
            return
        async with super().lock(namespace, key, timeout_seconds=timeout_seconds) as hold:
            yield hold


@pytest.fixture
def store(atlassian_clock):
    return UnlockableStore(atlassian_clock)


@pytest.fixture(params=["cloud", "data_center"])
def product(request):
    return request.param


@pytest.fixture
def new_manager(atlassian, store):
    """Return a function that makes managers, all for the same credentials in the same store.

    What they do is written down, and the model has to allow it, unless ``traced`` is false.
    """
    worlds = {}

    def new(product="cloud", *, traced=True, **options):
        world = worlds.setdefault(product, World(product, atlassian))
        manager = world.new_manager(**{"store": store, "trace": None if traced else [], **options})
        store.recorder = world.recorders[-1]
        return manager

    yield new
    for world in worlds.values():
        world.judge()


@pytest.fixture
def consent(atlassian):
    """Return a function that gives a new refresh token of the manager's app."""

    def consent(manager):
        return World(manager.grant.kind, atlassian).new_refresh_token()

    return consent


@pytest.fixture
def enrol(consent):
    """Return a function that gives a manager a credential which it has to refresh at once."""

    async def enrol(manager, *keys):
        for key in keys or ("acme",):
            await manager.add(key, refresh_token=consent(manager))
        return manager

    return enrol
