"""A store in memory that fails at the moment a test chooses, as a database does that goes away."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth.stores import MemoryStore


class SharedStore:
    """What several managers share, each through a `view` of its own.

    ``broken`` says how often which moment fails: ``get``, ``lock`` and ``put`` before anything is done,
    and ``after put`` once the value is stored.
    """

    def __init__(self, clock):
        self.broken = Counter()
        self._memory = MemoryStore(clock=clock)
        self._missing = set()
        self._complete = SharedFuture()

    def view(self):
        return _View(self, self._memory)

    def check(self, moment):
        if self.broken[moment] > 0:
            self.broken[moment] -= 1
            raise ConnectionResetError(f"gone while it was asked to {moment}")

    def arrived(self, view):
        self._missing.discard(view)
        if not self._missing:
            self._complete.set_result(None)

    async def all_at_once(self, asking, managers, key):
        """Let nobody have the key's lock before each of the managers waits for it, or has its answer."""
        self._missing = {manager.store for manager in managers}
        self._complete = SharedFuture()
        asked = asyncio.ensure_future(asking)
        complete = asyncio.ensure_future(self._complete.wait())
        async with self._memory.lock("tokens", key, timeout_seconds=0):
            await asyncio.wait({asked, complete}, return_when=asyncio.FIRST_COMPLETED)
        self._complete.set_result(None)
        await complete
        return await asked


class _View:
    """One manager's way to the store."""

    def __init__(self, shared, memory):
        self._shared = shared
        self._memory = memory
        self.keys = memory.keys
        self.delete = memory.delete
        self.aclose = memory.aclose

    async def get(self, namespace, key):
        self._shared.check("get")
        return await self._memory.get(namespace, key)

    async def put(self, namespace, key, value, **options):
        self._shared.check("put")
        version = await self._memory.put(namespace, key, value, **options)
        self._shared.check("after put")
        return version

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        self._shared.arrived(self)
        self._shared.check("lock")
        async with self._memory.lock(namespace, key, timeout_seconds=timeout_seconds) as hold:
            yield hold
