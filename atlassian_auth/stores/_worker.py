"""A thread that makes a store's blocking calls, for callers in any event loop.

A call that was submitted is always made: neither cancelling the caller nor closing its event loop stops it.
It is a thread and not an executor, because ``concurrent.futures`` refuses work while the interpreter exits,
and that is when the last refresh may still be saving its token.

It is not a `LoopThread`. gevent runs all threads in one, which can run only one event loop: the runner's. So
stores of files, which need no loop, work under gevent (tried with gevent 26.9, 2026-11-21). Several stores
cannot share one thread either: a blocking call of one store would delay the others.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.loop_thread import no_thread

__all__ = ["Worker"]

T = TypeVar("T")

_Calls = SimpleQueue[tuple[Callable[[], Any], SharedFuture[Any]] | None]


class Worker:
    """Makes calls one after the other in a daemon thread, from the first call until `stop`.

    Args:
        name: The thread's name.
        finish: The last call in the thread: after `stop`, or when the worker is garbage-collected.
    """

    def __init__(self, name: str, finish: Callable[[], None]) -> None:
        self._name = name
        self._finish = finish
        # The queue of the running thread; empty while there is no thread. No attribute refers to the worker,
        # so it ends as soon as its store is dropped, without waiting for the garbage collector.
        self._open: list[_Calls] = []
        self._end_thread: weakref.finalize[[None], Worker]
        self._guard = ForkLock(in_child=partial(_drop_calls, self._open))

    async def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, or raise what it raises.

        Raises:
            StoreError: if no thread can be started.
        """
        return await self._submit(call).wait()

    async def stop(self) -> None:
        """Make the calls that were submitted, finish, and end the thread. A later call starts another."""
        done = SharedFuture[None]()
        with self._guard.lock:
            if not self._open:
                return
            self._open.pop().put((self._finish, done))
            self._end_thread.detach()
        await done.wait()

    def _submit(self, call: Callable[[], T]) -> SharedFuture[T]:
        done = SharedFuture[T]()
        with self._guard.lock:
            calls = self._open[0] if self._open else self._start()
            calls.put((call, done))
        return done

    def _start(self) -> _Calls:
        calls: _Calls = SimpleQueue()
        thread = threading.Thread(
            target=_make_calls, args=(calls, self._finish), name=self._name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise no_thread(error) from None
        # End the thread when the worker is dropped, but not at exit, when it may still be needed.
        self._end_thread = weakref.finalize(self, calls.put, None)
        self._end_thread.atexit = False
        self._open.append(calls)
        return calls


def _drop_calls(opened: list[_Calls]) -> None:
    """Drop the parent's calls in the child of a fork. A call that stays here would keep its store alive."""
    for calls in opened:
        while not calls.empty():
            calls.get_nowait()
    opened.clear()


def _make_calls(calls: _Calls, finish: Callable[[], None]) -> None:
    while (submitted := calls.get()) is not None:
        call, done = submitted
        _make_call(call, done)
        if call is finish:
            return  # `finish` was just called; another thread may have started meanwhile
        # These variables refer to the store, which must be free to end while this thread waits for a call.
        del submitted, call, done
    finish()


def _make_call(call: Callable[[], T], done: SharedFuture[T]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:  # noqa: BLE001 -- raised in the caller
        done.set_exception(error)
    finally:
        del done  # as in `SharedFuture.wait`
