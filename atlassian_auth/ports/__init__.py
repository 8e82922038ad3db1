"""The interfaces to the outside: the clock, random numbers, HTTP, and the runner of refreshes.

The library uses these instead of the operating system, so that a test decides what time it is and how the
server responds.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import anyio

from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.settings import Settings

__all__ = [
    "SYSTEM_CLOCK",
    "Clock",
    "Network",
    "NothingSent",
    "Runner",
    "Sender",
    "SystemClock",
    "Unanswered",
    "is_being_cancelled",
    "system_jitter",
    "utc_at",
    "utc_now",
]


class Clock(Protocol):
    """Tells the time and waits. Safe to use from any thread and any event loop."""

    def time(self) -> float:
        """Return the POSIX time in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that ends its body with ``TimeoutError`` after ``seconds``."""
        ...


class SystemClock:
    """The computer's clock, on asyncio and trio."""

    # A static attribute, not a method: the fast path calls this for every request.
    time: staticmethod[[], float] = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await anyio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that ends its body with ``TimeoutError`` after ``seconds``."""
        return _fail_after(seconds)


@asynccontextmanager
async def _fail_after(seconds: float) -> AsyncGenerator[None]:
    with anyio.fail_after(seconds):
        yield


SYSTEM_CLOCK = SystemClock()
"""The clock that is used if none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How the library's own requests reach a server.

    Args:
        verify: TLS verification, as for ``httpx.AsyncClient``.
        proxy: The URL of a proxy, which may hold a password; None: the environment may name one.
        clock: Measures the time limits.
        settings: Timeouts, the size limit, and whether private addresses are refused.
    """

    verify: ssl.SSLContext | bool = True
    proxy: str | None = field(default=None, repr=False)
    clock: Clock = SYSTEM_CLOCK
    settings: Settings = field(default_factory=Settings)

    def changed(self, *, public_addresses_only: bool | None = None, **options: object) -> Self:
        """Return a copy with these options; an option that is None is not changed."""
        given: dict[str, Any] = {
            name: value for name, value in options.items() if value is not None
        }
        if public_addresses_only is not None:
            changes = {"public_addresses_only": public_addresses_only}
            given["settings"] = self.settings.model_copy(update=changes)
        return replace(self, **given)


def utc_now(clock: Clock) -> datetime:
    """Return the clock's time as an aware UTC datetime."""
    return utc_at(clock.time())


def utc_at(posix_seconds: float) -> datetime:
    """Return a POSIX time as an aware UTC datetime."""
    return datetime.fromtimestamp(posix_seconds, UTC)


system_jitter: Callable[[], float] = random.random
"""Return a random number from 0 up to 1. It only spreads load; secrets are made by the module ``secrets``."""


class NothingSent(Exception):
    """No connection could be made, and nothing was sent. Raised by a `Sender`; its text holds no secret."""


class Unanswered(Exception):
    """The request was sent, but not answered completely. Raised by a `Sender`; its text holds no secret."""


def is_being_cancelled() -> bool:
    """Return whether a cancellation that reached this asyncio task was meant for it.

    Some client libraries leak the ``CancelledError`` of an internal task.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Sender(Protocol):
    """Sends one request to an authorization server and returns the response.

    It opens connections when they are needed, in the event loop it is used in. It follows no redirect, and
    limits the time and the size of a response.
    """

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """Send the request and return the response.

        Raises:
            NothingSent: if the request certainly did not reach the server.
            Unanswered: if it may have reached the server, and no complete response came back.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections. The next `send` opens new ones."""
        ...


class Runner(Protocol):
    """Runs refreshes where the cancellation of a caller does not reach them."""

    def home(self) -> object:
        """Return the event loop in which work submitted now will run.

        Work is shared within one event loop only: if this returns another loop than before, calls under way
        in the old loop are not joined any more.
        """
        ...

    def submit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start ``work`` in that event loop and return at once. ``work`` never raises.

        Submitted work must run to its end, even if it has not begun when the loop stops: its callers wait for
        it, and so does `TokenManager.aclose`. Raise an error if the work cannot be started.
        """
        ...

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` if blocking this thread would stop the work that it waits for."""
        ...
