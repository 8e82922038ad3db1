"""A value that is set once and may be waited for in any event loop and any thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio

__all__ = ["Latch", "current_loop"]

T = TypeVar("T")


class Latch(Generic[T]):
    """Set once by anyone, awaited by many.

    Waiting tasks share one wake-up per event loop, so ten thousand of them cost about what one does.
    A cancelled waiter leaves the others, and whoever sets the value, undisturbed.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._set = False
        self._events: dict[object, tuple[Callable[..., object], anyio.Event]] = {}
        self._threads: list[threading.Lock] = []
        self._value: T

    def set(self, value: T) -> None:
        """Hand the value to all who wait and to all who come later."""
        with self._guard:
            self._value = value
            self._set = True
            events, self._events = self._events, {}
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.release()
        for call_soon, event in events.values():
            _wake(call_soon, event)

    async def wait(self) -> T:
        """Return the value as soon as it is set, on asyncio or trio."""
        event = self._subscribe()
        if event is not None:
            await event.wait()
        return self._value

    def wait_sync(self) -> T:
        """Return the value as soon as it is set, blocking this thread."""
        # Not by a threading.Event: an interrupt inside its Python code can leave its lock held, for which
        # whoever sets the value would then wait for ever.
        done = threading.Lock()
        done.acquire()
        with self._guard:
            waiting = not self._set
            if waiting:
                self._threads.append(done)
        if waiting:
            done.acquire()
        return self._value

    def _subscribe(self) -> anyio.Event | None:
        with self._guard:
            if self._set:
                return None
            loop, call_soon = current_loop()
            return self._events.setdefault(loop, (call_soon, anyio.Event()))[1]


def current_loop() -> tuple[object, Callable[..., object]]:
    """Return the event loop of the task that runs now, and its way to be called from other threads.

    Raises:
        RuntimeError: if no event loop runs in this thread.
    """
    # A task of asyncio first: trio may run as its guest, and is then there for both kinds of tasks.
    if not _in_asyncio_task():
        # Another thread may be in the middle of importing trio. Then nothing here runs on it.
        with suppress(RuntimeError, AttributeError):
            trio: Any = sys.modules.get("trio")
            token = trio.lowlevel.current_trio_token()
            return token, token.run_sync_soon
    loop = asyncio.get_running_loop()
    return loop, loop.call_soon_threadsafe


def _in_asyncio_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _wake(call_soon: Callable[..., object], event: anyio.Event) -> None:
    try:
        call_soon(event.set)
    except RuntimeError:
        # The loop has closed (asyncio) or ended (trio.RunFinishedError): nobody waits there any more.
        return
