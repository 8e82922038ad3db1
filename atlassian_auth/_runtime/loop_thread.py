"""An event loop in a daemon thread of its own, which does work for every event loop and thread.

It outlives the loops of all callers: nothing is left behind in a closed loop, and work that was handed
over is done, whatever becomes of its caller.
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

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth._runtime.steady_loop import SteadyLoop
from atlassian_auth._runtime.traces import log_places
from atlassian_auth.exceptions import AtlassianAuthError, StoreError

__all__ = ["LoopThread", "Resident", "no_thread"]

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

_Work = Callable[[S], Coroutine[Any, Any, None]]
_GiveUp = Callable[[AtlassianAuthError], object]


def no_thread(reason: object) -> StoreError:
    """Return the error of a store whose thread cannot be started."""
    return StoreError(f"The store needs a thread and cannot have one: {reason}.")


class LoopThread(Generic[S]):
    """Does work in one event loop in a daemon thread, from the first call until `stop`.

    After a fork the child has a thread and a resident of its own; it leaves the parent's alone. A thread
    whose descriptors were closed is replaced, and those who wait for it are told.

    Args:
        name: The thread's name.
        make: Makes the resident, without a connection; may not refer to what has this object, which
            ends the thread when it is forgotten.
        refusal: Makes the error that calls raise if no thread can be started, from the reason.
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
        self._life: _Life[S] | None = None
        self._end_life: weakref.finalize[[], LoopThread[S]]
        self._guard = ForkLock(in_child=self._abandon)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the thread's event loop; starts the thread if there is none."""
        with self._guard.lock:
            loop = self._living().loop
        return loop  # noqa: RET504 -- within the block an interrupt could come after its end

    def submit(self, work: _Work[S], give_up: _GiveUp) -> None:
        """Start ``work`` and return at once; ``give_up`` is called if the thread ends before it is done."""
        with self._guard.lock:
            self._living().begin(work, give_up)

    async def run(self, work: Callable[[S], Awaitable[T]]) -> T:
        """Return what ``work`` makes of the resident, or raise what it raises.

        Raises:
            StoreError: if the thread broke off before the work was done.
        """
        return await self._begin(work).wait()

    def is_current(self) -> bool:
        """Return whether this is called in the thread."""
        return self._life is not None and threading.current_thread() is self._life.thread

    def drain(self, timeout_seconds: float) -> None:
        """Wait until all work under way has ended, for at most so long."""
        life = self._life
        if life is not None and not life.is_broken():
            # Asked behind all that was submitted, so that nothing has to be counted here, where an interrupt
            # may come between any two steps.
            idle = asyncio.run_coroutine_threadsafe(life.idle(), life.loop)
            with suppress(TimeoutError):
                idle.result(timeout_seconds)

    async def stop(self) -> None:
        """Finish what was handed over, close the resident, and end the thread; a call starts another."""
        with self._guard.lock:
            life = self._life
            if life is None:
                return
            if life.is_broken():
                life.break_off(_CLOSED)  # those who wait are told; there is nothing to close
                return
            self._life = None
            self._end_life()
        await life.ended.wait()

    def _begin(self, work: Callable[[S], Awaitable[T]]) -> SharedFuture[T]:
        done = SharedFuture[T]()
        self.submit(functools.partial(_answer, work, done), done.set_exception)
        return done

    def _living(self) -> _Life[S]:
        try:
            if self._life is not None and self._life.is_broken():
                self._life.break_off(_CLOSED)
                self._life.loop.keep_numbers()
                self._abandon()
            self._life = self._life or self._start()
        except (ImportError, OSError, RuntimeError) as error:
            reason = str(error)
        else:
            return self._life
        raise self._refusal(reason)

    def _start(self) -> _Life[S]:
        for module in _NEEDED:
            import_module(module)
        life = _Life(self._name, self._make())
        try:
            life.thread.start()
        except RuntimeError:
            life.loop.close()
            raise
        # A forgotten thread ends, too. Not at exit, when it may still be needed.
        self._end_life = weakref.finalize(self, life.end)
        self._end_life.atexit = False
        return life

    def _abandon(self) -> None:
        if self._life is not None:
            self._end_life.detach()
            _abandoned.append(self._life)
            self._life = None


_CLOSED = "its descriptors were closed"

# Their descriptors are shared with the parent, or have numbers that may be those of others by now: neither
# closing nor waking their loops is safe.
_abandoned: list[object] = []


class _Life(Generic[S]):
    """One loop with its thread and its resident, until `end`; or until it breaks off."""

    def __init__(self, name: str, resident: S) -> None:
        # The selector's: psycopg does not work with the proactor of Windows.
        self.loop = SteadyLoop()
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.ended = SharedFuture[None]()
        self._resident = resident
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself holds its tasks weakly
        self._guard = threading.Lock()
        self._unfinished: set[_GiveUp] = set()
        self._broken = ""
        self._ending = False

    def is_broken(self) -> bool:
        """Return whether nothing more will be done here."""
        return bool(self._broken) or not self.loop.is_open()

    def break_off(self, reason: str) -> None:
        """Tell all who wait, and all to come, that nothing more will be done here."""
        with self._guard:
            self._broken = self._broken or reason
            unfinished, self._unfinished = self._unfinished, set()
        for give_up in unfinished:
            give_up(self._failure())
        self.ended.set_exception(self._failure())

    def begin(self, work: _Work[S], give_up: _GiveUp) -> None:
        # Not the caller's context: its cancel scopes, trace spans and request locals are not ours.
        context = contextvars.Context()
        with self._guard:
            if not self._broken:
                self._unfinished.add(give_up)
                self.loop.call_soon_threadsafe(self._spawn, work, give_up, context=context)
                return
        give_up(self._failure())

    def end(self) -> None:
        if self.is_broken():
            _abandoned.append(self)
        else:
            self.loop.call_soon_threadsafe(self._stop)

    async def idle(self) -> None:
        """Return when no work is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _stop(self) -> None:
        self._ending = True
        self.loop.stop()

    def _live(self) -> None:
        try:
            failure = self._run()
            self.loop.close()
        except BaseException as error:  # noqa: BLE001 -- a selector without descriptors raises anything
            logger.error("The thread %r broke off: %s.", self.thread.name, type(error).__name__)  # noqa: TRY400
            log_places(error)
            self.break_off(f"{type(error).__name__}: {error}")
        else:
            self.ended.set_exception(failure) if failure else self.ended.set_result(None)

    def _run(self) -> BaseException | None:
        while not self._ending:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Of a task of a client's own. It cannot end the process from here, and others wait.
                kind = type(error).__name__
                logger.error("A client of a store raised %s in a task: it goes on.", kind)  # noqa: TRY400
        failure = self.loop.run_until_complete(self._finish())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        return failure

    def _failure(self) -> StoreError:
        message = (
            f"The thread of the store broke off ({self._broken}). The next call starts another."
        )
        return StoreError(message)

    def _spawn(self, work: _Work[S], give_up: _GiveUp) -> None:
        task = self.loop.create_task(self._do(work, give_up))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, work: _Work[S], give_up: _GiveUp) -> None:
        try:
            await work(self._resident)
        finally:
            self._unfinished.discard(give_up)

    async def _finish(self) -> BaseException | None:
        await self.idle()
        try:
            await self._resident.aclose()
        except BaseException as error:  # noqa: BLE001 -- it is for `LoopThread.stop`
            return error
        return None


async def _answer(work: Callable[[S], Awaitable[T]], done: SharedFuture[T], resident: S) -> None:
    try:
        done.set_result(await work(resident))
    except BaseException as error:  # noqa: BLE001 -- it is the caller's
        done.set_exception(error)
    finally:
        del done  # as in `SharedFuture.wait`
