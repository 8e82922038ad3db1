"""Clocks that tests set: apart from another clock, or ahead of the computer's."""

from __future__ import annotations

from atlassian_auth.ports import SystemClock


class ShiftedClock:
    """The clock of one host: it can be set, while sleeps and timeouts go by the true clock."""

    def __init__(self, true_clock):
        self._true_clock = true_clock
        self.ahead_seconds = 0.0
        self.sleep = true_clock.sleep
        self.timeout = true_clock.timeout

    def time(self):
        return self._true_clock.time() + self.ahead_seconds


class MovedClock(SystemClock):
    """The computer's clock, ahead by what the test says: for stores and servers that really wait."""

    def __init__(self):
        self.ahead_seconds = 0.0
        self.time = self._time

    def advance(self, seconds):
        self.ahead_seconds += seconds

    def _time(self):
        return SystemClock.time() + self.ahead_seconds
