"""Where a process dies: at a point it reports, after so many steps, or when the kernel's timer ends.

Nothing of this is in the library: a store and a sender around the real ones say where a refresh is,
and the interpreter's profiling hook counts its steps.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass

# Where processes are killed, in the order in which a refresh passes them. "sent" is seen by the server,
# which holds its answer. Watched are "read", "confirmed" and "before unlock", too.
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


@dataclass(frozen=True)
class Doom:
    """How a process is to die during its next refresh.

    Args:
        kind: ``"point"``, ``"steps"``, ``"timer"``; or ``""``: it is left alone.
        point: At which one.
        amount: After how many steps, or seconds.
        saving: Steps and seconds count from the beginning of the save, otherwise of the refresh.
    """

    kind: str = ""
    point: str = ""
    amount: float = 0
    saving: bool = False


@dataclass
class Took:
    """What a refresh that was left alone took, and when its save had ended."""

    seconds: float
    saving_seconds: float
    steps: int
    saving_steps: int
    saved_at: float


class Fate:
    """Watches one process's refreshes, and ends the process as its doom says.

    Args:
        meet: Told the point at which the process is to be killed; does not return.
    """

    def __init__(self, meet):
        self._meet = meet
        self._doom = Doom()
        self._steps = 0
        self._last = 0
        self._at = {}
        self._steps_at = {}

    def count_steps(self):
        """Count what threads that are started from now on do; that makes them slow."""
        threading.setprofile(self._step)

    def begin(self, doom):
        self._doom = doom
        self._last = 0
        self._start("begin", saving=False)

    def end(self):
        """Return what the refresh took that was survived."""
        self._last = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        at, steps = self._at, self._steps_at
        now = time.perf_counter()
        return Took(
            now - at["begin"],
            at["saved"] - at["before save"],
            self._steps - steps["begin"],
            steps["saved"] - steps["before save"],
            at["saved"],
        )

    def reach(self, point):
        self._at[point] = time.perf_counter()
        self._steps_at[point] = self._steps
        if self._doom.kind == "point" and self._doom.point == point:
            self._meet(point)
        if point == "before save":
            self._start(point, saving=True)

    def _start(self, point, *, saving):
        self._at[point] = time.perf_counter()
        self._steps_at[point] = self._steps
        if self._doom.kind == "steps" and self._doom.saving is saving:
            self._last = self._steps + max(int(self._doom.amount), 1)
        if self._doom.kind == "timer" and self._doom.saving is saving:
            # SIGALRM at its default: the kernel ends the process, as SIGKILL does, whatever it does.
            signal.setitimer(signal.ITIMER_REAL, max(self._doom.amount, 1e-6))

    def _step(self, frame, event, argument):
        self._steps += 1
        if self._last and self._steps >= self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedStore:
    """A store that says when it locks, saves and unlocks."""

    def __init__(self, store, fate):
        self._store = store
        self._fate = fate
        self._locked = False
        self.delete = store.delete
        self.keys = store.keys
        self.aclose = store.aclose

    async def get(self, *arguments):
        stored = await self._store.get(*arguments)
        if self._locked:
            self._fate.reach("read")
        return stored

    async def put(self, *arguments, **options):
        self._fate.reach("before save")
        version = await self._store.put(*arguments, **options)
        self._fate.reach("saved")
        return version

    @asynccontextmanager
    async def lock(self, *arguments, **options):
        self._fate.reach("before lock")
        async with self._store.lock(*arguments, **options) as hold:
            self._fate.reach("after lock")
            self._locked = True
            try:
                yield WatchedHold(hold, self._fate)
            finally:
                self._locked = False
            self._fate.reach("before unlock")
        self._fate.reach("after unlock")


class WatchedHold:
    """A lock that says when it has been confirmed."""

    def __init__(self, hold, fate):
        self._hold = hold
        self._fate = fate

    async def confirm(self, seconds=0):
        held = await self._hold.confirm(seconds)
        self._fate.reach("confirmed")
        return held


class WatchedSender:
    """A sender that says when it sends and has the answer."""

    def __init__(self, sender, fate):
        self._sender = sender
        self._fate = fate
        self.aclose = sender.aclose

    async def send(self, request):
        self._fate.reach("before sending")
        response = await self._sender.send(request)
        self._fate.reach("answered")
        return response
