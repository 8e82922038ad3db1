"""The common base of the stores on one computer: a thread makes blocking calls, the kernel locks keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from atlassian_auth.ports import Clock
from atlassian_auth.stores._kernel_lock import KernelLocks
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._worker import Worker
from atlassian_auth.stores.base import Hold
from atlassian_auth.stores.checked import CheckedStore

__all__ = ["LocalStore"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LocalStore(CheckedStore):
    """Reads and writes records in its own thread, one call after the other.

    Args:
        name: The thread's name.
        finish: Called in the thread when the store is closed or garbage-collected. It must not refer to the
            store.
        locks: The folder of the lock files.
        clock: Decides when a record has expired and when waiting for a lock times out.
    """

    def __init__(self, name: str, finish: Callable[[], None], locks: Path, clock: Clock) -> None:
        super().__init__(clock)
        self._worker = Worker(name, finish)
        self._locks = KernelLocks(locks, clock)

    async def aclose(self) -> None:
        """Finish the calls that have begun, and close all files."""
        await self._worker.stop()

    def _lock(
        self, namespace: str, key: str, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold]:
        return self._locks.hold(namespace, key, timeout_seconds=timeout_seconds)

    async def _call(self, work: Callable[[*Ts, Patience], T], *arguments: *Ts) -> T:
        return await self._worker.run(partial(work, *arguments, Patience.begin()))
