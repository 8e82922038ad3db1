"""A private folder that holds only records, in which each file is replaced completely or not at all.

A record is written to a new file, synced to the disk, and then moved over the old file. One process writes at
a time. So no process reads the new file before it is moved, and the next writer removes one that was left
behind. A version is on the disk before the record that has it, so no version is used twice.
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

from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.stores._locked_file import kernel_locks
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._private import (
    close_to_others,
    identity,
    open_file,
    opened_folder,
    replaced,
    sync_folder,
)
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
_RIGHTS = "This user must own the folder and all files in it, and be able to read and write them."
_PLACE = "It must be a folder, not a link, and its parent must exist. Correct that, or choose another path."
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
    """The records in one folder. It is opened when first needed, and safe to use from any thread.

    Args:
        path: An absolute path. The folder is created if it does not exist; its parent must exist.
    """

    def __init__(self, path: Path) -> None:
        self.locks = path / _LOCKS
        self._path = path
        # A fork waits for this guard, so that no descriptor is open then. A call that waits for another
        # writer does not hold it.
        self._guard = ForkLock()
        self._identity: tuple[int, int] | None = None
        self._expiring: list[tuple[float, str]] = []

    def open(self, patience: Patience) -> None:
        """Create the folder if needed, and check that it belongs to this user and can be written.

        Raises:
            StoreError: if it does not, or cannot.
        """
        with self._explain_errors():
            self._open(patience)

    def read(self, work: Callable[[], T], patience: Patience) -> T:
        """Call ``work``, which may use `find` and `find_all`, and return its result.

        Raises:
            StoreError: if the folder is another user's or cannot be used, or a file is damaged.
        """
        with self._explain_errors():
            self._open(patience)
            with self._lock_for_reading(patience):
                return work()

    def write(self, work: Callable[[], T], now: float, patience: Patience) -> T:
        """Delete expired records, call ``work`` while no other process writes, and return its result.

        Raises:
            StoreError: as `read`. Nothing was changed.
        """
        with self._explain_errors():
            self._open(patience)
            with self._lock_for_writing(patience):
                self._delete_expired(now)
                return work()

    def close(self) -> None:
        """Forget the folder. The next call opens it again."""
        with self._guard.lock:
            self._identity = None
            self._expiring.clear()

    def find(self, namespace: str, key: str) -> FiledRecord | None:
        """Return the record, also if it has expired."""
        path = self._path / file_name(namespace, key)
        return _load(path, lambda content: decode_named(namespace, key, content))

    def find_all(self, namespace: str) -> list[FiledRecord]:
        """Return the namespace's records, including those that have expired."""
        found = (_load(path) for path in self._path.glob(file_pattern(namespace)))
        return [record for record in found if record is not None]

    def next_version(self, present: FiledRecord | None) -> int:
        """Return a version that no record has ever had, and note it on the disk.

        Args:
            present: The record that is to be changed. If the folder was copied while a process wrote to it,
                the record's version can be higher than the noted one.
        """
        version = max(self._read_version(), present.version if present else ABSENT) + 1
        self._replace(_VERSION, FiledRecord("", "", version))
        return version

    def put(self, record: FiledRecord) -> None:
        """Store the record on the disk."""
        name = file_name(record.namespace, record.key)
        self._replace(name, record)
        self._note_expiry(name, record)

    def remove(self, *records: FiledRecord) -> None:
        """Remove the records from the disk."""
        for record in records:
            (self._path / file_name(record.namespace, record.key)).unlink(missing_ok=True)
        sync_folder(self._path, _sync)

    @contextmanager
    def _explain_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "Check that the file system works.")
            message = (
                f"{self._path} cannot be used ({error.strerror}). Its content was left as it is. "
                f"{advice}"
            )
            raise StoreError(message) from None

    @contextmanager
    def _lock_for_reading(self, patience: Patience) -> Generator[None]:
        # On Windows an open file cannot be replaced, so a reader must exclude writers.
        with self._lock_for_writing(patience) if kernel_locks().pins else self._guard.lock:
            yield

    @contextmanager
    def _lock_for_writing(self, patience: Patience) -> Generator[None]:
        with one_writer(self.locks / "write", patience), self._guard.lock:
            yield

    def _open(self, patience: Patience) -> None:
        opened = self._identity = self._identity or self._prepare(patience)
        if opened != identity(self._path):
            raise replaced(self._path, "folder")

    def _prepare(self, patience: Patience) -> tuple[int, int] | None:
        self._path.mkdir(mode=0o700, exist_ok=True)
        with self._guard.lock, opened_folder(self._path) as folder:
            _check_content(self._path)
            close_to_others(folder.handle, folder.status)
        with self._lock_for_writing(patience):
            # If the folder cannot be written, fail now, and not later when a refreshed token must be saved.
            self._replace(_VERSION, FiledRecord("", "", self._read_version()))
            self._note_stored_expiries()
        return identity(self._path)

    def _note_stored_expiries(self) -> None:
        for path in self._path.glob(ANY_FILE):
            record = _load_if_whole(path)
            if record is not None:
                self._note_expiry(path.name, record)

    def _note_expiry(self, name: str, record: FiledRecord) -> None:
        if record.expires_at is not None:
            heapq.heappush(self._expiring, (record.expires_at, name))

    def _delete_expired(self, now: float) -> None:
        names: set[str] = set()
        while self._expiring and self._expiring[0][0] <= now:
            names.add(heapq.heappop(self._expiring)[1])
        found = [_load_if_whole(self._path / name) for name in names]
        # A record that was stored again expires at another time, or never.
        expired = [record for record in found if record is not None and record.is_expired(now)]
        if expired:
            self.remove(*expired)

    def _read_version(self) -> int:
        record = _load(self._path / _VERSION)
        return ABSENT if record is None else record.version

    def _replace(self, name: str, record: FiledRecord) -> None:
        new = self._path / _NEW
        try:
            # A killed process may have left this file. No other process writes now.
            new.unlink(missing_ok=True)
            _write(new, encode(record))
            new.replace(self._path / name)
            sync_folder(self._path, _sync)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise


def _check_content(path: Path) -> None:
    others = sorted({entry.name for entry in path.iterdir()} - {_LOCKS, _NEW})
    # Check this last: another process may be creating the folder right now.
    if others and not (path / _VERSION).exists():
        message = (
            f"{path} contains other files, such as {others[0]!r}, and no records of this store. It was left "
            "as it is. Choose a folder that is empty or does not exist."
        )
        raise StoreError(message)


def _load(path: Path, read: Callable[[bytes], FiledRecord] = decode) -> FiledRecord | None:
    try:
        return read(_read_content(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"{path} {error}. It was left as it is.") from None


def _read_content(path: Path) -> bytes:
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        close_to_others(file.fileno(), os.fstat(file.fileno()))
        return file.read()


def _load_if_whole(path: Path) -> FiledRecord | None:
    # A damaged file is an error only for a caller that asks for this record.
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
