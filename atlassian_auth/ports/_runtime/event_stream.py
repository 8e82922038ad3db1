"""Events as an async iterator, for programs that handle them in their own event loop."""

from __future__ import annotations

from collections import deque
from typing import Self

from atlassian_auth.events import Event
from atlassian_auth.ports._runtime.closing import AsyncClosing
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.ports._runtime.future import SharedFuture

__all__ = ["EventStream"]


class EventStream(AsyncClosing):
    """Yields events as they happen, until it is closed; on asyncio and trio.

    ::

        async with manager.events() as stream:
            async for event in stream:
                ...

    Args:
        limit: How many events wait for a slow reader at most; beyond that the oldest are dropped.

    Attributes:
        dropped: The number of dropped events.
    """

    def __init__(self, limit: int) -> None:
        self.dropped: int = 0
        self._events: deque[Event] = deque()
        self._limit = limit
        self._closed = False
        self._guard = ForkLock(in_child=self._after_fork_in_child)
        self._changed: SharedFuture[None] = SharedFuture()

    def put(self, event: Event) -> None:
        """Add an event for the reader; never waits. May be called from any thread."""
        with self._guard.lock:
            self._events.append(event)
            if len(self._events) > self._limit:
                self._events.popleft()
                self.dropped += 1
            changed, self._changed = self._changed, SharedFuture()
        changed.set_result(None)

    def close(self) -> None:
        """End the iteration, after the events that are waiting were read."""
        with self._guard.lock:
            self._closed = True
        self._changed.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            with self._guard.lock:
                if self._events:
                    return self._events.popleft()
                if self._closed:
                    raise StopAsyncIteration
                changed = self._changed
            await changed.wait()

    def _after_fork_in_child(self) -> None:
        # The waiting events are for the parent's reader, and so is the future that it waits for.
        self._events.clear()
        self._changed = SharedFuture()

    async def aclose(self) -> None:
        """Do the same as `close`."""
        self.close()
