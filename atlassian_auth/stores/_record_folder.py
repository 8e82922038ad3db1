"""A folder that is certainly ours, private to its owner, in which files change as a whole or not.

A file is written beside the old one, brought to the disk, and moved into its place. One process
writes at a time, so what lies beside is read by nobody, and whoever writes next removes it.
The highest version ever given is on the disk before the record that gets it.
"""

from __future__ import annotations

import errno
import heapq
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores._locked_file import kernel_locks
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._private import close_to_others, open_file, opened_folder, sync_folder
from atlassian_auth.stores._record_file import (
    ANY_FILE,
    FiledRecord,
    decode,
    decode_named,
    encode,
    file_name,
    file_pattern,
)
from atlassian_auth.stores._write_lock import one_writer
from atlassian_auth.stores.base import ABSENT

__all__ = ["RecordFolder"]

T = TypeVar("T")

_LOCKS = "locks"
_NEW = "new"
_VERSION = "version"

_ROOM = "Make room on the disk."
_RIGHTS = "Make the folder and all files in it this user's own, to read and to write."
_PLACE = "It must be a folder, not a link, in one that exists. Correct that, or choose another."
_ADVICE = MappingProxyType(
    {
        errno.ENOSPC: _ROOM,
        errno.EDQUOT: _ROOM,
        errno.EFBIG: _ROOM,
        errno.EACCES: _RIGHTS,
        errno.EPERM: _RIGHTS,
        errno.EROFS: _RIGHTS,
        errno.ENOENT: _PLACE,
        errno.ENOTDIR: _PLACE,
        errno.EEXIST: _PLACE,
        errno.ELOOP: _PLACE,
    }
)


class RecordFolder:
    """The records in one folder; opened when they are needed, safe to use from any thread.

    Args:
        path: Absolute; made if there is none, in a folder that exists.
    """

    def __init__(self, path: Path) -> None:
        self.locks = path / _LOCKS
        self._path = path
        # A fork waits until no descriptor is open. Not held while waiting for other writers.
        self._guard = ForkLock()
        self._identity: tuple[int, int] | None = None
        self._mortal: list[tuple[float, str]] = []

    def open(self, patience: Patience) -> None:
        """Make the folder if there is none, and see that it is ours and can be written.

        Raises:
            StoreError: if it is not, or cannot.
        """
        with self._explained():
            self._open(patience)

    def read(self, work: Callable[[], T], patience: Patience) -> T:
        """Return what ``work`` returns, which may use `find` and `find_all`.

        Raises:
            StoreError: if the folder is not ours or cannot be used, or a file is damaged.
        """
        with self._explained():
            self._open(patience)
            with self._reading(patience):
                return work()

    def write(self, work: Callable[[], T], now: float, patience: Patience) -> T:
        """Return what ``work`` returns, while nobody else writes; records that are over are removed.

        Raises:
            StoreError: as `read`; nothing has changed then.
        """
        with self._explained():
            self._open(patience)
            with self._alone(patience):
                self._bury(now)
                return work()

    def close(self) -> None:
        """Forget the folder until it is used again."""
        with self._guard.lock:
            self._identity = None
            self._mortal.clear()

    def find(self, namespace: str, key: str) -> FiledRecord | None:
        """Return the record, also if it is over."""
        path = self._path / file_name(namespace, key)
        return _load(path, lambda content: decode_named(namespace, key, content))

    def find_all(self, namespace: str) -> list[FiledRecord]:
        """Return the namespace's records, those that are over included."""
        found = (_load(path) for path in self._path.glob(file_pattern(namespace)))
        return [record for record in found if record is not None]

    def next_version(self, present: FiledRecord | None) -> int:
        """Return a version that no record ever had, and never will have again.

        Args:
            present: The record that gets it, as it is. In a folder that was copied while it was written to
                it can be ahead of what is noted.
        """
        version = max(self._version(), present.version if present else ABSENT) + 1
        self._replace(_VERSION, FiledRecord("", "", version))
        return version

    def put(self, record: FiledRecord) -> None:
        """Put the record in its place, durably."""
        name = file_name(record.namespace, record.key)
        self._replace(name, record)
        self._expect_end(name, record)

    def remove(self, *records: FiledRecord) -> None:
        """Remove the records, durably."""
        for record in records:
            (self._path / file_name(record.namespace, record.key)).unlink(missing_ok=True)
        sync_folder(self._path, _sync)

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "See that the file system is well.")
            message = (
                f"{self._path} cannot be used ({error.strerror}). What it holds was left as it is. "
                f"{advice}"
            )
            raise StoreError(message) from None

    @contextmanager
    def _reading(self, patience: Patience) -> Generator[None]:
        # Where no file can be replaced that is open, who reads would hinder who writes.
        with self._alone(patience) if kernel_locks().pins else self._guard.lock:
            yield

    @contextmanager
    def _alone(self, patience: Patience) -> Generator[None]:
        with one_writer(self.locks / "write", patience), self._guard.lock:
            yield

    def _open(self, patience: Patience) -> None:
        identity = self._identity = self._identity or self._prepare(patience)
        if identity != _identity(self._path):
            message = (
                f"{self._path} was removed or replaced while it was in use. Move the folder that was there "
                "back: then all goes on, and a token that could not be saved is saved; it is lost if its "
                "process ends before. Only if that folder is gone for good, end all processes that use it, "
                "and start them again."
            )
            raise StoreError(message)

    def _prepare(self, patience: Patience) -> tuple[int, int] | None:
        self._path.mkdir(mode=0o700, exist_ok=True)
        with self._guard.lock, opened_folder(self._path) as folder:
            _check_content(self._path)
            close_to_others(folder.handle, folder.status)
        with self._alone(patience):
            # A folder that cannot be written is told now, not when a refreshed token is to be saved.
            self._replace(_VERSION, FiledRecord("", "", self._version()))
            self._look_through()
        return _identity(self._path)

    def _look_through(self) -> None:
        for path in self._path.glob(ANY_FILE):
            record = _load_if_whole(path)
            if record is not None:
                self._expect_end(path.name, record)

    def _expect_end(self, name: str, record: FiledRecord) -> None:
        if record.expires_at is not None:
            heapq.heappush(self._mortal, (record.expires_at, name))

    def _bury(self, now: float) -> None:
        names: set[str] = set()
        while self._mortal and self._mortal[0][0] <= now:
            names.add(heapq.heappop(self._mortal)[1])
        found = [_load_if_whole(self._path / name) for name in names]
        # A record that was stored anew has another time, or none.
        over = [record for record in found if record is not None and record.is_over(now)]
        if over:
            self.remove(*over)

    def _version(self) -> int:
        record = _load(self._path / _VERSION)
        return ABSENT if record is None else record.version

    def _replace(self, name: str, record: FiledRecord) -> None:
        new = self._path / _NEW
        try:
            # Left by a process that was killed: there is one writer, and it is here.
            new.unlink(missing_ok=True)
            _write(new, encode(record))
            new.replace(self._path / name)
            sync_folder(self._path, _sync)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _check_content(path: Path) -> None:
    others = sorted({entry.name for entry in path.iterdir()} - {_LOCKS, _NEW})
    # Looked at last: another process may be making it.
    if others and not (path / _VERSION).exists():
        message = (
            f"{path} holds other things, such as {others[0]!r}, and no records of this store. It was "
            "left as it is: choose a folder that is empty, or not there."
        )
        raise StoreError(message)


def _load(path: Path, read: Callable[[bytes], FiledRecord] = decode) -> FiledRecord | None:
    try:
        return read(_content(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"{path} {error}. It was left as it is.") from None


def _content(path: Path) -> bytes:
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        close_to_others(file.fileno(), os.fstat(file.fileno()))
        return file.read()


def _load_if_whole(path: Path) -> FiledRecord | None:
    # What is damaged, or not ours, is told to the caller who asks for it, and hinders no other.
    try:
        return _load(path)
    except StoreError:
        return None


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _sync(descriptor)


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
    if sys.platform == "darwin":  # pragma: no cover -- where fsync alone does not reach the disk
        import fcntl  # noqa: PLC0415 -- POSIX only

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
