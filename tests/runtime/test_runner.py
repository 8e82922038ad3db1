"""Where refreshes run, and how their results come back."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import subprocess
import sys
import threading
import weakref

import anyio
import pytest
import trio

from atlassian_auth import (
    AtlassianAuthError,
    ConfigurationError,
    InlineRunner,
    StoreError,
    ThreadRunner,
    TransientError,
)
from atlassian_auth.ports._runtime.future import SharedFuture, explained, start
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.ports._runtime.traces import places

pytestmark = pytest.mark.every_loop


async def test_work_runs_elsewhere_and_its_result_comes_back():
    """Work runs on the runner's thread; its result reaches any loop."""

    async def work() -> str:
        return threading.current_thread().name

    for runner in (SHARED_RUNNER, ThreadRunner()):
        assert await start(runner.submit, work).wait() == "atlassian-auth-runner"


async def test_each_waiter_raises_an_error_of_its_own():
    """A failure is shared; each waiting caller gets its own exception object."""

    async def work() -> None:
        raise StoreError("disk")

    future = start(SHARED_RUNNER.submit, work)

    caught = []
    for _ in range(2):
        with pytest.raises(StoreError, match="disk") as error:
            await future.wait()
        caught.append(error.value)
    assert caught[0] is not caught[1]


async def test_an_unexpected_error_ends_the_wait_and_shows_nothing(caplog):
    """Whatever the work raises, the caller gets an error, and no log record quotes the text of the first."""
    caplog.set_level(logging.INFO, "atlassian_auth")

    async def work() -> None:
        raise KeyError("secret")

    with pytest.raises(AtlassianAuthError) as raised:
        await start(SHARED_RUNNER.submit, work).wait()

    assert type(raised.value) is AtlassianAuthError
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert "KeyError" in caplog.text
    assert "secret" not in f"{raised.value}{caplog.text}"


def test_where_an_unexpected_error_came_from_is_logged(caplog):
    """At level DEBUG the files, lines and types of the error and its causes are logged, not their texts."""
    caplog.set_level(logging.DEBUG, "atlassian_auth")

    def inner():
        raise KeyError("secret")

    def work():
        try:
            inner()
        except KeyError:
            raise ValueError("secret") from None  # its context is shown all the same

    with pytest.raises(ValueError, match="secret") as raised:
        work()
    error = explained(raised.value)

    assert "DEBUG" in str(error)
    assert "refresh" not in str(error)
    places = caplog.records[-1].getMessage()
    assert "ValueError\n" in places
    assert "\nKeyError\n" in places
    assert f'  File "{__file__}", line {inner.__code__.co_firstlineno + 1}, in ' in places
    assert "secret" not in caplog.text


def test_an_error_that_is_its_own_cause():
    """Each error of a circle of causes is listed once."""
    error, cause = ValueError(), KeyError()
    error.__cause__, cause.__cause__ = cause, error

    assert places(error) == "ValueError\nKeyError"


def test_a_caller_that_ends_its_loop_disturbs_nothing():
    """Work goes on after its caller's loop has ended, and the next loop gets the result."""
    begun, may_end, future = SharedFuture[None](), SharedFuture[None](), SharedFuture[str]()

    async def work() -> None:
        begun.set_result(None)
        await may_end.wait()
        future.set_result("finished")

    async def ask_and_leave() -> None:
        SHARED_RUNNER.submit(work)
        await begun.wait()

    asyncio.run(ask_and_leave())
    may_end.set_result(None)

    assert asyncio.run(future.wait()) == "finished"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_inline_work_does_not_see_the_callers_context():
    """Inline work too runs in a context of its own."""
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("the caller's")

    async def work() -> str:
        return variable.get()

    assert await start(InlineRunner().submit, work).wait() == "none"


@pytest.mark.usefixtures("young_heap")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_inline_work_that_nothing_else_refers_to():
    """The runner keeps its work until it is done: asyncio refers to a task only weakly."""
    runner, events = InlineRunner(), weakref.WeakSet[asyncio.Event]()

    async def work() -> str:
        event = asyncio.Event()
        events.add(event)
        await event.wait()
        return "done"

    future = start(runner.submit, work)
    await asyncio.sleep(0)
    gc.collect()

    [event] = events
    event.set()
    assert await future.wait() == "done"


def test_the_callers_context_stays_outside():
    """Request locals and trace spans of the first caller are not visible to shared work."""
    variable = contextvars.ContextVar("variable", default="none")
    future = SharedFuture[str]()

    async def work() -> None:
        future.set_result(variable.get())

    variable.set("the caller's")
    SHARED_RUNNER.submit(work)

    assert future.wait_sync() == "none"


def test_draining_waits_for_work_under_way():
    """``drain`` returns when nothing is under way, or when its time is up."""
    runner, may_end, ended = ThreadRunner(exit_timeout_seconds=0.01), SharedFuture[None](), []

    async def work() -> None:
        await may_end.wait()
        ended.append(True)

    runner.drain()
    runner.submit(work)
    runner.drain()
    assert not ended
    may_end.set_result(None)
    runner._exit_timeout_seconds = 30
    runner.drain()

    assert ended == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed as POSIX does")
def test_a_thread_that_died_is_replaced():
    """If the process closes all descriptors, waiting calls raise an error, and the next work runs."""
    program = """
import os
from atlassian_auth import TransientError
from atlassian_auth.ports._runtime.future import SharedFuture, start
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER

def run(work):
    return start(SHARED_RUNNER.submit, work).wait_sync()

async def answer():
    return "done"

begun = SharedFuture()
async def never():
    begun.set_result(None)
    await SharedFuture().wait()

assert run(answer) == "done"
waiting = start(SHARED_RUNNER.submit, never)
begun.wait_sync()
assert run(answer) == "done"  # so the thread sleeps again, or is about to
old = SHARED_RUNNER.home()
numbers = [end.fileno() for end in (old._selector, old._ssock, old._csock)]
os.closerange(3, 256)
print(run(answer))
null = os.stat(os.devnull).st_rdev
print([os.fstat(number).st_rdev == null for number in numbers])  # no later file gets one of them
try:
    waiting.wait_sync()
except TransientError as error:
    print(error)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], timeout=300, check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["done", "[True, True, True]", "The event loop that ran the refresh has ended; try again."],
    ), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed as POSIX does")
def test_work_that_a_dead_thread_never_began():
    """If the thread dies before it begins the work, the caller gets an error and does not wait for ever."""
    program = """
import os, threading
from atlassian_auth import TransientError
from atlassian_auth.ports._runtime.future import SharedFuture, start
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER

async def answer():
    return "done"

begun, may_end = SharedFuture(), threading.Event()
async def block():
    begun.set_result(None)
    may_end.wait()

start(SHARED_RUNNER.submit, block)
begun.wait_sync()
waiting = start(SHARED_RUNNER.submit, answer)
os.closerange(3, 256)
may_end.set()
try:
    waiting.wait_sync()
except TransientError as error:
    print(error)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], timeout=300, check=True, capture_output=True, text=True
    )

    assert done.stdout == "The event loop that ran the refresh has ended; try again.\n"


def test_without_a_thread_there_is_an_error(monkeypatch):
    """If no thread can be started, as at the interpreter's exit, the error says why."""

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(TransientError, match="in a thread, and none can be started: can't start"):
        ThreadRunner().home()


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
async def test_work_that_wants_to_end_the_program_ends_itself(end):
    """An error of a user's store or sender does not end the thread that serves all credentials."""

    async def work() -> None:
        raise end

    async def answer() -> str:
        return threading.current_thread().name

    with pytest.raises(AtlassianAuthError, match=end.__name__):
        await start(SHARED_RUNNER.submit, work).wait()

    assert await start(SHARED_RUNNER.submit, answer).wait() == "atlassian-auth-runner"


def test_a_blocking_wait_on_its_own_thread_is_refused():
    """A blocking call in the runner's own thread would never end, so it raises an error."""
    future = SharedFuture[str]()

    async def work() -> None:
        try:
            SHARED_RUNNER.check_may_wait()
        except ConfigurationError as error:
            future.set_result(str(error))

    SHARED_RUNNER.submit(work)

    assert "wait for itself" in future.wait_sync()
    SHARED_RUNNER.check_may_wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_a_thread_of_its_own():
    """After a fork the child's work runs in a thread of its own."""
    program = """
import os
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER

def run():
    future = SharedFuture()
    async def work():
        future.set_result(os.getpid())
    SHARED_RUNNER.submit(work)
    return future.wait_sync()

assert run() == os.getpid()
child = os.fork()
if child == 0:
    os._exit(0 if run() == os.getpid() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""

    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        timeout=300,
        check=False,
    )

    assert done.returncode == 0


def test_the_interpreters_exit_waits_for_work_under_way():
    """The interpreter's exit waits until running work is finished."""
    program = """
import asyncio, threading
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER

begun = threading.Event()
async def work():
    begun.set()
    for _ in range(1000):
        await asyncio.sleep(0)
    print("finished", flush=True)
SHARED_RUNNER.submit(work)
begun.wait()
"""

    done = subprocess.run(
        [sys.executable, "-c", program], timeout=300, check=True, capture_output=True, text=True
    )

    assert done.stdout == "finished\n"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_inline_work_outlives_its_caller():
    """Inline work runs in the caller's loop, as a task that the caller's cancellation does not reach."""
    may_end, future = asyncio.Event(), SharedFuture[bool]()

    async def work() -> None:
        await may_end.wait()
        future.set_result(True)

    runner = InlineRunner()

    async def ask() -> None:
        runner.submit(work)
        await future.wait()

    caller = asyncio.create_task(ask())
    await asyncio.sleep(0)
    caller.cancel()
    may_end.set()

    assert await future.wait()


def test_inline_work_needs_an_asyncio_loop():
    """If inline work cannot run, the error names the runner to use instead."""
    runner = InlineRunner()

    async def ask() -> None:
        runner.submit(ask)

    with pytest.raises(ConfigurationError, match="ThreadRunner") as refused:
        trio.run(ask)
    with pytest.raises(ConfigurationError, match="ThreadRunner") as wait_refused:
        runner.check_may_wait()
    assert refused.value.argument == wait_refused.value.argument == "runner"


async def test_work_that_is_cancelled_still_answers():
    """If the loop that runs the work ends, waiting calls raise an error."""
    futures = []

    async def never() -> None:
        await asyncio.Event().wait()

    async def ask() -> None:
        futures.append(start(InlineRunner().submit, never))
        await asyncio.sleep(0)

    await anyio.to_thread.run_sync(asyncio.run, ask())

    with pytest.raises(AtlassianAuthError, match="has ended"):
        await futures[0].wait()


async def nothing() -> None:
    """Clean up nothing."""


async def a_turn() -> None:
    """Wait for a turn of the loop."""
    await asyncio.sleep(0)


@pytest.mark.parametrize("clean_up", [nothing, a_turn, SharedFuture().wait])
async def test_a_loop_that_breaks_tells_those_who_wait(clean_up, caplog):
    """If the loop's selector fails, waiting calls raise an error, and the next work runs."""
    runner = ThreadRunner()

    def select(timeout):
        raise OSError("no descriptors")

    async def wait() -> None:
        try:
            await SharedFuture().wait()
        finally:
            await clean_up()

    async def lose_descriptors() -> None:
        runner.home()._selector.select = select
        await wait()

    async def answer() -> str:
        return "done"

    runner.submit(wait)
    waiting = [start(runner.submit, work) for work in (wait, wait, lose_descriptors)]
    for one in waiting:
        with pytest.raises(TransientError, match="has ended"):
            await one.wait()

    assert await start(runner.submit, answer).wait() == "done"
    assert "has failed: OSError" in caplog.text


def test_work_that_runs_while_its_thread_is_given_up():
    """If the descriptors are closed during a step of the work, its caller gets an error and does not wait."""
    runner, begun, may_go_on = ThreadRunner(), SharedFuture[None](), threading.Event()

    async def work() -> None:
        begun.set_result(None)
        may_go_on.wait()
        await SharedFuture().wait()

    waiting = start(runner.submit, work)
    begun.wait_sync()
    first = runner.home()
    os.close(first._probe._descriptor)  # the other ones stay open: a test must not close them

    assert runner.home() is not first
    may_go_on.set()
    with pytest.raises(TransientError, match="has ended"):
        waiting.wait_sync()


def test_the_clean_up_of_work_does_not_run_in_another_thread():
    """The `finally` of begun work may use the runner: another thread would run it under the runner's lock."""
    runner, begun, cleaned_up = ThreadRunner(), SharedFuture[None](), []

    async def work() -> None:
        begun.set_result(None)
        try:
            await SharedFuture().wait()
        finally:
            cleaned_up.append(runner.home())

    waiting = start(runner.submit, work)
    begun.wait_sync()
    first = runner.home()
    os.close(first._probe._descriptor)

    assert runner.home() is not first
    with pytest.raises(TransientError, match="has ended"):
        waiting.wait_sync()
    assert cleaned_up == []
