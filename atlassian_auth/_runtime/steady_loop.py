"""An event loop for the library's own threads: its timers do not count the time the process stood still.

A process can be stopped (SIGSTOP, a frozen container, a debugger) for longer than a timeout. When it goes on,
asyncio runs the timers that are due before it looks at what has arrived meanwhile (``epoll_wait`` ends with
EINTR and without events), and before it goes on with what it was in the middle of. So an answer that lies in
the socket's buffer, or is just being read, and holds the only valid refresh token, would be thrown away.
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

# A machine under load is late by less; a server that is that late itself has not kept a timeout either.
_STOOD_STILL_SECONDS = 0.25

# A machine under load can be late several times before the process is stopped.
_OFTEN = 10


class SteadyLoop(asyncio.SelectorEventLoop):
    """A selector event loop that reads what has arrived before it believes a timer that is late.

    It also resolves names while the interpreter exits, when executors take no work any more: what is saved
    then may need a new connection.

    Args:
        monotonic: Returns seconds that never go back.
    """

    # Until asyncio says otherwise: without a descriptor to be had nothing was opened.
    _closed: bool = True

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._watch = _Watch(monotonic)
        self._canary = _Canary()
        try:
            super().__init__(self._watch)
        except OSError:
            # Too few descriptors: asyncio would complain of a loop that was not closed.
            self._closed = True
            self._watch.close()
            self._canary.close()
            raise

    def is_open(self) -> bool:
        """Return whether its descriptors are open.

        A program that closes what it did not open, as daemonizing code does, takes them away. The loop would
        then sleep for ever: what wakes it is gone, too.
        """
        return self._canary.is_alive()

    def keep_numbers(self) -> None:
        """Let no later file get a number of a descriptor that was taken away.

        The loop's thread may be about to sleep. On the selector of a later loop with the same number it would
        take the signals that are meant for that one.
        """
        if not hasattr(self._watch, "fileno"):
            return  # as on Windows, where sockets are no descriptors either
        inner: Any = self
        ends = inner._ssock, inner._csock  # noqa: SLF001 -- asyncio's own, which wake the loop
        wanted = {self._watch.fileno(), *(end.fileno() for end in ends)}
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
        self._canary.close()

    def time(self) -> float:
        """Return the seconds that timers count: those that the process did not stand still."""
        return self._watch.time()

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Resolve a name; see ``asyncio.loop.getaddrinfo``."""
        try:
            return await super().getaddrinfo(*arguments, **options)
        except RuntimeError:
            # The interpreter exits and waits for this loop: it may as well wait for the name.
            return socket.getaddrinfo(*arguments, **options)


class _Watch(selectors.DefaultSelector):
    """Notices that the process stood still while there was something to read."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._in_a_row = 0
        self._missed_seconds = 0.0

    def time(self) -> float:
        """Return the seconds that were not missed; they never go back.

        What `select` will leave out is not counted before either: anyio believes a timeout only if its
        deadline has passed when the scope ends, and would go on after the block in silence.
        """
        now = self._monotonic()
        return now - self._missed_seconds - self._stood_still(now)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        entered = self._monotonic()
        found = super().select(timeout)
        if timeout and not found:
            found = super().select(0)
        left = self._monotonic()
        if timeout is not None:  # otherwise there is no timer
            waited = left - entered
            stood_still = self._stood_still(entered)
            # If nothing came in a wait that was too long, the timer is right.
            if found and waited - timeout > _STOOD_STILL_SECONDS:
                stood_still += waited
            self._leave_out(stood_still)
        self._looked_at = left
        return found

    def _stood_still(self, now: float) -> float:
        """Return for how long more than a machine under load it has been since the last look."""
        return max(0.0, now - self._looked_at - _STOOD_STILL_SECONDS)

    def _leave_out(self, seconds: float) -> None:
        # Not for ever: in a loop that is always late and always busy, timers must come, too.
        if seconds and self._in_a_row < _OFTEN:
            self._in_a_row += 1
            self._missed_seconds += seconds
        else:
            self._in_a_row = 0


class _Canary:
    """A descriptor that dies with all others."""

    def __init__(self) -> None:
        self._descriptor, other_end = os.pipe()
        os.close(other_end)
        self._born = os.fstat(self._descriptor)

    def is_alive(self) -> bool:
        """Return whether the descriptor is open, and no other one has its number."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._born)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of it, and of no other one."""
        if self.is_alive():
            os.close(self._descriptor)
