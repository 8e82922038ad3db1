"""How long a call that blocks tries again while another program holds what it needs.

The time runs from when the call was handed to the worker: waiting for the calls before it counts, so
that many calls that wait for one thing fail together, and not one after the other. The last attempt
begins after the time is over, so that no call fails untried: neither one that stood in line for all
of it, nor one whose process stood still (stopped by a signal, or a frozen container).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["PATIENCE_SECONDS", "Patience"]

PATIENCE_SECONDS = 10.0
# Short, and as short at the end: a program that writes without rest leaves gaps of less than this.
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Patience:
    """One call's: begun when it was handed over.

    Args:
        deadline: By the clock ``now``, in seconds.
        now: A clock that is never set.
        pause: Waits in the thread that makes the call.
    """

    deadline: float
    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep  # noqa: TID251 -- in the worker's own thread

    @classmethod
    def begin(cls) -> Patience:
        """Return what a call has that is handed over now: `PATIENCE_SECONDS`."""
        return cls(time.monotonic() + PATIENCE_SECONDS)

    def attempts(self) -> Iterator[None]:
        """Yield for each attempt, until one has begun at the deadline or after it; pause between them."""
        while True:
            last = self.now() >= self.deadline
            yield
            if last:
                return
            self.pause(_PAUSE_SECONDS)
