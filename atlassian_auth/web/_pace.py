"""How often one caller may start a flow. Each process counts for itself."""

from __future__ import annotations

from collections import OrderedDict, deque

from atlassian_auth.ports import Clock

__all__ = ["Pace"]

_WINDOW_SECONDS = 60.0


class Pace:
    """Lets each caller start at most ``limit`` flows in any 60 seconds.

    Args:
        limit: How many.
        clock: Tells the time.
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        # The caller who started a flow last is at the end.
        self._starts: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, caller_id: str) -> float:
        """Count a start and return 0; or return after how many seconds the caller may start the next flow."""
        now = self._clock.time()
        self._forget(now)
        starts = self._starts.get(caller_id, deque[float](maxlen=self._limit))
        wait = starts[0] + _WINDOW_SECONDS - now if len(starts) == self._limit else 0
        # A longer wait means that the clock was set back.
        if 0 < wait <= _WINDOW_SECONDS:
            return wait
        starts.append(now)
        self._starts[caller_id] = starts
        self._starts.move_to_end(caller_id)
        return 0

    def _forget(self, now: float) -> None:
        while self._starts:
            oldest = next(iter(self._starts))
            if self._starts[oldest][-1] + _WINDOW_SECONDS > now:
                break
            del self._starts[oldest]
