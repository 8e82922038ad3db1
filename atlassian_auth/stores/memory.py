"""The reference store: a dict, gone when the process ends.

Whoever wants a key's lock stands in its line, across tasks, threads and event loops. The first in
line holds it; leaving the line, for whatever reason, calls the next.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores.base import ABSENT, Store, Stored
from atlassian_auth.stores.rules import check_names, check_version, expiry, lock_timeout

__all__ = ["MemoryStore"]

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    stored: Stored
    expires_at: float | None


class MemoryStore(Store):
    """Keeps records as long as the process lives; for tests, and for grants that rotate nothing.

    Safe to use from any number of threads and event loops. Nothing is shared with other processes;
    a forked one starts with a copy.

    Args:
        clock: Decides when a record's time is over and how long waiting for a lock takes.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lines: dict[_Name, list[SharedFuture[None]]] = {}
        # The child of a fork has none of the tasks that stand in line.
        self._guard = ForkLock(in_child=self._lines.clear)
        self._versions = itertools.count(ABSENT + 1)
        self._entries: dict[_Name, _Entry] = {}
        self._mortal: list[tuple[float, _Name]] = []

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return what is stored under the key, or None."""
        check_names(namespace=namespace, key=key)
        with self._guard.lock:
            self._bury()
            entry = self._entries.get((namespace, key))
        return None if entry is None else entry.stored

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value and return its new version; see `Store.put`."""
        check_names(namespace=namespace, key=key)
        expires_at = expiry(self._clock.time(), ttl_seconds)
        name = (namespace, key)
        with self._guard.lock:
            check_version(namespace, key, expected=expected, actual=self._version(name))
            stored = Stored(value, next(self._versions))
            self._entries[name] = _Entry(stored, expires_at)
            if expires_at is not None:
                heapq.heappush(self._mortal, (expires_at, name))
        return stored.version

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        check_names(namespace=namespace, key=key)
        with self._guard.lock:
            check_version(namespace, key, expected=expected, actual=self._version((namespace, key)))
            return self._entries.pop((namespace, key), None) is not None

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        check_names(namespace=namespace)
        with self._guard.lock:
            self._bury()
            return sorted(key for family, key in self._entries if family == namespace)

    @asynccontextmanager
    async def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AsyncGenerator[None]:
        """Hold the key's lock; see `Store.lock`."""
        check_names(namespace=namespace, key=key)
        turn = self._join((namespace, key))
        try:
            if not await self._called((namespace, key), turn, timeout_seconds):
                raise lock_timeout(namespace, key, timeout_seconds)
            yield
        finally:
            self._leave((namespace, key), turn)

    async def aclose(self) -> None:
        """Keep everything: what this store holds ends with the process."""

    def _join(self, name: _Name) -> SharedFuture[None]:
        turn: SharedFuture[None] = SharedFuture()
        with self._guard.lock:
            line = self._lines.setdefault(name, [])
            line.append(turn)
            if line[0] is turn:
                turn.set_result(None)
        return turn

    async def _called(self, name: _Name, turn: SharedFuture[None], timeout_seconds: float) -> bool:
        try:
            async with self._clock.timeout(timeout_seconds):
                await turn.wait()
        except TimeoutError:
            # It may have come to its turn while the process stood still, and the timer was looked at first.
            with self._guard.lock:
                return self._lines[name][0] is turn
        return True

    def _leave(self, name: _Name, turn: SharedFuture[None]) -> None:
        with self._guard.lock:
            line = self._lines.pop(name, [])
            others = [other for other in line if other is not turn]
            if others:
                self._lines[name] = others
                # The first may have been called before; that does no harm.
                others[0].set_result(None)

    def _version(self, name: _Name) -> int:
        self._bury()
        entry = self._entries.get(name)
        return ABSENT if entry is None else entry.stored.version

    def _bury(self) -> None:
        """Drop the records whose time is over; each is looked at once, however many there are."""
        now = self._clock.time()
        while self._mortal and self._mortal[0][0] <= now:
            expires_at, name = heapq.heappop(self._mortal)
            entry = self._entries.get(name)
            # A record that was stored anew has another time, or none.
            if entry is not None and entry.expires_at == expires_at:
                del self._entries[name]
