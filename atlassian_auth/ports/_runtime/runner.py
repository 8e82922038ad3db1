"""Where refreshes run: where neither the cancellation of a caller nor the end of its loop reaches them.

``asyncio.run`` cancels each task of its loop when it ends, also a task that waits for the response with the
new refresh token. The library's own loop, in its own thread, is not affected by that.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from atlassian_auth.exceptions import ConfigurationError, TransientError
from atlassian_auth.ports._runtime.loop_thread import LoopThread

__all__ = ["SHARED_RUNNER", "InlineRunner", "ThreadRunner"]

_Work = Callable[[], Coroutine[Any, Any, None]]


class ThreadRunner:
    """Runs work in one event loop in one daemon thread, which the first call starts.

    When the interpreter exits, work under way is finished first. After a fork the child starts its own
    thread. If the thread fails, the calls under way raise an error and the next call starts a new thread.

    Args:
        exit_timeout_seconds: How many seconds the interpreter's exit waits for work under way. The default,
            120, is longer than one refresh may take with its lock, its exchange and its save.
    """

    def __init__(self, *, exit_timeout_seconds: float = 120) -> None:
        self._exit_timeout_seconds = exit_timeout_seconds
        # The thread needs no client: work has all that it uses.
        self._thread: LoopThread[AsyncExitStack[bool | None]] = LoopThread(
            "atlassian-auth-runner", AsyncExitStack, refusal=_refusal
        )
        atexit.register(self.drain)

    def home(self) -> asyncio.AbstractEventLoop:
        """Return the thread's event loop; starts the thread at the first call.

        Raises:
            TransientError: if no thread can be started, as when the interpreter exits.
        """
        return self._thread.loop()

    def submit(self, work: _Work) -> None:
        """Start ``work`` in the thread and return at once."""
        self.home()  # raises before a coroutine is made that would never be awaited
        coroutine = work()
        self._thread.submit(lambda _: coroutine, lambda _: _close(coroutine))

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` in the runner's thread, where a blocking call would wait for itself."""
        if self._thread.is_current():
            message = (
                "A blocking call was made on the thread that refreshes tokens, probably in an on_event "
                "callback, and would wait for itself for ever. Make the call in another thread or loop."
            )
            raise ConfigurationError(message)

    def drain(self) -> None:
        """Wait until all work under way has ended, at most ``exit_timeout_seconds``."""
        self._thread.drain(self._exit_timeout_seconds)


def _refusal(reason: object) -> TransientError:
    return TransientError(f"Tokens are refreshed in a thread, and none can be started: {reason}.")


def _close(coroutine: Coroutine[Any, Any, None]) -> None:
    # RuntimeError: it awaits something while it is closed. ValueError: it runs at this moment in the thread.
    with suppress(RuntimeError, ValueError):
        coroutine.close()


SHARED_RUNNER = ThreadRunner()
"""The runner that all managers of the process share; it starts no thread before the first refresh."""


class InlineRunner:
    """Runs work as tasks of the caller's own asyncio loop: for simulations, and where there are no threads.

    It protects less: a caller's cancellation does not reach a refresh, but the end of the loop does. Let
    ``TokenManager.aclose()`` finish before the loop ends.
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
