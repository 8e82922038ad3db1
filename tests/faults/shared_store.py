"""A store in memory for a fleet; its managers can be made to begin at the same moment."""

from __future__ import annotations

import asyncio

from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import MemoryStore
from tests.harness.store import WatchedStore


class SharedStore(WatchedStore):
    """What several managers share, each through a `view` of its own; it fails as a lost connection does."""

    def __init__(self, clock):
        super().__init__(MemoryStore(clock=clock))
        self._arrivals = []

    def fail(self, point, times=1):
        super().fail(point, times, ConnectionResetError)

    async def reach(self, point, namespace, key, value=None):
        if point == "lock":
            for arrive in self._arrivals:
                arrive(self)
        await super().reach(point, namespace, key, value)

    async def all_at_once(self, asking, managers, key):
        """Keep the key's lock until each of the managers waits for it, or has its answer."""
        missing, complete = {manager.store for manager in managers}, SharedFuture()

        def arrive(view):
            missing.discard(view)
            if not missing:
                complete.set_result(None)

        self._arrivals.append(arrive)
        asked = asyncio.ensure_future(asking)
        completed = asyncio.ensure_future(complete.wait())
        async with self.inner.lock("tokens", key, timeout_seconds=0):
            await asyncio.wait({asked, completed}, return_when=asyncio.FIRST_COMPLETED)
        self._arrivals.clear()
        complete.set_result(None)
        await completed
        return await asked
