"""A store around a real one: each operation passes points, where a test may watch, delay or fail it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from copy import copy
from itertools import chain, cycle, islice

from atlassian_auth.exceptions import StoreError
from atlassian_auth.testing import Gate


class WatchedStore:
    """Any store; its operations on credentials wait and fail when a test says so.

    The points are ``get``, ``put``, ``delete``, ``list`` and ``lock`` before an operation, and ``got``,
    ``saved``, ``deleted`` and ``locked`` after it. A lock is still held at ``release``, and free at
    ``released``. ``close`` comes before the store is closed.

    Args:
        store: The real store.
    """

    def __init__(self, store):
        self.inner = store
        self.held = {}
        self.owner = 0
        self._gates = {}
        self._failures = {}

    def view(self, owner=0):
        """Return one manager's way to the same store. Everything but the owner is shared."""
        view = copy(self)
        view.owner = owner
        return view

    def hold(self, point):
        """Let the next operation wait at a point until the gate that is returned is opened."""
        self._gates[point] = Gate()
        return self._gates[point]

    def fail(self, point, times=1, *errors):
        """Let the next operations fail at a point, with errors of these classes by turns.

        Args:
            point: Which one.
            times: How many fail after those that are to fail already; None for all.
            errors: `StoreError`, unless others are named.
        """
        wanted = islice(cycle(errors or (StoreError,)), times)
        self._failures[point] = chain(self._failures.get(point, ()), wanted)

    def heal(self):
        """Let no operation fail any more."""
        self._failures.clear()

    async def reach(self, point, namespace, key, value=None):
        """Pass a point: wait if it is held, then fail if that was ordered.

        Args:
            point: Its name.
            namespace: The record's.
            key: The record's; None for ``list`` and ``close``.
            value: The bytes to save, or what the operation returned.
        """
        if namespace != "tokens":
            return
        if point in self._gates:
            await self._gates.pop(point).pass_through()
        error = next(self._failures.get(point, iter(())), None)
        if error is not None:
            raise error(f"{point} fails on order")

    async def get(self, namespace, key):
        await self.reach("get", namespace, key)
        stored = await self.inner.get(namespace, key)
        await self.reach("got", namespace, key, stored)
        return stored

    async def put(self, namespace, key, value, **options):
        await self.reach("put", namespace, key, value)
        version = await self.inner.put(namespace, key, value, **options)
        await self.reach("saved", namespace, key, value)
        return version

    async def delete(self, namespace, key, **options):
        await self.reach("delete", namespace, key)
        existed = await self.inner.delete(namespace, key, **options)
        await self.reach("deleted", namespace, key, existed)
        return existed

    async def keys(self, namespace):
        await self.reach("list", namespace, None)
        return await self.inner.keys(namespace)

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        await self.reach("lock", namespace, key)
        async with self.inner.lock(namespace, key, timeout_seconds=timeout_seconds) as hold:
            assert key not in self.held, "two hold the same lock"
            self.held[key] = self.owner
            try:
                await self.reach("locked", namespace, key)
                yield hold
                await self.reach("release", namespace, key)
            finally:
                self.held.pop(key, None)
        await self.reach("released", namespace, key)

    async def aclose(self):
        await self.reach("close", "tokens", None)
        await self.inner.aclose()
