"""Submitted work is done in the loop's thread, also if its caller is cancelled or its loop ends."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import sys
import threading
import weakref
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.loop_thread import LoopThread
from atlassian_auth.ports._runtime.steady_loop import _Probe

pytestmark = pytest.mark.every_loop

AT_EXIT = """
import atexit
import anyio
from atlassian_auth.ports._runtime.loop_thread import LoopThread

class Client:
    async def say(self, text):
        print(text)

thread = LoopThread("loop", Client)
atexit.register(lambda: anyio.run(thread.run, lambda client: client.say("saved")))
anyio.run(thread.run, lambda client: client.say("opened"))
"""

ALL_CLOSED = """
import os
import anyio
from atlassian_auth.ports._runtime.loop_thread import LoopThread

class Client:
    async def say(self, text):
        print(text, flush=True)
    async def aclose(self):
        await self.say("closed")

thread, other = LoopThread("loop", Client), LoopThread("other", Client)
anyio.run(thread.run, lambda client: client.say("opened"))
anyio.run(other.run, lambda client: client.say("opened"))
os.closerange(3, 1000)
anyio.run(thread.run, lambda client: client.say("again"))
anyio.run(thread.stop)
anyio.run(other.stop)
"""

FORK = """
import gc, os
import anyio
from atlassian_auth.ports._runtime.loop_thread import LoopThread

class Client:
    def __init__(self):
        self.home = os.getpid()
    async def is_at_home(self):
        return self.home == os.getpid()
    async def aclose(self):
        print("closed", await self.is_at_home(), flush=True)

thread = LoopThread("loop", Client)
assert anyio.run(thread.run, Client.is_at_home)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
print(anyio.run(thread.run, Client.is_at_home), flush=True)
anyio.run(thread.stop)
del thread
gc.collect()
"""


class Client:
    """A client that records its calls."""

    def __init__(self, log, *, failing=False):
        self.log = log
        self.failing = failing

    async def note(self, text):
        self.log.append(text)
        return asyncio.get_running_loop(), threading.current_thread()

    async def fail(self, error):
        raise error

    async def aclose(self):
        self.log.append("closed")
        if self.failing:
            raise ZeroDivisionError


class Plug:
    """Work that ends when the test says so."""

    def __init__(self):
        self.began = SharedFuture()
        self.let_go = SharedFuture()

    async def __call__(self, client):
        self.began.set_result(None)
        await self.let_go.wait()
        client.log.append("unplugged")


@pytest.fixture
def log():
    return []


@pytest.fixture
async def thread(log):
    thread = LoopThread("loop", lambda: Client(log))
    yield thread
    await thread.stop()


async def test_outcomes_come_back(thread):
    """The caller gets the result of its work, or its exception."""
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda client: client.fail(ZeroDivisionError()))
    with pytest.raises(KeyboardInterrupt):
        await thread.run(lambda client: client.fail(KeyboardInterrupt()))
    loop, its_thread = await thread.run(lambda client: client.note("done"))

    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert its_thread.daemon
    assert its_thread.name == "loop"


async def test_one_loop_for_all(thread):
    """Callers of every event loop and thread have their work done in one loop."""

    async def note():
        return await thread.run(lambda client: client.note("done"))

    mine = await note()

    for backend in ("asyncio", "trio"):
        theirs = await anyio.to_thread.run_sync(lambda name=backend: anyio.run(note, backend=name))
        assert theirs == mine


async def test_work_runs_side_by_side(thread, log):
    """Work that waits does not delay other work."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(thread.run, plug)
        await plug.began.wait()
        await thread.run(lambda client: client.note("meanwhile"))
        plug.let_go.set_result(None)

    assert log == ["meanwhile", "unplugged"]


async def test_a_cancelled_caller(thread, log):
    """Cancelling the caller is prompt, and the work is finished all the same."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(thread.run, plug)
        await plug.began.wait()
        tasks.cancel_scope.cancel()
    assert log == []
    plug.let_go.set_result(None)
    await thread.stop()

    assert log == ["unplugged", "closed"]


async def test_a_closed_loop(thread, log):
    """Work is finished even if its caller's event loop was closed, and the thread goes on."""
    plug = Plug()

    async def ask_and_leave():
        asking = asyncio.create_task(thread.run(plug))
        await plug.began.wait()
        assert not asking.done()

    await anyio.to_thread.run_sync(asyncio.run, ask_and_leave())
    plug.let_go.set_result(None)
    await thread.stop()

    assert log == ["unplugged", "closed"]


async def test_stop(thread, log):
    """`stop` finishes the submitted work, closes the client in its loop, and ends the thread."""
    plug = Plug()
    loop, its_thread = await thread.run(lambda client: client.note("done"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(thread.run, plug)
        await plug.began.wait()
        tasks.start_soon(thread.stop)
        await anyio.wait_all_tasks_blocked()
        plug.let_go.set_result(None)
    await anyio.to_thread.run_sync(its_thread.join)

    assert log == ["done", "unplugged", "closed"]
    assert loop.is_closed()


async def test_stop_tells_what_went_wrong(log):
    """`stop` raises the error of the client's `aclose`."""
    thread = LoopThread("loop", lambda: Client(log, failing=True))
    await thread.run(lambda client: client.note("done"))

    with pytest.raises(ZeroDivisionError):
        await thread.stop()
    await thread.stop()


async def test_stopped_before_anything(thread, log):
    """Without work there is no thread, and no client to close."""
    await thread.stop()

    assert log == []


async def test_used_after_stopping(thread):
    """After `stop` the next work runs in a new loop."""
    first = await thread.run(lambda client: client.note("first"))
    await thread.stop()

    second = await thread.run(lambda client: client.note("second"))

    assert second[0] is not first[0]
    assert second[1] is not first[1]


@pytest.mark.usefixtures("young_heap")
async def test_forgotten(log):
    """When its owner is garbage collected the thread closes its client and ends."""
    thread = LoopThread("loop", lambda: Client(log))
    loop, its_thread = await thread.run(lambda client: client.note("done"))

    del thread
    gc.collect()
    await anyio.to_thread.run_sync(its_thread.join, 10)

    assert log == ["done", "closed"]
    assert loop.is_closed()


async def look_at_task(client):
    assert type(client.task.exception()) is SystemExit


async def exit_in_a_task(client):
    """Start a task that raises `SystemExit`, as a user's client may do."""
    began = asyncio.get_running_loop().create_future()

    async def leave():
        began.set_result(None)
        raise SystemExit(3)

    client.task = asyncio.create_task(leave())
    await began


async def test_an_exit_in_a_task(thread, log, caplog):
    """If a task of the client raises `SystemExit`, the loop and its other work go on."""
    plug = Plug()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(thread.run, plug)
        await plug.began.wait()
        before = await thread.run(lambda client: client.note("before"))
        await thread.run(exit_in_a_task)
        after = await thread.run(lambda client: client.note("after"))
        await thread.run(look_at_task)
        plug.let_go.set_result(None)

    assert before == after
    assert log == ["before", "after", "unplugged"]
    assert "raised SystemExit; the loop goes on" in caplog.text


async def test_a_thread_that_broke_off(thread, log, caplog):
    """Waiting calls raise an error, the next call has a new thread and client; the log says where and why."""
    caplog.set_level(logging.DEBUG, "atlassian_auth")
    plug = Plug()
    loop, its_thread = await thread.run(lambda client: client.note("first"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits_in_vain, thread, plug)
        await plug.began.wait()
        await waits_in_vain(thread, lose_descriptors)
    await anyio.to_thread.run_sync(its_thread.join)
    other_loop, _ = await thread.run(lambda client: client.note("second"))

    assert other_loop is not loop
    assert log == ["first", "second"]
    assert "The OSError came from these places:\nOSError\n" in caplog.text
    forget(loop)


async def waits_in_vain(thread, work):
    with pytest.raises(StoreError, match="has failed") as raised:
        await thread.run(work)
    assert raised.value.__cause__ is None


async def lose_descriptors(client):
    """Wait in a loop that behaves as if its descriptors were closed."""

    def select(timeout):
        raise OSError(errno.EBADF, "Bad file descriptor")

    loop = asyncio.get_running_loop()
    loop._selector.select = select
    await loop.create_future()


def forget(loop):
    """Close what is left of such a loop."""
    del loop._selector.select
    loop.close()


async def test_a_thread_that_breaks_off_while_it_is_stopped(thread):
    """`stop` raises an error then, and does not wait for ever."""
    plug = Plug()

    async def work(client):
        await plug(client)
        await lose_descriptors(client)

    async def stop():
        with pytest.raises(StoreError, match="has failed"):
            await thread.stop()

    _, its_thread = await thread.run(lambda client: client.note("first"))
    current = thread._current
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits_in_vain, thread, work)
        await plug.began.wait()
        tasks.start_soon(stop)
        await anyio.wait_all_tasks_blocked()
        plug.let_go.set_result(None)
    await anyio.to_thread.run_sync(its_thread.join)
    forget(current.loop)


@pytest.mark.parametrize("ask", ["run", "stop"])
async def test_closed_descriptors(thread, ask):
    """After the program closed the thread's descriptors, waiting calls say so as soon as there is another."""
    plug = Plug()

    async def wait():
        with pytest.raises(StoreError, match="its descriptors were closed"):
            await thread.run(plug)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await plug.began.wait()
        current = thread._current
        # The others stay open: their numbers would be those of other files soon.
        os.close(current.loop._probe._descriptor)
        if ask == "stop":
            await thread.stop()
        else:
            await thread.run(lambda client: client.note("again"))
    plug.let_go.set_result(None)
    current.loop.call_soon_threadsafe(current._stop)
    await anyio.to_thread.run_sync(current.thread.join)


class Result:
    """What work returns."""


@pytest.mark.usefixtures("young_heap")
async def test_a_result_is_not_kept(thread):
    """A thread that works for months keeps nothing of the work it has done."""

    async def work(_client):
        return Result()

    result = weakref.ref(await thread.run(work))
    await thread.run(lambda client: client.note("later"))
    gc.collect()

    assert result() is None


async def test_asked_while_it_breaks_off(thread, log):
    """A call at that very moment raises an error too; a call that has its result keeps it."""
    loop, its_thread = await thread.run(lambda client: client.note("first"))
    await waits_in_vain(thread, lose_descriptors)
    await anyio.to_thread.run_sync(its_thread.join)
    late: SharedFuture = SharedFuture()

    thread._current.begin(lambda client: client.note("never"), late.set_exception)

    with pytest.raises(StoreError, match="OSError"):
        await late.wait()
    assert log == ["first"]
    forget(loop)


def test_a_closed_probe(tmp_path):
    """If another file has the number of the closed descriptor, that file is left open."""
    probe = _Probe()
    assert probe.is_open()
    number = probe._descriptor
    with (tmp_path / "file").open("wb") as file:
        os.dup2(file.fileno(), number)
        assert not probe.is_open()
        probe.close()
        os.close(number)

    assert not probe.is_open()


async def test_stopped_after_it_failed(thread, log):
    """After a failure there is nothing to close."""
    loop, its_thread = await thread.run(lambda client: client.note("first"))
    await waits_in_vain(thread, lose_descriptors)
    await anyio.to_thread.run_sync(its_thread.join)

    await thread.stop()

    assert log == ["first"]
    forget(loop)


def test_all_descriptors_closed(run):
    """After a program closed all descriptors its next call starts a thread, and no call waits for ever."""
    assert run(ALL_CLOSED) == ["opened", "opened", "again", "closed"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors as Linux does")
async def test_no_descriptors_to_be_had(thread):
    """With too few descriptors the call raises an error that says so, and leaves none open."""
    import resource

    def open_ones():
        return {int(path.name) for path in Path("/proc/self/fd").iterdir()}

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = open_ones()
    too_few = sorted({*range(4096)} - before)[2]
    resource.setrlimit(resource.RLIMIT_NOFILE, (too_few, hard))
    try:
        with pytest.raises(StoreError, match="needs a thread"):
            await thread.run(lambda client: client.note("never"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert open_ones() == before
    await thread.run(lambda client: client.note("done"))


async def test_no_thread_to_be_had(thread):
    """If no thread can be started the call raises an error that says so, and may be tried again."""
    usual = threading.stack_size(1 << 45)
    try:
        with pytest.raises(StoreError, match="needs a thread"):
            await thread.run(lambda client: client.note("never"))
    finally:
        threading.stack_size(usual)

    await thread.run(lambda client: client.note("done"))


def test_works_while_the_interpreter_exits(run):
    """Work of handlers that run at exit is still done."""
    assert run(AT_EXIT) == ["opened", "saved"]


def test_after_a_fork(run):
    """The child has a loop and a client of its own, leaves the parent's alone, and closes its own."""
    assert run(FORK) == ["True", "closed", "True"] * 2


async def test_a_fork_before_anything(thread):
    """A fork in C of a process that has no thread yet changes nothing."""
    thread._guard.after_fork_in_child()

    await thread.run(lambda client: client.note("done"))
