"""A folder with a file per record: nothing but the operating system's files."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._local import LocalStore
from atlassian_auth.stores._record_file import FiledRecord, alive, stored, version_of
from atlassian_auth.stores._record_folder import RecordFolder
from atlassian_auth.stores.base import Hold, Stored
from atlassian_auth.stores.checked import Target

__all__ = ["FileStore"]


class FileStore(LocalStore):
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
        self._folder = RecordFolder(path)
        super().__init__(f"FileStore {path.name}", self._folder.close, self._folder.locks, clock)

    async def _get(self, target: Target) -> Stored | None:
        found = await self._call(self._folder.read, lambda: self._folder.find(*target.name))
        return stored(alive(found, target.now))

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        def put() -> int:
            version = self._folder.next_version(self._find(target))
            self._folder.put(FiledRecord(*target.name, version, expires_at, value))
            return version

        return await self._call(self._folder.write, put, target.now)

    async def _delete(self, target: Target) -> bool:
        def delete() -> bool:
            present = self._find(target)
            if present is not None:
                self._folder.remove(present)
            return alive(present, target.now) is not None

        return await self._call(self._folder.write, delete, target.now)

    async def _keys(self, namespace: str, now: float) -> list[str]:
        found = await self._call(self._folder.read, lambda: self._folder.find_all(namespace))
        return [record.key for record in found if not record.is_over(now)]

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[Hold]:
        # The locks are in the folder: it is made, and known to be ours, first.
        await self._call(self._folder.open)
        async with super()._lock(namespace, key, timeout_seconds) as lock:
            yield lock

    def _find(self, target: Target) -> FiledRecord | None:
        record = self._folder.find(*target.name)
        target.check(version_of(alive(record, target.now)))
        return record


def _resolve(folder: str) -> Path:
    if not folder or "\0" in folder:
        message = f"folder={folder!r} cannot name a folder. Expected a path."
        raise ConfigurationError(message, argument="folder")
    # As for SQLiteStore: whatever links lead there, there is one folder, and one place for its locks.
    return Path(os.path.realpath(os.path.expanduser(folder)))  # noqa: PTH111 -- never raises
