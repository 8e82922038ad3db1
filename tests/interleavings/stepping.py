"""Event loops that take one turn on request, so that a schedule decides the order of events.

A loop of the callers and the loop of a runner live in one thread here, and nothing moves between
two turns: what runs in several threads elsewhere can be drawn, replayed and shrunk.
"""

from __future__ import annotations

import asyncio
import contextvars

from atlassian_auth.exceptions import ConfigurationError

_TURNS_TO_SETTLE = 2_000
_TURN_SECONDS = 0.001


class SteppedLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time is the number of turns it has taken, a millisecond each."""

    def __init__(self):
        super().__init__()
        self._turns = 0
        self.complaints = []
        self.set_exception_handler(lambda _loop, context: self.complaints.append(context))

    def time(self):
        return self._turns * _TURN_SECONDS

    @property
    def is_quiet(self):
        """Whether nothing is left to do until a call comes from outside the loop."""
        horizon = self.time() + _TURN_SECONDS
        return not self._ready and all(timer.when() > horizon for timer in self._scheduled)

    def turn(self):
        """Let everything run that is ready now, and nothing that this makes ready."""
        self._turns += 1
        self.call_soon(self.stop)
        self.run_forever()

    def settle(self):
        """Take turns until the loop is quiet."""
        for _ in range(_TURNS_TO_SETTLE):
            if self.is_quiet:
                return
            self.turn()
        message = f"the loop is still busy after {_TURNS_TO_SETTLE} turns"
        raise AssertionError(message)

    @property
    def tasks(self):
        return asyncio.all_tasks(self)

    def end(self):
        """End as ``asyncio.run`` does: cancel what is left, let it finish, close."""
        for task in self.tasks:
            task.cancel()
        self.settle()
        left = self.tasks
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()
        return left


class SteppedRunner:
    """The `ThreadRunner` without its thread: work runs in a loop of its own, turn by turn."""

    def __init__(self):
        self.loop = SteppedLoop()

    def submit(self, work):
        self.loop.call_soon_threadsafe(self._spawn, work, context=contextvars.Context())

    def home(self):
        return self.loop

    def check_may_wait(self):
        message = "a stepped runner serves async callers only"
        raise ConfigurationError(message, argument="runner")

    def _spawn(self, work):
        self.loop.create_task(work())
