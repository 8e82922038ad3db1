"""A worker makes every call it was given, one after the other, in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import threading

import anyio
import anyio.to_thread
import pytest

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores._worker import Worker

pytestmark = pytest.mark.every_loop

AT_EXIT = """
import atexit
import anyio
from atlassian_auth.stores._worker import Worker

worker = Worker("worker", lambda: None)
atexit.register(lambda: anyio.run(worker.run, lambda: print("saved")))
anyio.run(worker.run, lambda: print("opened"))
"""

FORK = """
import os
import anyio
from atlassian_auth.stores._worker import Worker

worker = Worker("worker", lambda: None)
parent = os.getpid()
anyio.run(worker.run, os.getpid)
if os.fork():
    os.wait()
print(anyio.run(worker.run, os.getpid) == os.getpid(), flush=True)
"""


class Plug:
    """A call that keeps the worker busy until the test is done with it."""

    def __init__(self):
        self.began = threading.Event()
        self.let_go = threading.Event()

    def __call__(self):
        self.began.set()
        self.let_go.wait()


@pytest.fixture
def log():
    return []


@pytest.fixture
async def worker(log):
    worker = Worker("worker", lambda: log.append("finished"))
    yield worker
    await worker.stop()


async def test_outcomes_come_back(worker):
    """The caller gets the result of its call, or its exception."""
    assert await worker.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 / 0)
    with pytest.raises(KeyboardInterrupt):
        await worker.run(_interrupt)
    assert await worker.run(lambda: 43) == 43


def _interrupt():
    raise KeyboardInterrupt


async def test_one_thread(worker):
    """All calls are made in one daemon thread, which is not the caller's."""
    threads = [await worker.run(threading.current_thread) for _ in range(3)]

    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon
    assert threads[0].name == "worker"


async def test_in_order(worker, log):
    """Calls are made in the order in which they were asked for."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, plug)
        await anyio.to_thread.run_sync(plug.began.wait)
        for number in range(10):
            tasks.start_soon(worker.run, lambda number=number: log.append(number))
            await anyio.wait_all_tasks_blocked()
        plug.let_go.set()

    assert log == list(range(10))


async def test_the_event_loop_goes_on(worker):
    """While a call blocks, other tasks run."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, plug)
        await anyio.to_thread.run_sync(plug.began.wait)
        plug.let_go.set()


async def test_a_cancelled_caller(worker, log):
    """Cancelling the caller is prompt, and the call is made all the same."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, plug)
        await anyio.to_thread.run_sync(plug.began.wait)
        tasks.start_soon(worker.run, lambda: log.append("made"))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert log == []
    plug.let_go.set()

    await worker.run(lambda: None)
    assert log == ["made"]


async def test_a_closed_loop(worker, log):
    """A call is made even if its caller's event loop was closed, and the worker goes on."""
    plug = Plug()

    async def ask_and_leave():
        tasks = [
            asyncio.create_task(worker.run(plug)),
            asyncio.create_task(worker.run(lambda: log.append("made"))),
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

    await anyio.to_thread.run_sync(asyncio.run, ask_and_leave())
    plug.let_go.set()

    assert await worker.run(lambda: 42) == 42
    assert log == ["made"]


async def test_stop(worker, log):
    """Stopping makes the calls that were handed over, finishes in the thread, and ends it."""
    thread = await worker.run(threading.current_thread)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run, lambda: log.append("made"))
        await anyio.wait_all_tasks_blocked()
        await worker.stop()
    await anyio.to_thread.run_sync(thread.join)

    assert log[:2] == ["made", "finished"]


async def test_stop_tells_what_went_wrong():
    """Only `stop` raises an error of the finishing call."""
    worker = Worker("worker", _fail_once())
    await worker.run(lambda: None)

    with pytest.raises(ZeroDivisionError):
        await worker.stop()
    await worker.stop()


def _fail_once():
    outcomes = [0]
    return lambda: outcomes and 1 / outcomes.pop()


async def test_stopped_before_anything(worker, log):
    """Without a call there is no thread, and nothing to finish."""
    await worker.stop()

    assert log == []


async def test_used_after_stopping(worker):
    """A stopped worker takes calls again, in a new thread."""
    first = await worker.run(threading.current_thread)
    await worker.stop()

    assert await worker.run(threading.current_thread) is not first


@pytest.mark.usefixtures("young_heap")
async def test_forgotten():
    """A worker that is garbage-collected finishes its work and ends its thread."""
    finished = threading.Event()
    worker = Worker("worker", finished.set)
    thread = await worker.run(threading.current_thread)

    del worker
    gc.collect()
    await anyio.to_thread.run_sync(thread.join, 10)

    assert finished.is_set()


async def test_no_thread_to_be_had(worker):
    """If the system starts no thread, the caller gets a StoreError and may try again."""
    usual = threading.stack_size(1 << 45)
    try:
        with pytest.raises(StoreError, match="needs a thread"):
            await worker.run(lambda: None)
    finally:
        threading.stack_size(usual)

    assert await worker.run(lambda: 42) == 42


def test_works_while_the_interpreter_exits(run):
    """Calls of handlers that run at exit are still made."""
    assert run(AT_EXIT) == ["opened", "saved"]


def test_after_a_fork(run):
    """A forked child makes its calls in a thread of its own, and the parent goes on."""
    assert run(FORK) == ["True", "True"]
