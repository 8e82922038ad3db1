"""An event loop for the library's own threads. Its timers do not count the time the process stood still.

A process can be stopped for longer than a timeout: by SIGSTOP, a frozen container or a debugger. When it goes
on, asyncio runs the due timers first: ``epoll_wait`` ends with EINTR and without events, so asyncio does not
see what has arrived meanwhile. A response that lies in the socket's buffer, or is just being read, would be
thrown away by a timeout. It may hold the only valid refresh token.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

__all__ = ["SteadyLoop"]

# A delay of less is normal on a machine under load.
_STOOD_STILL_SECONDS = 0.25

# So many delays in a row are left out. A machine under load can be late several times before a real stop.
_MOST_IN_A_ROW = 10


class SteadyLoop(asyncio.SelectorEventLoop):
    """A selector event loop that reads what has arrived before it runs a late timer.

    It also resolves host names while the interpreter exits, when executors accept no more work: a save at
    exit may need a new connection.

    Args:
        monotonic: Returns seconds that never go back.
    """

    # asyncio sets it to False when its descriptors are open; before that there is nothing to close.
    _closed: bool = True

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._steady_selector = _SteadySelector(monotonic)
        self._probe = _Probe()
        try:
            super().__init__(self._steady_selector)
        except OSError:
            # Too few descriptors. Marked as closed, or asyncio would warn of a loop that was not closed.
            self._closed = True
            self._steady_selector.close()
            self._probe.close()
            raise

    def is_open(self) -> bool:
        """Return whether its descriptors are open.

        Some programs close all descriptors, as daemonizing code does. Then the loop would sleep for ever: the
        descriptor that wakes it is closed too.
        """
        return self._probe.is_open()

    def reserve_numbers(self) -> None:
        """Take the numbers of the closed descriptors, so that no later file gets one of them.

        The loop's thread may be about to wait on its selector. If a later loop's selector had the same
        number, that thread would take the events that are meant for the later loop.
        """
        if not hasattr(self._steady_selector, "fileno"):
            return  # on Windows, where sockets are no descriptors either
        inner: Any = self
        ends = inner._ssock, inner._csock  # noqa: SLF001 -- asyncio's own, which wake the loop
        wanted = {self._steady_selector.fileno(), *(end.fileno() for end in ends)}
        opened: list[int] = []
        try:
            while not opened or opened[-1] < max(wanted):  # the lowest free number comes first
                opened.append(os.open(os.devnull, os.O_RDONLY))
        finally:
            for descriptor in set(opened) - wanted:
                os.close(descriptor)

    def close(self) -> None:
        """Close the loop; see ``asyncio.loop.close``."""
        super().close()
        self._probe.close()

    def time(self) -> float:
        """Return the seconds that timers count: without the time in which the process stood still."""
        return self._steady_selector.time()

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Resolve a name; see ``asyncio.loop.getaddrinfo``."""
        try:
            return await super().getaddrinfo(*arguments, **options)
        except RuntimeError:
            # The interpreter exits, and executors accept no more work. It waits for this loop, so this thread
            # may block.
            return socket.getaddrinfo(*arguments, **options)


class _SteadySelector(selectors.DefaultSelector):
    """A selector that measures for how long the process stood still."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._selected_at = monotonic()
        self._in_a_row = 0
        self._missed_seconds = 0.0

    def time(self) -> float:
        """Return the seconds without those in which the process stood still; they never go back.

        A standstill that `select` has not seen yet is left out too. Otherwise a deadline could be over here
        and not yet over afterwards, and anyio would not raise the timeout when its scope ends.
        """
        now = self._monotonic()
        return now - self._missed_seconds - self._standstill_seconds(now)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        entered = self._monotonic()
        found = super().select(timeout)
        if timeout and not found:
            found = super().select(0)
        left = self._monotonic()
        if timeout is not None:  # otherwise there is no timer
            waited = left - entered
            stood_still = self._standstill_seconds(entered)
            # If nothing has arrived in a wait that was too long, the timer is right.
            if found and waited - timeout > _STOOD_STILL_SECONDS:
                stood_still += waited
            self._leave_out(stood_still)
        self._selected_at = left
        return found

    def _standstill_seconds(self, now: float) -> float:
        """Return the seconds since the last select, less the delay that is normal under load."""
        return max(0.0, now - self._selected_at - _STOOD_STILL_SECONDS)

    def _leave_out(self, seconds: float) -> None:
        # Not without an end: in a loop that is always late and always busy, timers must run too.
        if seconds and self._in_a_row < _MOST_IN_A_ROW:
            self._in_a_row += 1
            self._missed_seconds += seconds
        else:
            self._in_a_row = 0


class _Probe:
    """A descriptor that shows whether the program has closed all descriptors."""

    def __init__(self) -> None:
        self._descriptor, other_end = os.pipe()
        os.close(other_end)
        self._identity = os.fstat(self._descriptor)

    def is_open(self) -> bool:
        """Return whether the descriptor is open, and its number does not belong to another file."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._identity)
        except OSError:
            return False

    def close(self) -> None:
        """Close it, unless its number belongs to another file."""
        if self.is_open():
            os.close(self._descriptor)
