"""What these tests share: managers on the emulator, stores that wait when told, patient profiles."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, settings

from atlassian_auth import TokenManager
from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Gate, cloud_grant, data_center_grant
from tests.model.acceptor import accept
from tests.model.recording import watch

settings.register_profile(
    "long", deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck)
)

GRANTS = {"cloud": cloud_grant, "data_center": data_center_grant}


class MovableStore(MemoryStore):
    """A memory store whose operations wait or fail when a test says so."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.gates = {}
        self.failures = {}
        self.locks = True
        self.held = set()

    def hold(self, operation):
        """Let the next such operation wait until the gate that is returned is opened."""
        self.gates[operation] = Gate()
        return self.gates[operation]

    def fail(self, operation, times=1, error=StoreError):
        """Let the next such operations fail."""
        self.failures[operation] = [error(f"{operation} fails")] * times

    async def _come_to(self, operation):
        gate = self.gates.pop(operation, None)
        if gate is not None:
            await gate.pass_through()
        if self.failures.get(operation):
            raise self.failures[operation].pop()

    async def get(self, namespace, key):
        await self._come_to("get")
        stored = await super().get(namespace, key)
        await self._come_to("after get")
        return stored

    async def put(self, namespace, key, value, **options):
        await self._come_to("put")
        version = await super().put(namespace, key, value, **options)
        await self._come_to("after put")
        return version

    async def delete(self, namespace, key, **options):
        await self._come_to("delete")
        return await super().delete(namespace, key, **options)

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        if not self.locks:
            self.recorder.was(key, "lock taken away")
            yield
            return
        await self._come_to("lock")
        async with super().lock(namespace, key, timeout_seconds=timeout_seconds):
            self.held.add(key)
            yield
            self.held.discard(key)
        await self._come_to("release")


@pytest.fixture
def store(atlassian_clock):
    return MovableStore(atlassian_clock)


@pytest.fixture(params=["cloud", "data_center"])
def product(request):
    return request.param


@pytest.fixture
def new_manager(atlassian, atlassian_clock, store):
    """Return a function that makes managers, all for the same credentials in the same store.

    What they do is written down, and the model has to allow it, unless ``traced`` is false.
    """
    trace, products, ignore = [], [], [].append

    def new(product="cloud", *, traced=True, **options):
        options = {"store": store, "clock": atlassian_clock, "jitter": lambda: 0.0, **options}
        manager = TokenManager(GRANTS[product](atlassian), **options)
        products.append(product)
        store.recorder = watch(manager, trace.append if traced else ignore, len(products))
        return manager

    yield new
    for product in set(products):
        accept(list(trace), product)


@pytest.fixture
def consent(atlassian):
    """Return a function that gives a new refresh token of the manager's app."""

    def consent(manager):
        app = atlassian.cloud_app
        if manager.grant.kind == "data_center":
            app = atlassian.data_center_app
        return atlassian.issue_grant(app).refresh_token

    return consent


@pytest.fixture
def enrol(consent):
    """Return a function that gives a manager a credential which it has to refresh at once."""

    async def enrol(manager, *keys):
        for key in keys or ("acme",):
            await manager.add(key, refresh_token=consent(manager))
        return manager

    return enrol
