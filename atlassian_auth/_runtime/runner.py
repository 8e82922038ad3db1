"""Where refreshes run: out of reach of their callers' cancellation, and of their loops' end.

``asyncio.run`` cancels each task of its loop when it ends, also one that waits for the answer with the
rotated refresh token in it. A loop of our own, in a thread of our own, is not touched by that.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import Callable, Collection, Coroutine
from contextlib import ExitStack, suppress
from typing import Any, cast

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.steady_loop import SteadyLoop
from atlassian_auth.exceptions import ConfigurationError, TransientError

__all__ = ["SHARED_RUNNER", "InlineRunner", "ThreadRunner"]

_Work = Callable[[], Coroutine[Any, Any, None]]


class ThreadRunner:
    """Runs work in one event loop in one daemon thread, started at the first need.

    When the interpreter exits, work under way is finished first. After a fork the child has a thread
    of its own. A thread that has died is replaced, and those who wait for it are told.

    Args:
        exit_timeout_seconds: How long the interpreter's exit waits for work under way. Longer than one
            refresh may take: its lock, its exchange and its save.
    """

    _tasks: set[asyncio.Task[None]]
    _loop: SteadyLoop | None
    _thread: threading.Thread | None

    def __init__(self, *, exit_timeout_seconds: float = 120) -> None:
        self._exit_timeout_seconds = exit_timeout_seconds
        self._guard = ForkLock(in_child=self._forget_thread)
        self._forget_thread()
        atexit.register(self.drain)

    def home(self) -> asyncio.AbstractEventLoop:
        """Return the thread's event loop; starts the thread at the first call.

        Raises:
            TransientError: if no thread can be started, as when the interpreter exits.
        """
        with self._guard.lock:
            loop = self._running_loop()
        return loop  # noqa: RET504 -- within the block an interrupt could come after its end

    def submit(self, work: _Work) -> None:
        """Start ``work`` in the thread and return at once."""
        # Not the caller's context: its cancel scopes, trace spans and request locals are not ours.
        self.home().call_soon_threadsafe(self._spawn, work, context=contextvars.Context())

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` where a blocking wait would wait for itself."""
        if threading.current_thread() is self._thread:
            message = (
                "A blocking call was made on the thread that refreshes tokens, probably in an on_event "
                "callback, and would wait for itself for ever. Hand the work to another thread or loop."
            )
            raise ConfigurationError(message)

    def drain(self) -> None:
        """Wait until all work under way has ended, for at most ``exit_timeout_seconds``."""
        if self._loop is not None and self._is_alive(self._loop):
            # Asked behind all that was submitted, so that nothing has to be counted here, where an interrupt
            # may come between any two steps.
            ended = asyncio.run_coroutine_threadsafe(self._ended(), self._loop)
            with suppress(TimeoutError):
                ended.result(self._exit_timeout_seconds)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or not self._is_alive(self._loop):
            self._abandon()
            self._loop = self._start()
        return self._loop

    def _is_alive(self, loop: SteadyLoop) -> bool:
        return loop.is_open() and self._thread is not None and self._thread.is_alive()

    def _start(self) -> SteadyLoop:
        with ExitStack() as undo:
            try:
                if self._loop is not None:
                    self._loop.keep_numbers()
                loop = SteadyLoop()
                undo.callback(loop.close)
                self._thread = threading.Thread(
                    target=_live,
                    args=(loop, self._tasks),
                    name="atlassian-auth-runner",
                    daemon=True,
                )
                self._thread.start()
            except (OSError, RuntimeError) as error:
                reason = str(error)
            else:
                undo.pop_all()
                return loop
        message = f"Tokens are refreshed in a thread, and none can be started: {reason}."
        raise TransientError(message)

    def _abandon(self) -> None:
        """Tell those who wait for a thread that sleeps for ever without its descriptors."""
        tasks, self._tasks = self._tasks, set()
        _end(tasks)
        if self._loop is not None:
            _dead.append(self._loop)

    def _spawn(self, work: _Work) -> None:
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _forget_thread(self) -> None:
        self._tasks = set()  # asyncio itself holds its tasks weakly
        self._loop = None
        self._thread = None


# Descriptors of a loop that died may be another file's by now: it must not even be closed.
_dead: list[SteadyLoop] = []


def _live(loop: SteadyLoop, tasks: Collection[asyncio.Task[None]]) -> None:
    try:
        loop.run_forever()
    finally:  # it never ends but by an error
        _end(tasks)


def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for work in [task.get_coro() for task in list(tasks)]:
        # It awaits something while it is closed; or it runs at this moment, and its thread ends it then.
        with suppress(RuntimeError, ValueError):
            cast("Coroutine[Any, Any, None]", work).close()


SHARED_RUNNER = ThreadRunner()
"""The process's own; it starts no thread before the first refresh."""


class InlineRunner:
    """Runs work as tasks of the caller's own asyncio loop: for simulations, and where threads are not.

    Its promise is weaker: a caller's cancellation does not reach a refresh, but the end of the loop
    does. Let ``TokenManager.aclose()`` finish before the loop ends.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def home(self) -> asyncio.AbstractEventLoop:
        """Return the running asyncio loop."""
        return _running_asyncio_loop()

    def submit(self, work: _Work) -> None:
        """Start ``work`` in the running asyncio loop and return at once."""
        task = _running_asyncio_loop().create_task(work(), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError`: a blocking wait would stop the loop that does the work."""
        message = "InlineRunner serves async callers only; use the default ThreadRunner."
        raise ConfigurationError(message, argument="runner")


def _running_asyncio_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = "InlineRunner needs a running asyncio loop; use the default ThreadRunner."
        raise ConfigurationError(message, argument="runner") from None
