"""Your own store: six short methods around a table.

The table is a dictionary here, so this store is for one process. With a database, each method would be one
statement or one transaction, and the lock a lock of the database, which ends with the process that holds it.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio

from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores import ABSENT, CheckedStore, Stored, Target
from atlassian_auth.stores.rules import lock_timeout


class Row(NamedTuple):
    """One row of the table."""

    stored: Stored
    expires_at: float | None


class TableStore(CheckedStore):
    """Keeps records in a dictionary. The base class has checked the names and lifetimes."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._rows: dict[tuple[str, str], Row] = {}
        self._versions = itertools.count(ABSENT + 1)
        self._turns: defaultdict[tuple[str, str], anyio.Semaphore] = defaultdict(
            functools.partial(anyio.Semaphore, 1)
        )

    async def _get(self, target: Target) -> Stored | None:
        row = self._rows.get(target.name)
        if row is None or (row.expires_at is not None and row.expires_at <= target.now):
            return None
        return row.stored

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        target.check(await self._version(target))
        version = next(self._versions)
        self._rows[target.name] = Row(Stored(value, version), expires_at)
        return version

    async def _delete(self, target: Target) -> bool:
        version = await self._version(target)
        target.check(version)
        self._rows.pop(target.name, None)
        return version != ABSENT

    async def _keys(self, namespace: str, now: float) -> list[str]:
        keys = [key for family, key in self._rows if family == namespace]
        return [key for key in keys if await self._get(Target(namespace, key, now))]

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[None]:
        turn = self._turns[namespace, key]
        try:
            turn.acquire_nowait()
        except anyio.WouldBlock:
            try:
                async with self._clock.timeout(timeout_seconds):
                    await turn.acquire()
            except TimeoutError:
                raise lock_timeout(namespace, key, timeout_seconds) from None
        try:
            yield
        finally:
            turn.release()

    async def aclose(self) -> None:
        """Do nothing: a dictionary needs no closing."""

    async def _version(self, target: Target) -> int:
        stored = await self._get(target)
        return stored.version if stored else ABSENT
