"""Locks that no thread holds while the process forks.

A fork copies all memory, but only the thread that forks. If another thread holds a lock at that moment, the
lock is held for ever in the child, and connections and descriptors are shared with the parent. So a fork
waits until each `ForkLock` is free; then the owner of the lock is called, before the fork and in the child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["ForkLock"]


def _do_nothing() -> None:
    """Do nothing."""


class ForkLock:
    """A lock for ``with guard.lock: ...``; the process forks only while it is free.

    This object is no context manager itself: an interrupt (Ctrl-C) could come after an ``__enter__`` written
    in Python has taken the lock and before the block begins that would release it.

    Args:
        before: Called with the lock held, just before the process forks.
        in_child: Called in the child, where the lock is free.

    Attributes:
        lock: The lock; a new one in the child.
    """

    def __init__(
        self,
        *,
        before: Callable[[], None] = _do_nothing,
        in_child: Callable[[], None] = _do_nothing,
    ) -> None:
        self._before = before
        self._in_child = in_child
        self.lock: threading.Lock = threading.Lock()
        with _forking:
            _locks.add(self)

    def before_fork(self) -> None:
        """Take the lock, and call ``before``."""
        self.lock.acquire()
        _held_for_fork.append(self)
        self._before()

    def after_fork_in_parent(self) -> None:
        """Release the lock in the parent."""
        self.lock.release()

    def after_fork_in_child(self) -> None:
        """Make a new lock in the child, and call ``in_child``.

        The old lock may be held: a program that forks in C, as uWSGI does, never calls `before_fork`.
        """
        self.lock = threading.Lock()
        self._in_child()


_forking = threading.Lock()
_locks: WeakSet[ForkLock] = WeakSet()
_held_for_fork: list[ForkLock] = []


def _before_fork() -> None:
    _forking.acquire()
    for lock in list(_locks):
        lock.before_fork()


def _after_fork_in_parent() -> None:
    while _held_for_fork:
        _held_for_fork.pop().after_fork_in_parent()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking  # noqa: PLW0603 -- a new lock, as in ForkLock.after_fork_in_child
    _forking = threading.Lock()
    _held_for_fork.clear()
    for lock in list(_locks):
        lock.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
