"""The kernel's lock on an open file: ``flock`` on POSIX, a locked byte on Windows.

Both exclude every other descriptor of the file, also one of the same process, and end with the process that
holds them. They differ in one point: on POSIX an open file can be removed, and another file can get its name.
Windows neither removes nor renames an open file (https://docs.python.org/3/library/os.html#os.remove).
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from atlassian_auth.exceptions import StoreError

__all__ = ["Flock", "LockedByte", "kernel_locks"]


class Flock:
    """The locks of POSIX. A locked file may have been removed, so the holder checks its name.

    Args:
        fcntl: The module of that name.

    Attributes:
        pins: Whether a file that is open can be neither removed nor replaced.
    """

    pins: ClassVar[bool] = False

    def __init__(self, fcntl: ModuleType) -> None:
        self._fcntl = fcntl

    def take(self, descriptor: int, path: Path) -> bool:
        """Try once, and return whether the lock is held and the path still names its file.

        Raises:
            OSError: if the file system does not support locks.
        """
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
            return self.is_named(descriptor, path)
        except (BlockingIOError, FileNotFoundError):
            # Another process holds the lock, or has just released it and removed the file.
            return False

    def is_named(self, descriptor: int, path: Path) -> bool:
        """Return whether the path still names the open file.

        Raises:
            OSError: if no file has this name.
        """
        return os.path.samestat(os.fstat(descriptor), path.lstat())

    def remove(self, path: Path) -> None:
        """Remove the file while its lock is held."""
        path.unlink()


class LockedByte:
    """The locks of Windows. An open file keeps its name.

    The file is not removed after use. While a virus scanner reads a removed file, Windows refuses to open a
    new file of that name, with the same error as for a file that may not be opened.

    Args:
        msvcrt: The module of that name.

    Attributes:
        pins: Whether a file that is open can be neither removed nor replaced.
    """

    pins: ClassVar[bool] = True

    def __init__(self, msvcrt: ModuleType) -> None:
        self._msvcrt = msvcrt

    def take(self, descriptor: int, path: Path) -> bool:  # noqa: ARG002 -- the file keeps its name
        """Try once, and return whether the lock is held.

        Raises:
            OSError: if the file system does not support locks.
        """
        try:
            self._msvcrt.locking(descriptor, self._msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def is_named(self, descriptor: int, path: Path) -> bool:  # noqa: ARG002 -- as above
        """Return True."""
        return True

    def remove(self, path: Path) -> None:
        """Leave the file, which is empty."""


def kernel_locks() -> Flock | LockedByte:
    """Return the kind of locks that this operating system has.

    Raises:
        StoreError: if Python has neither of the two modules.
    """
    if _KERNEL_LOCKS is None:
        message = (
            "This Python has neither fcntl nor msvcrt, and this store needs one of them for its locks. Use "
            "RedisStore or PostgresStore."
        )
        raise StoreError(message)
    return _KERNEL_LOCKS


def _choose() -> Flock | LockedByte | None:
    for name, kind in (("fcntl", Flock), ("msvcrt", LockedByte)):
        try:
            return kind(import_module(name))
        except ImportError:
            continue
    return None


_KERNEL_LOCKS = _choose()
