"""Locks that are whole when the process forks.

A fork copies all memory but one thread only. What another thread was in the middle of stays in the
middle for ever in the child: locks held, connections and descriptors shared with the parent.
So a fork waits until nobody holds a `ForkLock`, and the lock's owner puts its things in order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["ForkLock"]


def _nothing() -> None:
    """Have nothing to put in order."""


class ForkLock:
    """Excludes threads from each other, and forks from all of them: ``with guard.lock: ...``.

    It is no context manager itself. An interrupt can come between any two calls of Python code, so also
    after an ``__enter__`` of ours had taken the lock and before the block began that would free it.

    Args:
        before: Called with the lock held, just before the process forks.
        in_child: Called in the child; nobody holds the lock there.

    Attributes:
        lock: The lock; another one in the child.
    """

    def __init__(
        self, *, before: Callable[[], None] = _nothing, in_child: Callable[[], None] = _nothing
    ) -> None:
        self._before = before
        self._in_child = in_child
        self.lock: threading.Lock = threading.Lock()
        with _forking:
            _locks.add(self)

    def rest(self) -> None:
        """Take the lock for as long as the fork takes."""
        self.lock.acquire()
        _resting.append(self)
        self._before()

    def wake(self) -> None:
        """Go on in the parent."""
        self.lock.release()

    def begin_anew(self) -> None:
        """Start over in the child.

        With a new lock: a fork in C (as of uWSGI) never asked the old one to rest.
        """
        self.lock = threading.Lock()
        self._in_child()


_forking = threading.Lock()
_locks: WeakSet[ForkLock] = WeakSet()
_resting: list[ForkLock] = []


def _before_fork() -> None:
    _forking.acquire()
    for lock in list(_locks):
        lock.rest()


def _after_fork_in_parent() -> None:
    while _resting:
        _resting.pop().wake()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking  # noqa: PLW0603 -- as in begin_anew
    _forking = threading.Lock()
    _resting.clear()
    for lock in list(_locks):
        lock.begin_anew()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
