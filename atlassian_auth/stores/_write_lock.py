"""One writer at a time, for blocking calls in a worker's thread.

Unlike a key's lock it is held for one change only, by the thread that makes the change. So cancelling the
caller cannot release it before the change is complete.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores._kernel_lock import FileLock
from atlassian_auth.stores._patience import PATIENCE_SECONDS, Patience

__all__ = ["one_writer"]


@contextmanager
def one_writer(path: Path, patience: Patience) -> Generator[None]:
    """Exclude all threads and processes of this computer that name the same path.

    Args:
        path: The lock's file.
        patience: How long to try.

    Raises:
        StoreError: if another process holds the lock for too long, or the operating system reports an error.
    """
    lock = FileLock(path)
    try:
        if not any(lock.acquire() for _ in patience.attempts()):
            message = (
                f"{path} is locked: another process was writing for all of the {PATIENCE_SECONDS:g} s that a "
                "call waits. Nothing was changed. End that process, or try again."
            )
            raise StoreError(message)
        yield
    finally:
        lock.release()
