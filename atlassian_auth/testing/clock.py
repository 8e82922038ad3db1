"""A clock that the test moves, for all event loops and threads."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio
from anyio.lowlevel import checkpoint

from atlassian_auth.ports._runtime.future import current_loop

__all__ = ["ManualClock"]

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class ManualClock:
    """A `Clock` whose time changes only when it is moved; threads and loops may share it.

    With ``autojump`` a sleep takes no real time: it moves the clock by its length and returns.
    Without, it waits until `advance` or `move_to` reaches its end.

    A `timeout` ends its body when the clock reaches its deadline, because of a call of `advance` in any
    thread, or of a sleep that moved the clock. Waiting alone does not move the clock.

    Args:
        start: The first moment, aware. Default: noon of 2026-01-01, UTC.
        autojump: Whether sleeping moves the clock. Default: True.
    """

    def __init__(self, start: datetime = _START, *, autojump: bool = True) -> None:
        self._time = _posix(start)
        self._autojump = autojump
        self._guard = threading.Lock()
        self._alarms: set[_Alarm] = set()

    def time(self) -> float:
        """Return the POSIX time in seconds."""
        return self._time

    def now(self) -> datetime:
        """Return the same moment as an aware datetime in UTC."""
        return datetime.fromtimestamp(self._time, UTC)

    def advance(self, by: float | timedelta) -> None:
        """Move the clock forward by ``by`` (seconds, or a timedelta), and wake the tasks whose time has come.

        Raises:
            ValueError: if ``by`` is negative; `move_to` can set the clock back.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if not seconds >= 0:
            raise ValueError(
                f"by={by!r}: a step forward is expected; move_to() can set the clock back"
            )
        with self._guard:
            self._time += seconds
            due = self._take_due()
        _ring(due)

    def move_to(self, when: datetime) -> None:
        """Set the clock to ``when``, which may be in the past, as clocks of computers are set back too.

        Raises:
            ValueError: if ``when`` is naive.
        """
        with self._guard:
            self._time = _posix(when)
            due = self._take_due()
        _ring(due)

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has moved by ``seconds``; with autojump, move it and return."""
        if self._autojump:
            self.advance(max(seconds, 0))
            await checkpoint()
            return
        woken = anyio.Event()
        with self._alarm(seconds, woken.set):
            await woken.wait()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Return a context that ends its body with ``TimeoutError`` after ``seconds``."""
        return self._timeout(seconds)

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncGenerator[None]:
        with anyio.CancelScope() as scope, self._alarm(seconds, scope.cancel):
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    @contextmanager
    def _alarm(self, seconds: float, action: Callable[[], object]) -> Generator[None]:
        loop, call_soon = current_loop()
        with self._guard:
            alarm = _Alarm(self._time + seconds, loop, call_soon, action)
            self._alarms.add(alarm)
            due = self._take_due()
        _ring(due)
        try:
            yield
        finally:
            with self._guard:
                self._alarms.discard(alarm)

    def _take_due(self) -> list[_Alarm]:
        due = sorted((a for a in self._alarms if a.at <= self._time), key=lambda a: a.at)
        self._alarms.difference_update(due)
        return due


@dataclass(frozen=True, slots=True, eq=False)
class _Alarm:
    at: float
    loop: object
    call_soon: Callable[..., object]
    action: Callable[[], object]


def _ring(alarms: list[_Alarm]) -> None:
    here = _loop_here() if alarms else None
    for alarm in alarms:
        if alarm.loop is here:
            alarm.action()  # at once, so that the caller's next await already sees it
        else:
            with suppress(RuntimeError):  # that loop and its waiters have ended
                alarm.call_soon(alarm.action)


def _loop_here() -> object | None:
    try:
        return current_loop()[0]
    except RuntimeError:
        return None


def _posix(when: datetime) -> float:
    if when.tzinfo is None:
        raise ValueError(f"{when!r} is naive; expected a datetime with a time zone")
    return when.timestamp()
