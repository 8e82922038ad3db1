"""Locks that the kernel frees when their holder dies: on a small file per key.

On POSIX the holder removes the file before it lets go. So whoever gets the lock of a file must see that the
path still names that file, and not a newer one that another holder has locked. No other user may
write the folder: who can remove a file there can make a second holder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports import Clock
from atlassian_auth.stores._locked_file import kernel_locks
from atlassian_auth.stores._private import (
    check_closed,
    close_to_others,
    open_file,
    opened_folder,
)
from atlassian_auth.stores.base import Hold
from atlassian_auth.stores.rules import lock_timeout

__all__ = ["KernelLocks"]

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.02
_PAUSE_GROWTH = 1.5


class KernelLocks:
    """One lock per key, for all tasks, threads and processes of this computer.

    Args:
        folder: Where the files are; made (0700) when first needed. One that is another user's, or a link,
            or that others can write, is refused.
        clock: Paces the attempts and ends them.
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
            StoreError: if the operating system refuses.
        """
        lock = _FileLock(self._folder / _file_name(namespace, key))
        try:
            if not await self._acquire(lock, timeout_seconds):
                raise lock_timeout(namespace, key, timeout_seconds)
            yield lock
        finally:
            lock.release()

    async def _acquire(self, lock: _FileLock, timeout_seconds: float) -> bool:
        # Attempts that never block: a thread that waits for the kernel cannot be cancelled, and would
        # take the lock for a caller who is gone.
        pause = _FIRST_PAUSE_SECONDS
        try:
            async with self._clock.timeout(timeout_seconds):
                while not lock.acquire():
                    await self._clock.sleep(pause)
                    pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)
        except TimeoutError:
            return lock.acquire()
        return True


def _missing(folder: Path) -> Path | None:
    """Return the first folder on the way to this one that is missing; None if none is."""
    way = [*reversed(folder.parents), folder]
    return next((one for one in way if not os.path.exists(one)), None)  # noqa: PTH110 -- never raises


class _FileLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Try once, and return whether the lock is held."""
        with _guard.lock:
            try:
                if self._descriptor is None:
                    self._descriptor = _attempt(self._path)
            except OSError as error:
                reason = error.strerror
            else:
                _held.add(self)
                return self._descriptor is not None
        folder = self._path.parent
        message = (
            f"{folder}: cannot lock a file there ({reason}). {_missing(folder) or 'That folder'} must exist "
            "and be writable for this user, and not a link, on a file system that has locks."
        )
        raise StoreError(message)

    async def confirm(self, seconds: float = 0) -> bool:  # noqa: ARG002 -- it ends with the process
        """Return whether the lock is held, and its file is still the one that others would lock."""
        with _guard.lock:
            return self._is_in_place()

    def release(self) -> None:
        """Let go, if the lock is held, and leave no file behind that could be removed."""
        with _guard.lock:
            # Another file of that name is another holder's.
            if self._is_in_place():
                with suppress(OSError):
                    kernel_locks().remove(self._path)
            self.close()

    def close(self) -> None:
        """Close the file; the lock is free then, unless the process we were forked from has it."""
        _held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_in_place(self) -> bool:
        try:
            return self._descriptor is not None and kernel_locks().is_named(
                self._descriptor, self._path
            )
        except OSError:
            return False


_held: set[_FileLock] = set()


def _drop_inherited() -> None:
    # The parent's locks are the parent's; a descriptor kept here would hold them beyond its death.
    for lock in list(_held):
        lock.close()


_guard = ForkLock(in_child=_drop_inherited)


def _file_name(namespace: str, key: str) -> str:
    return hashlib.sha256(f"{len(namespace)}:{namespace}{key}".encode()).hexdigest()


def _attempt(path: Path) -> int | None:
    descriptor = _open(path)
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        if kernel_locks().take(descriptor, path):
            undo.pop_all()
            return descriptor
    return None


def _open(path: Path) -> int:
    # Asked before anything is made.
    kernel_locks()
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
