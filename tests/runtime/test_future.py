"""A future: set once, awaited from every loop and thread."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import anyio
import pytest
import trio

from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports._runtime.future import SharedFuture, current_loop

pytestmark = pytest.mark.every_loop


async def test_waiters_get_the_value():
    """Present and later calls of ``wait`` return the value."""
    future = SharedFuture[str]()
    got: list[str] = []

    async def wait() -> None:
        got.append(await future.wait())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        future.set_result("value")
    await wait()

    assert got == ["value"] * 4


async def test_a_cancelled_waiter_leaves_alone():
    """Cancelling one waiting task disturbs neither the others nor the task that sets the value."""
    future = SharedFuture[str]()
    got: list[str] = []

    async def wait() -> None:
        got.append(await future.wait())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await future.wait()
        future.set_result("value")

    assert got == ["value"]


def test_every_loop_and_thread_at_once():
    """One future wakes asyncio, trio and plain threads, set from yet another thread."""
    future = SharedFuture[str]()
    waiting = threading.Barrier(4)

    async def in_a_loop() -> str:
        await anyio.to_thread.run_sync(waiting.wait)
        return await future.wait()

    def in_a_thread() -> str:
        waiting.wait()
        return future.wait_sync()

    with ThreadPoolExecutor(3) as threads:
        futures = [
            threads.submit(asyncio.run, in_a_loop()),
            threads.submit(trio.run, in_a_loop),
            threads.submit(in_a_thread),
        ]
        waiting.wait()
        future.set_result("value")

        assert [future.result() for future in futures] == ["value"] * 3


def test_a_loop_that_has_ended_is_skipped():
    """The end of one loop does not keep the tasks of other loops from being woken."""
    future = SharedFuture[str]()

    async def leave() -> None:
        waiter = asyncio.ensure_future(future.wait())
        await asyncio.sleep(0)
        waiter.cancel()

    asyncio.run(leave())

    future.set_result("value")

    assert future.wait_sync() == "value"


def test_the_last_value_counts():
    """A future that is set again wakes no task twice; later calls get the newer result."""
    future = SharedFuture[int]()
    waiting = threading.Thread(target=future.wait_sync)
    waiting.start()

    future.set_result(1)
    future.set_result(2)
    waiting.join()

    assert future.wait_sync() == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_module_that_is_being_imported_is_no_loop(monkeypatch):
    """While another thread imports trio, tasks on asyncio can wait."""
    monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
    future = SharedFuture[str]()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(future.wait)
        await anyio.wait_all_tasks_blocked()
        future.set_result("value")

    assert await future.wait() == "value"


@pytest.mark.parametrize("module", [trio, types.ModuleType("trio")], ids=["imported", "half"])
def test_a_callback_of_asyncio_finds_its_loop(module, monkeypatch):
    """Outside of tasks too, a loop of asyncio is found, while trio is imported or has been."""
    monkeypatch.setitem(sys.modules, "trio", module)
    found: list[object] = []

    with closing(asyncio.new_event_loop()) as loop:
        loop.call_soon(lambda: found.append(current_loop()))
        loop.call_soon(loop.stop)
        loop.run_forever()

        assert found == [(loop, loop.call_soon_threadsafe)]


def fail_in_a_store() -> None:
    raise StoreError("disk")


def test_an_error_says_where_it_came_from():
    """The traceback of a caller's error leads to the place where the first one was raised."""
    future = SharedFuture[None]()
    with pytest.raises(StoreError) as first:
        fail_in_a_store()
    future.set_exception(first.value)

    with pytest.raises(StoreError) as caught:
        future.wait_sync()

    assert caught.value is not first.value
    assert fail_in_a_store.__name__ in [entry.name for entry in caught.traceback]


def test_trio_as_a_guest_of_asyncio():
    """With trio as a guest of asyncio in one thread, a task of each can wait."""
    future = SharedFuture[str]()
    got: list[str] = []

    async def wait() -> None:
        got.append(await future.wait())

    async def host() -> None:
        ended = asyncio.get_running_loop().create_future()
        trio.lowlevel.start_guest_run(
            wait,
            run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
            done_callback=ended.set_result,
        )
        waiting = asyncio.create_task(wait())
        while len(future._events) < 2:  # noqa: ASYNC110 -- of two loops
            await asyncio.sleep(0)
        future.set_result("value")
        await asyncio.gather(ended, waiting)

    asyncio.run(host())

    assert got == ["value", "value"]
