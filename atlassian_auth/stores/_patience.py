"""How long a blocking call retries while another program holds a lock that it needs.

The time begins when the call is given to the worker, and includes waiting for earlier calls. So calls that
wait for the same lock time out together, and not one after the other. The last attempt is made after the
deadline, so each call is tried at least once: also a call that was queued for the whole time, and a call of a
process that was paused (stopped by a signal, or in a frozen container).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["PATIENCE_SECONDS", "Patience"]

PATIENCE_SECONDS = 10.0
# Short, and it does not grow: a program that writes continuously leaves only short gaps.
_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Patience:
    """The retries of one call.

    Args:
        deadline: When to stop, in seconds of the clock ``now``.
        now: A monotonic clock.
        pause: Sleeps in the thread that makes the call.
    """

    deadline: float
    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep  # noqa: TID251 -- in the worker's own thread

    @classmethod
    def begin(cls) -> Patience:
        """Return the retries of a call that begins now: for `PATIENCE_SECONDS`."""
        return cls(time.monotonic() + PATIENCE_SECONDS)

    def attempts(self) -> Iterator[None]:
        """Yield once per attempt, with a pause between two. The last attempt is at or after the deadline."""
        while True:
            last = self.now() >= self.deadline
            yield
            if last:
                return
            self.pause(_PAUSE_SECONDS)
