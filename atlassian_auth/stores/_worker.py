"""A thread of its own for calls that block, asked from any event loop.

A call that was handed over is made, whatever becomes of who asked: neither a cancelled caller nor a
closed event loop stops it. A thread rather than an executor, because ``concurrent.futures`` refuses
work once the interpreter shuts down, which is when the last refresh may still be saving its token.

Not a `LoopThread`: gevent runs all threads in one, and one thread runs one event loop, the runner's. So
stores of files, which need no loop, work there (tried with gevent 26.9, 2026-11-21). Nor would one loop do
for several stores: a call that blocks would hold up the others.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth._runtime.loop_thread import no_thread

__all__ = ["Worker"]

T = TypeVar("T")

_Calls = SimpleQueue[tuple[Callable[[], Any], SharedFuture[Any]] | None]


class Worker:
    """Makes calls one after the other in a daemon thread, from the first call until `stop`.

    Args:
        name: The thread's name.
        finish: Called in the thread, last: by `stop`, or when nobody has the worker any more.
    """

    def __init__(self, name: str, finish: Callable[[], None]) -> None:
        self._name = name
        self._finish = finish
        # One, or none while there is no thread. No attribute of ours refers to the worker: it ends as soon
        # as its store is dropped, and not when the garbage collector comes by.
        self._open: list[_Calls] = []
        self._end_thread: weakref.finalize[[None], Worker]
        self._guard = ForkLock(in_child=partial(_forget, self._open))

    async def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, or raise what it raises.

        Raises:
            StoreError: if no thread can be started.
        """
        return await self._hand_over(call).wait()

    async def stop(self) -> None:
        """Make the calls that were handed over, finish, and end the thread; a call starts another."""
        done = SharedFuture[None]()
        with self._guard.lock:
            if not self._open:
                return
            self._open.pop().put((self._finish, done))
            self._end_thread.detach()
        await done.wait()

    def _hand_over(self, call: Callable[[], T]) -> SharedFuture[T]:
        done = SharedFuture[T]()
        with self._guard.lock:
            calls = self._open[0] if self._open else self._start()
            calls.put((call, done))
        return done

    def _start(self) -> _Calls:
        calls: _Calls = SimpleQueue()
        thread = threading.Thread(
            target=_serve, args=(calls, self._finish), name=self._name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise no_thread(error) from None
        # A forgotten worker's thread ends, too. Not at exit, when it may still be needed.
        self._end_thread = weakref.finalize(self, calls.put, None)
        self._end_thread.atexit = False
        self._open.append(calls)
        return calls


def _forget(opened: list[_Calls]) -> None:
    """Leave to the parent what its thread was to do; a call that is kept would keep its store."""
    for calls in opened:
        while not calls.empty():
            calls.get_nowait()
    opened.clear()


def _serve(calls: _Calls, finish: Callable[[], None]) -> None:
    while (handed := calls.get()) is not None:
        call, done = handed
        _answer(call, done)
        if call is finish:
            return  # once: another thread may have begun anew by now
        # They refer to the store, which could not be dropped while this waits for another call.
        del handed, call, done
    finish()


def _answer(call: Callable[[], T], done: SharedFuture[T]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:  # noqa: BLE001 -- it is the caller's
        done.set_exception(error)
    finally:
        del done  # as in `SharedFuture.wait`
