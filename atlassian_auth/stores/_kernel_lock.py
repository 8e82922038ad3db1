"""One lock per key, on a small file. The kernel frees it when the process that holds it dies.

On POSIX the holder removes the file before it releases the lock. So a process that gets the lock checks that
the path still names the locked file, and not a newer file that another process has locked. No other user may
write to the folder: a user who removes a lock's file lets a second process get the same lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports import Clock
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.stores._locked_file import kernel_locks
from atlassian_auth.stores._private import (
    check_closed,
    close_to_others,
    open_file,
    opened_folder,
)
from atlassian_auth.stores.base import Hold
from atlassian_auth.stores.rules import lock_timeout

__all__ = ["FileLock", "KernelLocks"]

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.02
_PAUSE_GROWTH = 1.5


class KernelLocks:
    """One lock per key, for all tasks, threads and processes of this computer.

    Args:
        folder: The folder of the lock files; created (0700) when first needed. A folder is refused if
            another user owns it, if other users can write to it, or if it is a link.
        clock: Times the attempts and the timeout.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    @asynccontextmanager
    async def hold(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AsyncGenerator[Hold]:
        """Hold the key's lock.

        Raises:
            TimeoutError: on entering, if others held it for all of ``timeout_seconds``.
            StoreError: if the operating system reports an error.
        """
        lock = FileLock(self._folder / _file_name(namespace, key))
        try:
            if not await self._acquire(lock, timeout_seconds):
                raise lock_timeout(namespace, key, timeout_seconds)
            yield lock
        finally:
            lock.release()

    async def _acquire(self, lock: FileLock, timeout_seconds: float) -> bool:
        # No attempt blocks: a thread that waits in the kernel cannot be cancelled, and would take the lock
        # for a caller that has been cancelled.
        pause = _FIRST_PAUSE_SECONDS
        try:
            async with self._clock.timeout(timeout_seconds):
                while not lock.acquire():
                    await self._clock.sleep(pause)
                    pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)
        except TimeoutError:
            return lock.acquire()
        return True


def _first_missing(folder: Path) -> Path | None:
    """Return the topmost folder of this path that does not exist, or None if all exist."""
    folders = [*reversed(folder.parents), folder]
    return next((one for one in folders if not os.path.exists(one)), None)  # noqa: PTH110 -- never raises


class FileLock:
    """The lock of one file, which one task or thread tries to hold.

    Args:
        path: The file; it is created when the lock is first tried.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Try once, and return whether the lock is held."""
        with _guard.lock:
            try:
                if self._descriptor is None:
                    self._descriptor = _try_lock(self._path)
            except OSError as error:
                reason = error.strerror
            else:
                _held.add(self)
                return self._descriptor is not None
        folder = self._path.parent
        message = (
            f"{folder}: cannot lock a file there ({reason}). {_first_missing(folder) or 'That folder'} "
            "must exist and be writable for this user, must not be a link, and must be on a file system that "
            "supports locks."
        )
        raise StoreError(message)

    async def confirm(self, seconds: float = 0) -> bool:  # noqa: ARG002 -- the lock ends with the process
        """Return whether the lock is held and its path still names the locked file."""
        with _guard.lock:
            return self._is_still_named()

    def release(self) -> None:
        """Release the lock if it is held, and remove its file where the system allows it."""
        with _guard.lock:
            # If the path names another file, that file belongs to another holder.
            if self._is_still_named():
                with suppress(OSError):
                    kernel_locks().remove(self._path)
            self.close()

    def close(self) -> None:
        """Close the file. This frees the lock, unless the parent of a forked process holds it."""
        _held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_still_named(self) -> bool:
        try:
            return self._descriptor is not None and kernel_locks().is_named(
                self._descriptor, self._path
            )
        except OSError:
            return False


_held: set[FileLock] = set()


def _drop_inherited() -> None:
    # These locks belong to the parent. A descriptor that stays open here would keep them after it has died.
    for lock in list(_held):
        lock.close()


_guard = ForkLock(in_child=_drop_inherited)


def _file_name(namespace: str, key: str) -> str:
    return hashlib.sha256(f"{len(namespace)}:{namespace}{key}".encode()).hexdigest()


def _try_lock(path: Path) -> int | None:
    descriptor = _open(path)
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        if kernel_locks().take(descriptor, path):
            undo.pop_all()
            return descriptor
    return None


def _open(path: Path) -> int:
    kernel_locks()  # raises before a file or folder is created
    try:
        return _open_in_folder(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return _open_in_folder(path)


def _open_in_folder(path: Path) -> int:
    with opened_folder(path.parent) as folder:
        check_closed(path.parent, folder.status)
        close_to_others(folder.handle, folder.status)
        return open_file(path, os.O_RDWR | os.O_CREAT, folder)
