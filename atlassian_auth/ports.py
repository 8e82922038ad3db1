"""Where the world comes in: time, chance, HTTP and the place where refreshes run.

Everything above asks these instead of the operating system, so that a test decides what time it is
and what the network answers.
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
    """What time it is, and how to wait. Safe to use from any thread and any event loop."""

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
    """The computer's own clock, on asyncio and trio."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How the library's own requests reach a server.

    Args:
        verify: TLS verification, as for ``httpx.AsyncClient``.
        proxy: The URL of a proxy, which may hold a password.
        clock: Who measures the time limits.
        settings: Timeouts, the size limit, and which addresses are refused.
    """

    verify: ssl.SSLContext | bool = True
    proxy: str | None = field(default=None, repr=False)
    clock: Clock = SYSTEM_CLOCK
    settings: Settings = field(default_factory=Settings)

    def changed(self, *, public_addresses_only: bool | None = None, **options: object) -> Self:
        """Return the same with other options; an option that is None stays as it is."""
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
"""Chance: a number from 0 up to 1. It only spreads load; secrets are made by ``secrets``."""


class NothingSent(Exception):
    """The request never left: no connection could be made. Raised by a `Sender`; the text is public."""


class Unanswered(Exception):
    """The request left and no complete answer came back. Raised by a `Sender`; the text is public."""


def is_being_cancelled() -> bool:
    """Return whether a cancellation that reached this asyncio task was meant for it.

    Clients of stores and servers let one escape that was meant for a task of their own.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Sender(Protocol):
    """Carries one request to an authorization server and brings the answer back.

    It is opened lazily in the loop it is used in, follows no redirect, and bounds time and size.
    """

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """Return the answer.

        Raises:
            NothingSent: if the request certainly did not reach the server.
            Unanswered: if it may have.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Sending again opens new ones."""
        ...


class Runner(Protocol):
    """The place where refreshes run, out of reach of every caller's cancellation."""

    def home(self) -> object:
        """Return the event loop in which work submitted now will run. Another home: other work."""
        ...

    def submit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start ``work`` there and return at once. ``work`` reports its own outcome and never raises."""
        ...

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` where blocking this thread until work has ended would never end."""
        ...
