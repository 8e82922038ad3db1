"""An event loop in a thread of its own for clients that know asyncio only, asked from any event loop.

A client belongs to one loop. This one outlives the loops of all callers, so no client is left behind
in a closed loop; and work that was handed over is done, whatever becomes of who asked.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.latch import Latch
from atlassian_auth._runtime.steady_loop import SteadyLoop
from atlassian_auth.exceptions import StoreError

__all__ = ["LoopThread", "Resident"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

# What anyio and ``getaddrinfo`` would import in the thread: a fork in the middle of an import leaves half
# a module in the child, and an import at exit may fail.
_NEEDED = ("anyio._backends._asyncio", "concurrent.futures.thread", "encodings.idna")


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
            StoreError: if no thread can be started, or it broke off before the work was done.
        """
        done: Latch[Future[T]] = Latch()
        with self._guard.lock:
            self._leave_if_broken()
            self._life = self._life or self._start()
            self._life.begin(work, done)
        return (await done.wait()).result()

    async def stop(self) -> None:
        """Finish what was handed over, close the resident, and end the thread; a call starts another."""
        with self._guard.lock:
            self._leave_if_broken()
            life, self._life = self._life, None
            if life is None:
                return
            self._end_life()
        (await life.ended.wait()).result()

    def _start(self) -> _Life[S]:
        try:
            for module in _NEEDED:
                import_module(module)
            life = _Life(self._make())
            life.start(self._name)
        except (ImportError, OSError, RuntimeError) as error:
            message = f"The store needs a thread and cannot have one: {error}."
            raise StoreError(message) from None
        # A forgotten store's thread ends, too. Not at exit, when it may still be needed.
        self._end_life = weakref.finalize(self, life.end)
        self._end_life.atexit = False
        return life

    def _leave_if_broken(self) -> None:
        life = self._life
        if life is not None and life.is_broken():
            self._abandon()
            life.break_off("its descriptors were closed")

    def _abandon(self) -> None:
        if self._life is not None:
            # Its descriptors are shared with the parent, or their numbers may be those of others by now:
            # closing the loop would disturb them.
            self._end_life.detach()
            _abandoned.append(self._life)
            self._life = None


_abandoned: list[object] = []


class _Life(Generic[S]):
    """One loop with its thread and its resident, until `end`; or until it breaks off."""

    def __init__(self, resident: S) -> None:
        # The selector's: psycopg does not work with the proactor of Windows.
        self.loop = SteadyLoop()
        self.ended: Latch[Future[None]] = Latch()
        self._resident = resident
        self._tasks: set[asyncio.Task[None]] = set()
        self._guard = threading.Lock()
        self._waiting: set[Latch[Future[Any]]] = set()
        self._broken = ""
        self._ending = False

    def start(self, name: str) -> None:
        try:
            threading.Thread(target=self._live, name=name, daemon=True).start()
        except RuntimeError:
            self.loop.close()
            raise

    def is_broken(self) -> bool:
        """Return whether nothing more will be done here."""
        return bool(self._broken) or not self.loop.is_open()

    def break_off(self, reason: str) -> None:
        """Tell all who wait, and all to come, that nothing more will be done here."""
        with self._guard:
            self._broken = self._broken or reason
            waiting, self._waiting = self._waiting, set()
        for done in list(waiting):
            done.set(self._failure())
        self.ended.set(self._failure())

    def begin(self, work: Callable[[S], Awaitable[T]], done: Latch[Future[T]]) -> None:
        # Not the caller's context: its cancel scopes and request locals are not ours.
        context = contextvars.Context()
        with self._guard:
            if self._broken:
                done.set(self._failure())
            else:
                self._waiting.add(done)
                self.loop.call_soon_threadsafe(self._spawn, work, done, context=context)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._ending = True
        self.loop.stop()

    def _live(self) -> None:
        try:
            outcome = self._run()
            self.loop.close()
        except BaseException as error:  # noqa: BLE001 -- a selector without descriptors raises anything
            self.break_off(f"{type(error).__name__}: {error}")
        else:
            self.ended.set(outcome)

    def _run(self) -> Future[None]:
        while not self._ending:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Of a task of the client's own. It cannot end the process from here, and others wait.
                kind = type(error).__name__
                logger.error("A client of a store raised %s in a task: it goes on.", kind)  # noqa: TRY400
        outcome = self.loop.run_until_complete(_outcome(self._finish))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        return outcome

    def _failure(self) -> Future[Any]:
        failure: Future[Any] = Future()
        message = (
            f"The thread of the store broke off ({self._broken}). The next call starts another."
        )
        failure.set_exception(StoreError(message))
        return failure

    def _spawn(self, work: Callable[[S], Awaitable[Any]], done: Latch[Future[Any]]) -> None:
        task = self.loop.create_task(self._answer(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, work: Callable[[S], Awaitable[T]], done: Latch[Future[T]]) -> None:
        done.set(await _outcome(lambda: work(self._resident)))
        self._waiting.discard(done)

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
