"""An event loop in its own daemon thread, which does work for every other event loop and thread.

It outlives the loops of all callers: no connection stays in a closed loop, and submitted work is done even if
its caller is cancelled or its loop ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from atlassian_auth.exceptions import AtlassianAuthError, StoreError
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.steady_loop import SteadyLoop
from atlassian_auth.ports._runtime.traces import log_places

__all__ = ["AsyncClient", "LoopThread", "no_thread"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

# The modules that anyio and ``getaddrinfo`` would import in the thread. They are imported before it starts: a
# fork during an import leaves half a module in the child, and an import at exit may fail.
_NEEDED = ("anyio._backends._asyncio", "concurrent.futures.thread", "encodings.idna")


class AsyncClient(Protocol):
    """An object that is used in one event loop only, such as the client of a database."""

    async def aclose(self) -> None:
        """Close all connections; called last."""
        ...


S = TypeVar("S", bound=AsyncClient)

_Work = Callable[[S], Coroutine[Any, Any, None]]
_OnFailure = Callable[[AtlassianAuthError], object]


def no_thread(reason: object) -> StoreError:
    """Return the error of a store whose thread cannot be started."""
    return StoreError(f"The store needs a thread, and none can be started: {reason}.")


class LoopThread(Generic[S]):
    """Does work in one event loop in a daemon thread, from the first call until `stop`.

    After a fork the child starts its own thread and client, and does not touch the parent's. If a program
    closes the thread's descriptors, the calls under way raise an error and the next call starts a new thread.

    Args:
        name: The thread's name.
        make: Makes the client, without a connection. It must not refer to the owner of this object: the
            thread ends when the owner is garbage collected.
        refusal: Makes the error to raise if no thread can be started, from the reason.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], S],
        *,
        refusal: Callable[[object], AtlassianAuthError] = no_thread,
    ) -> None:
        self._name = name
        self._make = make
        self._refusal = refusal
        self._current: _Thread[S] | None = None
        self._end_thread: weakref.finalize[[], LoopThread[S]]
        self._guard = ForkLock(in_child=self._drop_thread)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the thread's event loop; starts the thread if there is none."""
        with self._guard.lock:
            loop = self._current_thread().loop
        return loop  # noqa: RET504 -- returned outside the block, where an interrupt may come

    def submit(self, work: _Work[S], on_failure: _OnFailure) -> None:
        """Start ``work`` and return at once; if the thread fails before it is done, call ``on_failure``."""
        with self._guard.lock:
            self._current_thread().begin(work, on_failure)

    async def run(self, work: Callable[[S], Awaitable[T]]) -> T:
        """Run ``work`` with the client and return its result.

        Raises:
            StoreError: if the thread ended before the work was done.
        """
        return await self._start(work).wait()

    def is_current(self) -> bool:
        """Return whether this is called in the thread."""
        return self._current is not None and threading.current_thread() is self._current.thread

    def drain(self, timeout_seconds: float) -> None:
        """Wait until all work under way has ended, at most ``timeout_seconds``."""
        thread = self._current
        if thread is not None and not thread.is_broken():
            # The loop counts the work, not this thread: here an interrupt may come between any two steps.
            idle = asyncio.run_coroutine_threadsafe(thread.idle(), thread.loop)
            with suppress(TimeoutError):
                idle.result(timeout_seconds)

    async def stop(self) -> None:
        """Finish the submitted work, close the client and end the thread; the next call starts another."""
        with self._guard.lock:
            thread = self._current
            if thread is None:
                return
            if thread.is_broken():
                thread.fail(_CLOSED)  # its waiting calls raise; there is nothing to close
                return
            self._current = None
            self._end_thread()
        await thread.ended.wait()

    def _start(self, work: Callable[[S], Awaitable[T]]) -> SharedFuture[T]:
        done = SharedFuture[T]()
        self.submit(functools.partial(_run_into, work, done), done.set_exception)
        return done

    def _current_thread(self) -> _Thread[S]:
        try:
            if self._current is not None and self._current.is_broken():
                self._current.fail(_CLOSED)
                self._current.loop.reserve_numbers()
                self._drop_thread()
            self._current = self._current or self._start_thread()
        except (ImportError, OSError, RuntimeError) as error:
            reason = str(error)
        else:
            return self._current
        raise self._refusal(reason)

    def _start_thread(self) -> _Thread[S]:
        for module in _NEEDED:
            import_module(module)
        thread = _Thread(self._name, self._make())
        try:
            thread.thread.start()
        except RuntimeError:
            thread.loop.close()
            raise
        # The thread ends with this object; but not at exit, when its work may still be needed.
        self._end_thread = weakref.finalize(self, thread.end)
        self._end_thread.atexit = False
        return thread

    def _drop_thread(self) -> None:
        if self._current is not None:
            self._end_thread.detach()
            _kept_open.append(self._current)
            self._current = None


_CLOSED = "its descriptors were closed"

# Threads that are never closed. Their descriptors are shared with the parent process, or the numbers may
# belong to other files by now, so neither closing nor waking their loops is safe.
_kept_open: list[object] = []


class _Thread(Generic[S]):
    """One loop with its thread and its client, until `end`, or until it fails."""

    def __init__(self, name: str, client: S) -> None:
        # A selector loop: psycopg does not work with the proactor loop of Windows.
        self.loop = SteadyLoop()
        self.thread = threading.Thread(target=self._main, name=name, daemon=True)
        self.ended = SharedFuture[None]()
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself refers to tasks only weakly
        self._guard = threading.Lock()
        self._unfinished: set[_OnFailure] = set()
        self._failure_reason = ""
        self._ending = False

    def is_broken(self) -> bool:
        """Return whether the thread can do no more work."""
        return bool(self._failure_reason) or not self.loop.is_open()

    def fail(self, reason: str) -> None:
        """Let all waiting and later calls raise an error: the thread can do no more work."""
        with self._guard:
            self._failure_reason = self._failure_reason or reason
            unfinished, self._unfinished = self._unfinished, set()
        for on_failure in unfinished:
            on_failure(self._error())
        self.ended.set_exception(self._error())

    def begin(self, work: _Work[S], on_failure: _OnFailure) -> None:
        # An empty context: the caller's cancel scopes, trace spans and request locals must not apply here.
        context = contextvars.Context()
        with self._guard:
            if not self._failure_reason:
                self._unfinished.add(on_failure)
                self.loop.call_soon_threadsafe(self._spawn, work, on_failure, context=context)
                return
        on_failure(self._error())

    def end(self) -> None:
        if self.is_broken():
            _kept_open.append(self)
        else:
            self.loop.call_soon_threadsafe(self._stop)

    async def idle(self) -> None:
        """Return when no work is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _stop(self) -> None:
        self._ending = True
        self.loop.stop()

    def _main(self) -> None:
        try:
            failure = self._run()
            self.loop.close()
        except BaseException as error:  # noqa: BLE001 -- a selector without descriptors raises anything
            logger.error("The thread %r has failed: %s.", self.thread.name, type(error).__name__)  # noqa: TRY400
            log_places(error)
            self.fail(f"{type(error).__name__}: {error}")
        else:
            self.ended.set_exception(failure) if failure else self.ended.set_result(None)

    def _run(self) -> BaseException | None:
        while not self._ending:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Raised in a task of the client's own. It cannot end the process from this thread, and other
                # work waits for the loop.
                kind = type(error).__name__
                logger.error("A task of %r raised %s; the loop goes on.", self.thread.name, kind)  # noqa: TRY400
        failure = self.loop.run_until_complete(self._finish_work())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        return failure

    def _error(self) -> StoreError:
        name, reason = self.thread.name, self._failure_reason
        return StoreError(
            f"The thread {name!r} has failed ({reason}). The next call starts another."
        )

    def _spawn(self, work: _Work[S], on_failure: _OnFailure) -> None:
        task = self.loop.create_task(self._perform(work, on_failure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, work: _Work[S], on_failure: _OnFailure) -> None:
        try:
            await work(self._client)
        finally:
            self._unfinished.discard(on_failure)

    async def _finish_work(self) -> BaseException | None:
        await self.idle()
        try:
            await self._client.aclose()
        except BaseException as error:  # noqa: BLE001 -- `LoopThread.stop` raises it
            return error
        return None


async def _run_into(work: Callable[[S], Awaitable[T]], done: SharedFuture[T], client: S) -> None:
    try:
        done.set_result(await work(client))
    except BaseException as error:  # noqa: BLE001 -- the caller raises it
        done.set_exception(error)
    finally:
        del done  # as in `SharedFuture.wait`
