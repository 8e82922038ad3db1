"""The embedded default: one SQLite file, shared by all processes of a computer."""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._kernel_lock import KernelLocks
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._sqlite_file import SQLiteFile
from atlassian_auth.stores._worker import Worker
from atlassian_auth.stores.base import ABSENT, Hold, Store, Stored
from atlassian_auth.stores.rules import check_names, check_version, expiry

__all__ = ["SQLiteStore"]

_GET = """
    SELECT value, version FROM records
    WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_KEYS = """
    SELECT key FROM records
    WHERE namespace = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY key
"""
_BURY = "DELETE FROM records WHERE expires_at <= ?"
_VERSION = "SELECT version FROM records WHERE namespace = ? AND key = ?"
_PUT = "REPLACE INTO records (namespace, key, value, expires_at) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM records WHERE namespace = ? AND key = ?"


class SQLiteStore(Store):
    """Keeps records in a file that only its owner can read; what ``put`` stored is on the disk.

    Safe to use from any number of tasks, event loops, threads and processes of one computer, also
    after a fork. Reading and writing wait at most 10 s for other programs, from when they were asked for.
    Use a local file system: SQLite and the lock of a key need its locks. Written for Windows, too, and not
    yet run there. Beside the file appear ``<file>-wal`` and ``<file>-shm``, which are part of it, and the
    folder ``<file>-locks``.

    Args:
        path: The file; made if there is none, in a folder that exists. ``~`` is the user's home.
        clock: Decides when a record's time is over and how long waiting for a lock takes.

    Raises:
        ConfigurationError: if ``path`` cannot name a file.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        file = _resolve(os.fspath(path))
        self._clock = clock
        self._file = SQLiteFile(file)
        self._worker = Worker(f"SQLiteStore {file.name}", self._file.close)
        self._locks = KernelLocks(file.with_name(f"{file.name}-locks"), clock)

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return what is stored under the key, or None."""
        check_names(namespace=namespace, key=key)
        name = (namespace, key, self._clock.time())

        def get(database: sqlite3.Connection) -> Stored | None:
            row = database.execute(_GET, name).fetchone()
            return row and Stored(*row)

        return await self._worker.run(partial(self._file.read, get, Patience.begin()))

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

        def put(database: sqlite3.Connection) -> int:
            database.execute(_BURY, (now,))
            check_version(namespace, key, expected=expected, actual=_find(database, namespace, key))
            database.execute(_PUT, (namespace, key, value, expires_at))
            return _find(database, namespace, key)

        return await self._worker.run(partial(self._file.write, put, Patience.begin()))

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        check_names(namespace=namespace, key=key)
        now = self._clock.time()

        def delete(database: sqlite3.Connection) -> bool:
            database.execute(_BURY, (now,))
            check_version(namespace, key, expected=expected, actual=_find(database, namespace, key))
            return database.execute(_DELETE, (namespace, key)).rowcount > 0

        return await self._worker.run(partial(self._file.write, delete, Patience.begin()))

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        check_names(namespace=namespace)
        now = self._clock.time()

        def keys(database: sqlite3.Connection) -> list[str]:
            return [key for (key,) in database.execute(_KEYS, (namespace, now))]

        return await self._worker.run(partial(self._file.read, keys, Patience.begin()))

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold]:
        """Return a context that holds the key's lock; see `Store.lock`."""
        check_names(namespace=namespace, key=key)
        return self._locks.hold(namespace, key, timeout_seconds=timeout_seconds)

    async def aclose(self) -> None:
        """Finish what is under way, and close the file."""
        await self._worker.stop()


def _resolve(path: str) -> Path:
    if not path or path == ":memory:" or "\0" in path:
        message = (
            f"path={path!r} cannot name a file. Expected a path; in memory there is MemoryStore."
        )
        raise ConfigurationError(message, argument="path")
    # Links are followed now: the files that belong to this one must have one place for everybody.
    return Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111 -- never raises


def _find(database: sqlite3.Connection, namespace: str, key: str) -> int:
    row = database.execute(_VERSION, (namespace, key)).fetchone()
    return row[0] if row else ABSENT
