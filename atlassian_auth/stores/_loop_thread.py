"""An event loop in a thread of its own for clients that know asyncio only, asked from any event loop.

A client belongs to one loop. This one outlives the loops of all callers, so no client is left behind
in a closed loop; and work that was handed over is done, whatever becomes of who asked.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from atlassian_auth.exceptions import StoreError
from atlassian_auth.forks import ForkLock
from atlassian_auth.latch import Latch

__all__ = ["LoopThread", "Resident"]

T = TypeVar("T")


class Resident(Protocol):
    """What lives in the loop, from the first call until it is closed."""

    async def aclose(self) -> None:
        """Let go of all connections; called last."""
        ...


S = TypeVar("S", bound=Resident)


class LoopThread(Generic[S]):
    """Does work in one event loop in a daemon thread, from the first call until `stop`.

    After a fork the child has a thread and a resident of its own; it leaves the parent's alone.

    Args:
        name: The thread's name.
        make: Makes the resident, without asking anybody; may not refer to who has this object, which
            ends the thread when it is forgotten.
    """

    def __init__(self, name: str, make: Callable[[], S]) -> None:
        self._name = name
        self._make = make
        self._life: _Life[S] | None = None
        self._end_life: weakref.finalize[[], LoopThread[S]]
        self._guard = ForkLock(in_child=self._abandon)

    async def run(self, work: Callable[[S], Awaitable[T]]) -> T:
        """Return what ``work`` makes of the resident, or raise what it raises.

        Raises:
            StoreError: if no thread can be started.
        """
        done: Latch[Future[T]] = Latch()
        with self._guard.lock:
            self._life = self._life or self._start()
            self._life.begin(work, done)
        return (await done.wait()).result()

    async def stop(self) -> None:
        """Finish what was handed over, close the resident, and end the thread; a call starts another."""
        with self._guard.lock:
            life, self._life = self._life, None
            if life is None:
                return
            self._end_life()
        (await life.ended.wait()).result()

    def _start(self) -> _Life[S]:
        life = _Life(self._make())
        try:
            threading.Thread(target=life.live, name=self._name, daemon=True).start()
        except RuntimeError as error:
            life.loop.close()
            message = f"The store needs a thread and cannot have one: {error}."
            raise StoreError(message) from None
        # A forgotten store's thread ends, too. Not at exit, when it may still be needed.
        self._end_life = weakref.finalize(self, life.end)
        self._end_life.atexit = False
        return life

    def _abandon(self) -> None:
        if self._life is not None:
            # Its descriptors are shared with the parent: closing the loop would disturb that one's.
            self._end_life.detach()
            _abandoned.append(self._life)
            self._life = None


_abandoned: list[object] = []


class _Life(Generic[S]):
    """One loop with its thread and its resident, until `end`."""

    def __init__(self, resident: S) -> None:
        # The selector's: psycopg does not work with the proactor of Windows.
        self.loop = asyncio.SelectorEventLoop()
        self.ended: Latch[Future[None]] = Latch()
        self._resident = resident
        self._tasks: set[asyncio.Task[None]] = set()

    def live(self) -> None:
        self.loop.run_forever()
        outcome = self.loop.run_until_complete(_outcome(self._finish))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.ended.set(outcome)

    def begin(self, work: Callable[[S], Awaitable[T]], done: Latch[Future[T]]) -> None:
        # Not the caller's context: its cancel scopes and request locals are not ours.
        context = contextvars.Context()
        self.loop.call_soon_threadsafe(self._spawn, work, done, context=context)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _spawn(self, work: Callable[[S], Awaitable[Any]], done: Latch[Future[Any]]) -> None:
        task = self.loop.create_task(self._answer(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, work: Callable[[S], Awaitable[T]], done: Latch[Future[T]]) -> None:
        done.set(await _outcome(lambda: work(self._resident)))

    async def _finish(self) -> None:
        await asyncio.gather(*self._tasks)
        await self._resident.aclose()


async def _outcome(work: Callable[[], Awaitable[T]]) -> Future[T]:
    outcome: Future[T] = Future()
    try:
        outcome.set_result(await work())
    except BaseException as error:  # noqa: BLE001 -- it is the caller's
        outcome.set_exception(error)
    return outcome
