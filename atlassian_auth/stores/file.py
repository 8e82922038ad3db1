"""A folder with one file per record."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._local import LocalStore
from atlassian_auth.stores._private import resolve
from atlassian_auth.stores._record_file import FiledRecord, stored, unexpired, version_of
from atlassian_auth.stores._record_folder import RecordFolder
from atlassian_auth.stores.base import Hold, Stored
from atlassian_auth.stores.checked import Target

__all__ = ["FileStore"]


class FileStore(LocalStore):
    """Keeps each record in a file that only its owner can read. ``put`` returns when it is on the disk.

    Safe to use from any number of tasks, event loops, threads and processes on one computer, also after a
    fork. A call that writes waits at most 10 s for other writers. It is meant for a few dozen records; for
    thousands use `SQLiteStore`. It needs a local file system. It supports Windows, but has not been run there
    yet.

    A record is replaced completely or not at all, also if a process is killed or the power fails. (On Windows
    a power failure may undo the last save, because Python cannot sync a folder to the disk there.) Nothing is
    encrypted: the bytes of a replaced record stay on the disk until the file system overwrites them. Where
    that matters, wrap this store in `EncryptedStore`.

    Args:
        folder: A folder for this store only. It is created (0700) if it does not exist; its parent must
            exist. ``~`` is the user's home.
        clock: Decides when a record has expired and when waiting for a lock times out.

    Raises:
        ConfigurationError: if ``folder`` cannot be the path of a folder.
    """

    def __init__(self, folder: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        path = _resolve_path(os.fspath(folder))
        self._folder = RecordFolder(path)
        super().__init__(f"FileStore {path.name}", self._folder.close, self._folder.locks, clock)

    async def _get(self, target: Target) -> Stored | None:
        found = await self._call(self._folder.read, lambda: self._folder.find(*target.name))
        return stored(unexpired(found, target.now))

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
            return unexpired(present, target.now) is not None

        return await self._call(self._folder.write, delete, target.now)

    async def _keys(self, namespace: str, now: float) -> list[str]:
        found = await self._call(self._folder.read, lambda: self._folder.find_all(namespace))
        return [record.key for record in found if not record.is_expired(now)]

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[Hold]:
        # The lock files are in the folder, so create and check it first.
        await self._call(self._folder.open)
        async with super()._lock(namespace, key, timeout_seconds) as lock:
            yield lock

    def _find(self, target: Target) -> FiledRecord | None:
        record = self._folder.find(*target.name)
        target.check(version_of(unexpired(record, target.now)))
        return record


def _resolve_path(folder: str) -> Path:
    if not folder or "\0" in folder:
        message = f"folder={folder!r} cannot be a folder's path. Expected a path."
        raise ConfigurationError(message, argument="folder")
    return resolve(folder)
