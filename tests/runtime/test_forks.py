"""A fork waits until each `ForkLock` is free, and leaves it free in parent and child."""

from __future__ import annotations

import os

import pytest

from atlassian_auth.ports._runtime.forks import ForkLock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# A thread is inside when the fork begins. (Handlers registered last are called first.)
FORK = """
import os, threading
from atlassian_auth.ports._runtime.forks import ForkLock

log = []
lock = ForkLock(before=lambda: log.append("before"), in_child=lambda: log.append("child"))
entered, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)

def work():
    with lock.lock:
        entered.set()
        forking.wait()
        log.append("worked")

threading.Thread(target=work).start()
entered.wait()
child = os.fork()
with lock.lock, ForkLock().lock:
    if child:
        assert os.waitpid(child, 0)[1] == 0
    print(*log, sep="-", flush=True)
"""

# A fork in C, such as uWSGI's, runs the handlers of the child only.
FORK_IN_C = """
from atlassian_auth.ports._runtime import forks

log = []
lock = forks.ForkLock(in_child=lambda: log.append("child"))
lock.lock.acquire()
forks._forking.acquire()
forks._after_fork_in_child()
with lock.lock, forks.ForkLock().lock:
    print(*log)
"""


def test_excludes_threads():
    """Only one thread holds the lock at a time."""
    lock = ForkLock()

    with lock.lock:
        assert not lock.lock.acquire(blocking=False)
    assert lock.lock.acquire(blocking=False)


def test_a_fork_waits(run):
    """A fork waits for the holder of the lock; afterwards it is free in parent and child."""
    assert run(FORK) == ["worked-before-child", "worked-before"]


def test_a_fork_that_does_not_wait(run):
    """After a fork in C, which calls nothing before it, the child's locks are free too."""
    assert run(FORK_IN_C) == ["child"]
