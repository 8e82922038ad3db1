"""Work in the runner, and its outcome on the way to whoever waits: a value, raised anew by each."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from atlassian_auth._runtime.latch import Latch
from atlassian_auth._runtime.traces import log_places
from atlassian_auth.exceptions import AtlassianAuthError, TransientError
from atlassian_auth.ports import Runner

__all__ = ["Failed", "Outcome", "Succeeded", "outcome_of", "run_into", "settled", "start"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")


@dataclass(frozen=True, slots=True)
class Succeeded(Generic[T]):
    """What work returned."""

    value: T

    def result(self) -> T:
        """Return it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Failed:
    """What work raised."""

    error: AtlassianAuthError

    def result(self) -> NoReturn:
        """Raise it, as an exception object of its own for each who asks."""
        raise self.error.fresh()


Outcome = Succeeded[T] | Failed


async def outcome_of(work: Awaitable[T]) -> Succeeded[T] | Failed:
    """Return how ``work`` ended; it raises nothing but cancellation."""
    try:
        return Succeeded(await work)
    except AtlassianAuthError as error:
        return Failed(error.fresh())
    except Exception as error:  # noqa: BLE001 -- those who wait must get an answer, whatever happened
        return _unexpected(error)


async def settled(work: Awaitable[T]) -> Succeeded[T] | Failed:
    """Do the same in the library's own loop, which goes on if what a user wrote wants to end the program."""
    try:
        return await outcome_of(work)
    except (KeyboardInterrupt, SystemExit) as error:
        return _unexpected(error)


def _unexpected(error: BaseException) -> Failed:
    kind = type(error).__name__
    # Not its text, which could quote what the work held.
    logger.error("A call ended with an unexpected %s.", kind)
    log_places(error)
    message = (
        f"A call ended with an unexpected {kind}: a bug, here or in a store of yours. The logger "
        '"atlassian_auth" says at level DEBUG where it came from; please report it with that.'
    )
    return Failed(AtlassianAuthError(message))


def start(runner: Runner, work: Callable[[], Awaitable[T]]) -> Latch[Succeeded[T] | Failed]:
    """Start ``work`` in the runner and return where its outcome will be."""
    latch: Latch[Succeeded[T] | Failed] = Latch()
    runner.submit(functools.partial(run_into, latch, work))
    return latch


async def run_into(latch: Latch[Succeeded[T] | Failed], work: Callable[[], Awaitable[T]]) -> None:
    """Run ``work`` and put its outcome there, also if the loop is torn down under it."""
    outcome: Succeeded[T] | Failed = _ABANDONED
    try:
        outcome = await settled(work())
    finally:
        latch.set(outcome)


_ABANDONED = Failed(TransientError("The event loop that ran the refresh has ended; ask again."))
