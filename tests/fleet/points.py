"""Kills a process at a point that it reports, after a number of steps, or when the kernel's timer ends.

Nothing of this is in the library: a store and a sender around the real ones report where a refresh is,
and the interpreter's profiling hook counts its steps.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.harness.store import WatchedStore

# Where processes are killed, in the order in which a refresh passes them. "sent" is seen by the server,
# which holds its answer. Reported are "read", "confirmed" and "before unlock", too.
POINTS = (
    "before lock",
    "after lock",
    "before sending",
    "sent",
    "answered",
    "before save",
    "saved",
    "after unlock",
)
# What the points of a watched store are called in reports.
_NAMES = {
    "lock": "before lock",
    "locked": "after lock",
    "got": "read",
    "put": "before save",
    "saved": "saved",
    "release": "before unlock",
    "released": "after unlock",
}


@dataclass(frozen=True)
class Kill:
    """How a process is to be killed during its next refresh.

    Args:
        kind: ``"point"``, ``"steps"`` or ``"timer"``; ``""`` if it is to live.
        point: The point at which it is killed.
        amount: The number of steps, or of seconds, after which it is killed.
        saving: Steps and seconds count from the beginning of the save, otherwise of the refresh.
    """

    kind: str = ""
    point: str = ""
    amount: float = 0
    saving: bool = False


@dataclass
class Duration:
    """How long a refresh took, in seconds and in steps, and when its save had ended."""

    seconds: float
    saving_seconds: float
    steps: int
    saving_steps: int
    saved_at: float


class Killer:
    """Watches the refreshes of its own process, and kills the process where it is ordered to.

    Args:
        at_point: Called with the point at which the process is to be killed.
    """

    def __init__(self, at_point):
        self._at_point = at_point
        self._kill = Kill()
        self._steps = 0
        self._last = 0
        self._at = {}
        self._steps_at = {}

    def count_steps(self):
        """Count the steps of threads that are started from now on; that makes them slow."""
        threading.setprofile(self._step)

    def begin(self, kill):
        """Begin to watch a refresh, and kill the process as ordered."""
        self._kill = kill
        self._last = 0
        self._start("begin", saving=False)

    def end(self):
        """Stop watching, and return how long the refresh took."""
        self._last = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        at, steps = self._at, self._steps_at
        now = time.perf_counter()
        return Duration(
            now - at["begin"],
            at["saved"] - at["before save"],
            self._steps - steps["begin"],
            steps["saved"] - steps["before save"],
            at["saved"],
        )

    def reach(self, point):
        self._at[point] = time.perf_counter()
        self._steps_at[point] = self._steps
        if self._kill.kind == "point" and self._kill.point == point:
            self._at_point(point)
        if point == "before save":
            self._start(point, saving=True)

    def _start(self, point, *, saving):
        self._at[point] = time.perf_counter()
        self._steps_at[point] = self._steps
        if self._kill.kind == "steps" and self._kill.saving is saving:
            self._last = self._steps + max(int(self._kill.amount), 1)
        if self._kill.kind == "timer" and self._kill.saving is saving:
            # SIGALRM at its default: the kernel ends the process, as SIGKILL does, whatever it does.
            signal.setitimer(signal.ITIMER_REAL, max(self._kill.amount, 1e-6))

    def _step(self, frame, event, argument):
        self._steps += 1
        if self._last and self._steps >= self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class ReportingStore(WatchedStore):
    """A store that reports when a refresh locks, reads, saves and unlocks."""

    def __init__(self, store, killer):
        super().__init__(store)
        self._killer = killer

    async def reach(self, point, namespace, key, value=None):
        if point in _NAMES and (point != "got" or self.held):
            self._killer.reach(_NAMES[point])

    @asynccontextmanager
    async def lock(self, *arguments, **options):
        async with super().lock(*arguments, **options) as hold:
            yield _ReportingHold(hold, self._killer)


class _ReportingHold:
    """A lock that reports when it has been confirmed."""

    def __init__(self, hold, killer):
        self._hold = hold
        self._killer = killer

    async def confirm(self, seconds=0):
        held = await self._hold.confirm(seconds)
        self._killer.reach("confirmed")
        return held


class ReportingSender:
    """A sender that reports when it sends, and when it has the answer."""

    def __init__(self, sender, killer):
        self._sender = sender
        self._killer = killer
        self.aclose = sender.aclose

    async def send(self, request):
        self._killer.reach("before sending")
        response = await self._sender.send(request)
        self._killer.reach("answered")
        return response
