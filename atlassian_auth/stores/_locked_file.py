"""The kernel's lock on a file that is open here: ``flock`` of POSIX, or a locked byte of Windows.

Either one excludes all other openings of the file, those of this process included, and ends with the
process that holds it. They differ in what may become of the file meanwhile: on POSIX it can be removed, and
another file get its name; Windows neither removes nor renames a file that is open
(https://docs.python.org/3/library/os.html#os.remove).
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
    """Locks of POSIX. What is locked can have lost its name, so its holder looks.

    Args:
        fcntl: The module of that name.

    Attributes:
        pins: Whether a file that is open can be neither removed nor replaced.
    """

    pins: ClassVar[bool] = False

    def __init__(self, fcntl: ModuleType) -> None:
        self._fcntl = fcntl

    def take(self, descriptor: int, path: Path) -> bool:
        """Try once, and return whether the lock is held of the file that has this name.

        Raises:
            OSError: if the file system has no locks.
        """
        try:
            self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
            return self.is_named(descriptor, path)
        except (BlockingIOError, FileNotFoundError):
            # Another holder has the lock; or has let go of it, and removed the file.
            return False

    def is_named(self, descriptor: int, path: Path) -> bool:
        """Return whether the path still names the file that is open.

        Raises:
            OSError: if it names nothing.
        """
        return os.path.samestat(os.fstat(descriptor), path.lstat())

    def remove(self, path: Path) -> None:
        """Remove the file while its lock is held."""
        path.unlink()


class LockedByte:
    """Locks of Windows. What is open keeps its name, and stays when it is closed.

    It is not removed: while a scanner looks into a file that was removed, no file of that name can be
    opened, and that looks the same as a refusal.

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
            OSError: if the file system has no locks.
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
        """Leave the file: it is empty."""


def kernel_locks() -> Flock | LockedByte:
    """Return the locks of this operating system.

    Raises:
        StoreError: if it has neither.
    """
    if _KERNEL_LOCKS is None:
        message = (
            "This Python has neither fcntl nor msvcrt, of which the locks of this store are made. Choose "
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
