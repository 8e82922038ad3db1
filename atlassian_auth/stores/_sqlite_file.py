"""One private SQLite database that holds only records, and is closed during forks.

Before anything is written, the file is checked: it must belong to this user, and be empty or a database of
this store. Only SQLite opens the file: closing any other descriptor of it would drop all locks that SQLite
holds in this process (https://sqlite.org/howtocorrupt.html section 2.2). SQLite itself follows no link. After
a fork SQLite would take the parent's locks for the child's (tried; section 2.6), so a `ForkLock` closes the
database before. SQLite never waits for another program while the `ForkLock` is held, because a fork would
wait too.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.stores._patience import PATIENCE_SECONDS, Patience
from atlassian_auth.stores._private import check_file, close_to_others, identity, replaced

__all__ = ["SQLiteFile"]

T = TypeVar("T")

_APPLICATION_ID = int.from_bytes(b"AtAu")
_VERSION = 1

# AUTOINCREMENT never gives a number twice, not even after a deletion (https://sqlite.org/autoinc.html).
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
    """
    CREATE TABLE records (
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        expires_at REAL,
        UNIQUE (namespace, key)
    )
    """,
    "CREATE INDEX expiring ON records (expires_at) WHERE expires_at IS NOT NULL",
)

_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA fullfsync = ON",  # also on macOS, where fsync alone does not reach the disk
    "PRAGMA secure_delete = ON",  # a replaced token is overwritten in the file
    "PRAGMA journal_size_limit = 0",  # the log shrinks again after a long read let it grow
)

_ADVICE = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: (
            f"Another program kept it locked for all of the {PATIENCE_SECONDS:g} s that a call waits. End "
            "that program or its transaction, or try again."
        ),
        sqlite3.SQLITE_FULL: "Make room on the disk.",
        sqlite3.SQLITE_READONLY: "Make the file and its folder writable for this user.",
        sqlite3.SQLITE_CANTOPEN: "Make the file and its folder writable for this user.",
        sqlite3.SQLITE_NOTADB: "Choose another path.",
        sqlite3.SQLITE_CORRUPT: "Restore a backup, or move the file away and authorize again.",
    }
)


class SQLiteFile:
    """The database at one path. It is opened when first needed, and safe to use from any thread.

    Args:
        path: An absolute path. The folder must exist; the file is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = ForkLock(before=self._disconnect, in_child=self._abandon)
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def read(self, work: Callable[[sqlite3.Connection], T], patience: Patience) -> T:
        """Call ``work`` with the database and return its result. Retry while another program locks the file.

        Args:
            work: May be called several times, so it makes all its changes in one transaction.
            patience: How long to retry.

        Raises:
            StoreError: if the file is not this store's or cannot be used.
        """
        problem = ""
        for _ in patience.attempts():
            try:
                with self._guard.lock:
                    return work(self._connect())
            except sqlite3.Error as error:
                problem = _explain(error)
                if _error_kind(error) != sqlite3.SQLITE_BUSY:
                    break
            except OSError as error:
                problem = (
                    f"cannot be used ({error.strerror}). Its folder must exist, and this user must be able "
                    "to read and write both. Correct that, or choose another path."
                )
                break
        raise StoreError(f"{self._path} {problem}")

    def write(self, work: Callable[[sqlite3.Connection], T], patience: Patience) -> T:
        """Call ``work`` in a transaction, and return its result once the commit is on the disk.

        Raises:
            StoreError: as `read`. Nothing was changed.
        """
        return self.read(lambda connection: _commit(connection, work), patience)

    def close(self) -> None:
        """Close the database, if it is open."""
        with self._guard.lock:
            self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            _create(self._path)
            _check_ours(self._path)
            _check_content(self._path)
            _make_private(self._path)
            self._connection = _open(self._path)
            self._identity = identity(self._path)
        if self._identity != identity(self._path):
            # A write now would go to the removed file; and the log of the old file would damage a new one.
            log = f"{self._path.name}-wal and {self._path.name}-shm"
            raise replaced(self._path, "file", remove=f"remove {log}, ")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _abandon(self) -> None:
        _abandoned.append(self._connection)
        self._connection = None


# Connections that a child got by a fork in C code. Closing them would release the parent's locks.
_abandoned: list[sqlite3.Connection | None] = []

_creating = threading.Lock()


def _create(path: Path) -> None:
    # One at a time: this descriptor must be closed before SQLite opens the file in any thread.
    with _creating, suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check_content(path: Path) -> None:
    """Check that the file is empty or this store's, without locking or changing it."""
    size = path.stat().st_size  # read first: another process may be creating the database
    try:
        version = _inspect(path, "mode=ro&immutable=1")
    except sqlite3.DatabaseError:
        # Perhaps another process is creating it now. Without a lock that gives the same error.
        version = _inspect_with_lock(path)
    # For SQLite a file is empty if it is shorter than a page, or has all its content in its log.
    if not version and size:
        raise _foreign_file(path)


def _inspect_with_lock(path: Path) -> int:
    try:
        return _inspect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise  # pragma: no cover -- a file that cannot be read; root can read any
    # A process was killed during a change. `_open`, which may write, rolls that change back, and checks whose
    # file it is before it writes.
    return _VERSION


def _inspect(path: Path, options: str) -> int:
    connection = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=0)
    with closing(connection):
        return _read_version(connection, path)


def _read_version(connection: sqlite3.Connection, path: Path) -> int:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id == _APPLICATION_ID and 0 < version <= _VERSION:
        return int(version)
    if application_id == _APPLICATION_ID:
        message = (
            f"{path} was written by another release of atlassian_auth (its format is {version}, this release "
            f"reads {_VERSION}). It was left as it is. Upgrade, or choose another path."
        )
        raise StoreError(message)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id or version or tables:
        raise _foreign_file(path)
    return 0


def _foreign_file(path: Path) -> StoreError:
    return StoreError(
        f"{path} is another program's file. It was left as it is. Choose another path."
    )


def _files(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield those files of the database that exist, with their status, without opening them."""
    for suffix in ("", "-journal", "-shm", "-wal"):
        file = Path(f"{path}{suffix}")
        with suppress(FileNotFoundError):
            yield file, file.lstat()


def _check_ours(path: Path) -> None:
    for file, status in _files(path):
        check_file(file, status)


def _make_private(path: Path) -> None:
    for file, status in _files(path):
        # Another process may remove the log when it closes the database.
        with suppress(FileNotFoundError):
            close_to_others(file, status)


def _open(path: Path) -> sqlite3.Connection:
    # No timeout of SQLite: it would wait while the `ForkLock` is held. And it does not always wait while
    # another process creates or removes the log (https://sqlite.org/wal.html section 9; tried: of 600
    # openings by six processes at once, one failed).
    with ExitStack() as undo:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        undo.callback(connection.close)
        for setting in _SETTINGS:
            connection.execute(setting)
        _commit(connection, lambda connection: _prepare(connection, path))
        connection.execute("PRAGMA journal_mode = WAL")
        undo.pop_all()
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _read_version(connection, path):
        for statement in _SCHEMA:
            connection.execute(statement)
    # If the file cannot be written, fail now, and not later when a refreshed token must be saved. BEGIN
    # IMMEDIATE alone succeeds on such a file.
    connection.execute("DELETE FROM records WHERE version = 0")


def _commit(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        return work(connection)


def _explain(error: sqlite3.Error) -> str:
    advice = _ADVICE.get(_error_kind(error), "Check that the file system works.")
    return f"cannot be used ({error}). Its content was left as it is. {advice}"


def _error_kind(error: sqlite3.Error) -> int:
    # The low byte is the primary result code: https://sqlite.org/rescode.html
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
