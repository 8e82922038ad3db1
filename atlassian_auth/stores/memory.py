"""The reference store: a dictionary, which ends with the process.

Each key's lock has a queue, for tasks of all threads and event loops. The first in the queue holds the lock.
When it leaves the queue, for any reason, the next one gets the lock.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import CheckedStore, Target
from atlassian_auth.stores.rules import lock_timeout

__all__ = ["MemoryStore"]

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    stored: Stored
    expires_at: float | None


class MemoryStore(CheckedStore):
    """Keeps records until the process ends; for tests, and for grants without refresh token rotation.

    Safe to use from any number of threads and event loops. It is not shared with other processes; a forked
    process starts with a copy.

    Args:
        clock: Decides when a record has expired and when waiting for a lock times out.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._lines: dict[_Name, list[SharedFuture[None]]] = {}
        # The child of a fork has none of the waiting tasks.
        self._guard = ForkLock(in_child=self._lines.clear)
        self._versions = itertools.count(ABSENT + 1)
        self._entries: dict[_Name, _Entry] = {}
        self._expiring: list[tuple[float, _Name]] = []

    async def aclose(self) -> None:
        """Do nothing: the records stay until the process ends."""

    async def _get(self, target: Target) -> Stored | None:
        with self._guard.lock:
            self._delete_expired(target.now)
            entry = self._entries.get(target.name)
        return None if entry is None else entry.stored

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        with self._guard.lock:
            target.check(self._version(target))
            stored = Stored(value, next(self._versions))
            self._entries[target.name] = _Entry(stored, expires_at)
            if expires_at is not None:
                heapq.heappush(self._expiring, (expires_at, target.name))
        return stored.version

    async def _delete(self, target: Target) -> bool:
        with self._guard.lock:
            target.check(self._version(target))
            return self._entries.pop(target.name, None) is not None

    async def _keys(self, namespace: str, now: float) -> list[str]:
        with self._guard.lock:
            self._delete_expired(now)
            return [key for family, key in self._entries if family == namespace]

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[None]:
        turn = self._join((namespace, key))
        try:
            await self._wait_for_turn((namespace, key), turn, timeout_seconds)
            yield
        finally:
            self._leave((namespace, key), turn)

    def _join(self, name: _Name) -> SharedFuture[None]:
        turn: SharedFuture[None] = SharedFuture()
        with self._guard.lock:
            line = self._lines.setdefault(name, [])
            line.append(turn)
            if line[0] is turn:
                turn.set_result(None)
        return turn

    async def _wait_for_turn(
        self, name: _Name, turn: SharedFuture[None], timeout_seconds: float
    ) -> None:
        try:
            async with self._clock.timeout(timeout_seconds):
                await turn.wait()
        except TimeoutError:
            # While the process was paused, both may have come: the turn and the timeout.
            with self._guard.lock:
                has_come = self._lines[name][0] is turn
            if not has_come:
                raise lock_timeout(*name, timeout_seconds) from None

    def _leave(self, name: _Name, turn: SharedFuture[None]) -> None:
        with self._guard.lock:
            line = self._lines.pop(name, [])
            others = [other for other in line if other is not turn]
            if others:
                self._lines[name] = others
                # The first one may hold the lock already; setting its result again does nothing.
                others[0].set_result(None)

    def _version(self, target: Target) -> int:
        self._delete_expired(target.now)
        entry = self._entries.get(target.name)
        return ABSENT if entry is None else entry.stored.version

    def _delete_expired(self, now: float) -> None:
        """Delete the expired records. The heap finds them without a look at the others."""
        while self._expiring and self._expiring[0][0] <= now:
            expires_at, name = heapq.heappop(self._expiring)
            entry = self._entries.get(name)
            # A record that was stored again expires at another time, or never.
            if entry is not None and entry.expires_at == expires_at:
                del self._entries[name]
