"""A store that remembers every durable write of a credential and who holds which lock, and fails on order.

It reads the stored bytes itself: what it says about the library is not said by the library.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import MemoryStore

_TURNS_OF_A_RELEASE = 8


class DiskError(Exception):
    """What a client of some database raises."""


@dataclass(frozen=True)
class Write:
    """One durable state of one key; without tokens once it was deleted."""

    number: int
    key: str
    owner: int = 0
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: datetime | None = None
    exists: bool = True


class WatchedStore:
    """What several managers share; each gets a `view` of its own.

    Faults are ordered by operation: ``get``, ``put`` and ``delete`` fail before anything is done,
    ``after put`` once it is done, ``lock`` while waiting for it, ``release`` once it is free.
    """

    def __init__(self, clock, moments=()):
        self.memory = MemoryStore(clock=clock)
        self.moments = moments
        self.writes = []
        self.acknowledged = set()
        self.holders = {}
        self.since = {}
        self.faults = defaultdict(deque)
        self.observers = []

    def view(self, owner):
        return _View(self, owner)

    def fail(self, operation, times):
        self.faults[operation].extend([StoreError, DiskError][n % 2] for n in range(times))

    def heal(self):
        self.faults.clear()

    def durable(self, key):
        """What the key holds on the disk now."""
        states = [write for write in self.writes if write.key == key]
        return states[-1] if states else Write(0, key, exists=False)

    def read(self, owner, key):
        """Somebody has read the key: who wrote it knows now that it is there."""
        write = self.durable(key)
        if write.owner == owner:
            self.acknowledged.add(write)

    def first_seen(self, access_token):
        """The number of the write that made an access token durable, or None."""
        numbers = (w.number for w in self.writes if w.access_token == access_token)
        return next(numbers, None)

    def strike(self, operation):
        if self.faults[operation]:
            raise self.faults[operation].popleft()(f"{operation} fails on order")

    def note(self, owner, write):
        self.writes.append(write)
        for observe in self.observers:
            observe(owner, write)

    def describe(self, owner, key, value):
        record = json.loads(value)["record"]
        number = len(self.writes) + 1
        token = record["token"]
        if token is None:
            return Write(number, key, owner, None, record["pasted_refresh_token"])
        expires_at = datetime.fromisoformat(token["expires_at"])
        return Write(number, key, owner, token["access_token"], token["refresh_token"], expires_at)


class _View:
    """One manager's way to the store; each operation takes a turn or two, as over a network."""

    def __init__(self, store, owner):
        self._store = store
        self._memory = store.memory
        self._owner = owner

    async def get(self, namespace, key):
        if namespace != "tokens":
            return await self._memory.get(namespace, key)
        await asyncio.sleep(0)
        self._store.strike("get")
        stored = await self._memory.get(namespace, key)
        await asyncio.sleep(0)
        self._store.read(self._owner, key)
        return stored

    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        if namespace != "tokens":
            return await self._memory.put(
                namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
            )
        await asyncio.sleep(0)
        self._store.strike("put")
        version = await self._memory.put(
            namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
        )
        write = self._store.describe(self._owner, key, value)
        self._store.note(self._owner, write)
        await asyncio.sleep(0)
        self._store.strike("after put")
        self._store.acknowledged.add(write)
        return version

    async def delete(self, namespace, key, *, expected=None):
        await asyncio.sleep(0)
        self._store.strike("delete")
        existed = await self._memory.delete(namespace, key, expected=expected)
        if existed:
            number = len(self._store.writes) + 1
            self._store.note(self._owner, Write(number, key, self._owner, exists=False))
        await asyncio.sleep(0)
        return existed

    async def keys(self, namespace):
        await asyncio.sleep(0)
        self._store.strike("get")
        return await self._memory.keys(namespace)

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        async with self._memory.lock(namespace, key, timeout_seconds=timeout_seconds):
            self._store.strike("lock")
            assert key not in self._store.holders, "two hold the same lock"
            self._store.holders[key] = self._owner
            self._store.since[key] = len(self._store.moments) - 1
            try:
                yield
            finally:
                del self._store.holders[key]
        # Others may have the lock before its last holder hears that it is free.
        for _ in range(_TURNS_OF_A_RELEASE):
            await asyncio.sleep(0)
        self._store.strike("release")

    async def aclose(self):
        await asyncio.sleep(0)
