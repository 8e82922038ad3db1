"""A future that is set once and can be awaited in any event loop and any thread."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio

from atlassian_auth.exceptions import AtlassianAuthError, TransientError
from atlassian_auth.ports._runtime.traces import log_places

__all__ = ["SharedFuture", "current_loop", "explained", "run_into", "start"]

T = TypeVar("T")
_Submit = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]

logger: logging.Logger = logging.getLogger("atlassian_auth")


class SharedFuture(Generic[T]):
    """A future that any thread sets and many tasks await; each of them raises its own exception object.

    Waiting tasks share one wake-up per event loop, so ten thousand of them cost about as much as one. The
    cancellation of one disturbs neither the others nor the task that sets the future. If it is set again, no
    task is woken twice; later calls of `wait` get the newer result.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._done = False
        self._events: dict[object, tuple[Callable[..., object], anyio.Event]] = {}
        self._threads: list[threading.Lock] = []
        self._error: BaseException | None = None
        self._value: T

    def done(self) -> bool:
        """Return whether the future was set."""
        return self._done

    def set_result(self, value: T) -> None:
        """Set the value that all present and later calls of `wait` return."""
        self._value = value
        self._set(None)

    def set_exception(self, error: BaseException) -> None:
        """Set the error that all present and later calls of `wait` raise; each raises a copy of ours."""
        self._set(error)

    async def wait(self) -> T:
        """Return the value, or raise the error, as soon as there is one; on asyncio or trio."""
        event = self._subscribe()
        if event is not None:
            await event.wait()
        try:
            return self._result()
        finally:
            # The error refers to this frame, and this frame to the error: a cycle would keep both in memory.
            del self

    def wait_sync(self) -> T:
        """Do the same as `wait`, blocking this thread."""
        # No threading.Event: an interrupt (Ctrl-C) inside its Python code can leave its lock held, and the
        # thread that sets the value would then wait for ever.
        done = threading.Lock()
        done.acquire()
        with self._guard:
            waiting = not self._done
            if waiting:
                self._threads.append(done)
        if waiting:
            done.acquire()
        try:
            return self._result()
        finally:
            del self  # as above

    def _set(self, error: BaseException | None) -> None:
        with self._guard:
            self._error = error
            self._done = True
            events, self._events = self._events, {}
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.release()
        for call_soon, event in events.values():
            _wake(call_soon, event)

    def _subscribe(self) -> anyio.Event | None:
        with self._guard:
            if self._done:
                return None
            loop, call_soon = current_loop()
            return self._events.setdefault(loop, (call_soon, anyio.Event()))[1]

    def _result(self) -> T:
        error = self._error
        if error is None:
            return self._value
        if isinstance(error, AtlassianAuthError):
            raise error.fresh().with_traceback(error.__traceback__)
        try:
            raise error
        finally:
            del self, error  # as above


def explained(error: BaseException) -> AtlassianAuthError:
    """Return an `AtlassianAuthError` without traceback: a copy of ``error``, or one that reports a bug.

    The places an unexpected error came from are logged at level DEBUG.
    """
    if isinstance(error, AtlassianAuthError):
        return error.fresh()
    kind = type(error).__name__
    # Without its text, which could quote a secret.
    logger.error("A call ended with an unexpected %s.", kind)
    log_places(error)
    message = (
        f"A call ended with an unexpected {kind}: this is a bug in atlassian_auth, or in your own store. The "
        'logger "atlassian_auth" says at level DEBUG where it came from; please report the bug with that.'
    )
    return AtlassianAuthError(message)


def start(submit: _Submit, work: Callable[[], Awaitable[T]]) -> SharedFuture[T]:
    """Start ``work`` by a runner's ``submit`` and return the future of its result."""
    future = SharedFuture[T]()
    submit(functools.partial(run_into, future, work))
    return future


def run_into(
    future: SharedFuture[T], work: Callable[[], Awaitable[T]]
) -> Coroutine[Any, Any, None]:
    """Return a coroutine that runs ``work`` and sets the future, also if its loop ends before it begins."""
    return _RunInto(future, work)


class _RunInto(Coroutine[Any, Any, None]):
    """A coroutine whose future is set in any case, also if it never begins or never ends."""

    def __init__(self, future: SharedFuture[T], work: Callable[[], Awaitable[T]]) -> None:
        self._future = future
        self._running = self._run(future, work)

    def __await__(self) -> Generator[Any, Any, None]:
        return self._running.__await__()

    def send(self, value: Any) -> Any:
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        try:
            return self._running.throw(*error)
        except BaseException:
            self._abandon()  # cancelled before it began, it skips its own `finally`
            raise

    def close(self) -> None:
        self._abandon()
        # Work that has begun is left: its `finally` would run in this thread, under the locks held here.
        if inspect.getcoroutinestate(self._running) == inspect.CORO_CREATED:
            self._running.close()

    async def _run(self, future: SharedFuture[T], work: Callable[[], Awaitable[T]]) -> None:
        try:
            future.set_result(await work())
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 -- the loop goes on
            future.set_exception(explained(error))
        finally:
            self._abandon()

    def _abandon(self) -> None:
        if not self._future.done():
            self._future.set_exception(_LOOP_ENDED)


_LOOP_ENDED = TransientError("The event loop that ran the refresh has ended; try again.")


def current_loop() -> tuple[object, Callable[..., object]]:
    """Return the event loop of the current task, and its function that other threads call to run code in it.

    Raises:
        RuntimeError: if no event loop runs in this thread.
    """
    # asyncio is checked first: if trio runs as its guest, both kinds of tasks have a trio token.
    if not _in_asyncio_task():
        # Errors: if another thread is just importing trio, this thread does not run on it.
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
        # The loop has closed (asyncio) or ended (trio.RunFinishedError), and its tasks with it.
        return
