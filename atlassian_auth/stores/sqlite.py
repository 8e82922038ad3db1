"""The default store: one SQLite file, shared by all processes on a computer."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._local import LocalStore
from atlassian_auth.stores._private import resolve
from atlassian_auth.stores._sqlite_file import SQLiteFile
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import Target

__all__ = ["SQLiteStore"]

_GET = """
    SELECT value, version FROM records
    WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_KEYS = """
    SELECT key FROM records
    WHERE namespace = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_DELETE_EXPIRED = "DELETE FROM records WHERE expires_at <= ?"
_VERSION = "SELECT version FROM records WHERE namespace = ? AND key = ?"
_PUT = "REPLACE INTO records (namespace, key, value, expires_at) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM records WHERE namespace = ? AND key = ?"


class SQLiteStore(LocalStore):
    """Keeps records in a file that only its owner can read. ``put`` returns when the record is on the disk.

    Safe to use from any number of tasks, event loops, threads and processes on one computer, also after a
    fork. A call waits at most 10 s for other programs. Use a local file system: SQLite and the lock of a key
    need its locks. It supports Windows, but has not been run there yet. Next to the file SQLite creates
    ``<file>-wal`` and ``<file>-shm``, which are part of the database; the store creates the folder
    ``<file>-locks``.

    Args:
        path: The file. It is created if it does not exist; its folder must exist. ``~`` is the user's home.
        clock: Decides when a record has expired and when waiting for a lock times out.

    Raises:
        ConfigurationError: if ``path`` cannot be the path of a file.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock = SYSTEM_CLOCK) -> None:
        file = _resolve_path(os.fspath(path))
        self._file = SQLiteFile(file)
        locks = file.with_name(f"{file.name}-locks")
        super().__init__(f"SQLiteStore {file.name}", self._file.close, locks, clock)

    async def _get(self, target: Target) -> Stored | None:
        def get(database: sqlite3.Connection) -> Stored | None:
            row = database.execute(_GET, (*target.name, target.now)).fetchone()
            return row and Stored(*row)

        return await self._call(self._file.read, get)

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        def put(database: sqlite3.Connection) -> int:
            _check(database, target)
            database.execute(_PUT, (*target.name, value, expires_at))
            return _version(database, target)

        return await self._call(self._file.write, put)

    async def _delete(self, target: Target) -> bool:
        def delete(database: sqlite3.Connection) -> bool:
            _check(database, target)
            return database.execute(_DELETE, target.name).rowcount > 0

        return await self._call(self._file.write, delete)

    async def _keys(self, namespace: str, now: float) -> list[str]:
        def keys(database: sqlite3.Connection) -> list[str]:
            return [key for (key,) in database.execute(_KEYS, (namespace, now))]

        return await self._call(self._file.read, keys)


def _resolve_path(path: str) -> Path:
    if not path or path == ":memory:" or "\0" in path:
        message = (
            f"path={path!r} cannot be a file's path. Expected a path. To keep records in memory, use "
            "MemoryStore."
        )
        raise ConfigurationError(message, argument="path")
    return resolve(path)


def _check(database: sqlite3.Connection, target: Target) -> None:
    database.execute(_DELETE_EXPIRED, (target.now,))
    target.check(_version(database, target))


def _version(database: sqlite3.Connection, target: Target) -> int:
    row = database.execute(_VERSION, target.name).fetchone()
    return row[0] if row else ABSENT
