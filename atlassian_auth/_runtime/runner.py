"""Where refreshes run: out of reach of their callers' cancellation, and of their loops' end.

``asyncio.run`` cancels each task of its loop when it ends, also one that waits for the answer with the
rotated refresh token in it. A loop of our own, in a thread of our own, is not touched by that.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from atlassian_auth._runtime.loop_thread import LoopThread
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

    def __init__(self, *, exit_timeout_seconds: float = 120) -> None:
        self._exit_timeout_seconds = exit_timeout_seconds
        # Nothing lives there but the work.
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
        begun = work()
        self._thread.submit(lambda _: begun, lambda _: _close(begun))

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` where a blocking wait would wait for itself."""
        if self._thread.is_current():
            message = (
                "A blocking call was made on the thread that refreshes tokens, probably in an on_event "
                "callback, and would wait for itself for ever. Hand the work to another thread or loop."
            )
            raise ConfigurationError(message)

    def drain(self) -> None:
        """Wait until all work under way has ended, for at most ``exit_timeout_seconds``."""
        self._thread.drain(self._exit_timeout_seconds)


def _refusal(reason: object) -> TransientError:
    return TransientError(f"Tokens are refreshed in a thread, and none can be started: {reason}.")


def _close(begun: Coroutine[Any, Any, None]) -> None:
    # It awaits something while it is closed; or it runs at this moment, and its thread ends it then.
    with suppress(RuntimeError, ValueError):
        begun.close()


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
