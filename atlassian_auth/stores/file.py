"""A folder with a file per record: nothing but the operating system's files."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._kernel_lock import KernelLocks
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._record_file import FiledRecord, alive
from atlassian_auth.stores._record_folder import RecordFolder
from atlassian_auth.stores._worker import Worker
from atlassian_auth.stores.base import ABSENT, Hold, Store, Stored
from atlassian_auth.stores.rules import check_names, check_version, expiry

__all__ = ["FileStore"]


class FileStore(Store):
    """Keeps each record in a file that only its owner can read; what ``put`` stored is on the disk.

    Safe to use from any number of tasks, event loops, threads and processes of one computer, also
    after a fork. Writing waits at most 10 s for other writers, from when it was asked for. For some
    dozens of records; for thousands there is `SQLiteStore`. Needs a local file system. Written for
    Windows, too, and not yet run there.

    A record is replaced as a whole or not at all, whenever a process is killed or the power fails. (On
    Windows a power failure may undo the last save: Python cannot bring a folder to the disk there.)
    Nothing is encrypted: the bytes of a replaced record stay on the disk until the file system uses
    their place again. `EncryptedStore` wraps this one where that matters.

    Args:
        folder: A folder of this store's own; made (0700) if there is none, in one that exists. ``~``
            is the user's home.
        clock: Decides when a record's time is over and how long waiting for a lock takes.

    Raises:
        ConfigurationError: if ``folder`` cannot name a folder.
    """

    def __init__(self, folder: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        path = _resolve(os.fspath(folder))
        self._clock = clock
        self._folder = RecordFolder(path)
        self._worker = Worker(f"FileStore {path.name}", self._folder.close)
        self._locks = KernelLocks(self._folder.locks, clock)

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return what is stored under the key, or None."""
        check_names(namespace=namespace, key=key)
        now = self._clock.time()

        def get() -> Stored | None:
            record = alive(self._folder.find(namespace, key), now)
            return None if record is None else Stored(record.value, record.version)

        return await self._worker.run(partial(self._folder.read, get, Patience.begin()))

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value durably and return its new version; see `Store.put`."""
        check_names(namespace=namespace, key=key)
        now = self._clock.time()
        expires_at = expiry(now, ttl_seconds)

        def put() -> int:
            present = self._find(namespace, key, expected, now)
            version = self._folder.next_version(present)
            self._folder.put(FiledRecord(namespace, key, version, expires_at, value))
            return version

        return await self._worker.run(partial(self._folder.write, put, now, Patience.begin()))

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        check_names(namespace=namespace, key=key)
        now = self._clock.time()

        def delete() -> bool:
            present = self._find(namespace, key, expected, now)
            if present is not None:
                self._folder.remove(present)
            return alive(present, now) is not None

        return await self._worker.run(partial(self._folder.write, delete, now, Patience.begin()))

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        check_names(namespace=namespace)
        now = self._clock.time()

        def keys() -> list[str]:
            found = self._folder.find_all(namespace)
            return sorted(record.key for record in found if not record.is_over(now))

        return await self._worker.run(partial(self._folder.read, keys, Patience.begin()))

    @asynccontextmanager
    async def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AsyncGenerator[Hold]:
        """Hold the key's lock; see `Store.lock`."""
        check_names(namespace=namespace, key=key)
        # The locks are in the folder: it is made, and known to be ours, first.
        await self._worker.run(partial(self._folder.open, Patience.begin()))
        async with self._locks.hold(namespace, key, timeout_seconds=timeout_seconds) as lock:
            yield lock

    async def aclose(self) -> None:
        """Finish what is under way, and let go of the folder."""
        await self._worker.stop()

    def _find(
        self, namespace: str, key: str, expected: int | None, now: float
    ) -> FiledRecord | None:
        record = self._folder.find(namespace, key)
        present = alive(record, now)
        actual = ABSENT if present is None else present.version
        check_version(namespace, key, expected=expected, actual=actual)
        return record


def _resolve(folder: str) -> Path:
    if not folder or "\0" in folder:
        message = f"folder={folder!r} cannot name a folder. Expected a path."
        raise ConfigurationError(message, argument="folder")
    # As for SQLiteStore: whatever links lead there, there is one folder, and one place for its locks.
    return Path(os.path.realpath(os.path.expanduser(folder)))  # noqa: PTH111 -- never raises
