"""Events as an async iterator, for whoever wants them in an event loop of their own."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Self

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth.events import Event

__all__ = ["EventStream"]


class EventStream:
    """Yields events as they happen, on asyncio and trio, from its making until it is closed.

    ::

        async with manager.events() as stream:
            async for event in stream:
                ...

    Args:
        limit: So many events wait for a slow reader; then the oldest are dropped.

    Attributes:
        dropped: How many were.
    """

    def __init__(self, limit: int) -> None:
        self.dropped: int = 0
        self._events: deque[Event] = deque()
        self._limit = limit
        self._closed = False
        self._guard = ForkLock(in_child=self._start_over)
        self._news: SharedFuture[None] = SharedFuture()

    def put(self, event: Event) -> None:
        """Hand an event to the reader; never waits. May be called from any thread."""
        with self._guard.lock:
            self._events.append(event)
            if len(self._events) > self._limit:
                self._events.popleft()
                self.dropped += 1
            news, self._news = self._news, SharedFuture()
        news.set_result(None)

    def close(self) -> None:
        """End the iteration after the events that are waiting."""
        with self._guard.lock:
            self._closed = True
        self._news.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            with self._guard.lock:
                if self._events:
                    return self._events.popleft()
                if self._closed:
                    raise StopAsyncIteration
                news = self._news
            await news.wait()

    def _start_over(self) -> None:
        # What the parent's reader waits for is set in the parent.
        self._events.clear()
        self._news = SharedFuture()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
