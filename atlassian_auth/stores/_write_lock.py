"""One writer at a time, for calls that block in a worker's thread.

Unlike a key's lock it is held for one change only, by the thread that makes it: a caller who is
cancelled cannot let go of it while the change is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores._kernel_lock import _FileLock

__all__ = ["one_writer"]

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.002


@contextmanager
def one_writer(
    path: Path,
    *,
    patience_seconds: float = _PATIENCE_SECONDS,
    pause: Callable[[float], object] = time.sleep,  # noqa: TID251 -- in the worker's own thread
) -> Generator[None]:
    """Exclude all threads and processes of this computer that name the same path.

    Raises:
        StoreError: if others write for too long, or the operating system refuses.
    """
    lock = _FileLock(path)
    deadline = time.monotonic() + patience_seconds
    try:
        while not lock.acquire():
            if time.monotonic() >= deadline:
                message = (
                    f"{path} is locked: another process keeps writing. End that, or try again."
                )
                raise StoreError(message)
            pause(_PAUSE_SECONDS)
        yield
    finally:
        lock.release()
