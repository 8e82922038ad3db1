"""Where refreshes run, and how their outcome comes back."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import subprocess
import sys
import threading

import anyio
import pytest
import trio

from atlassian_auth import (
    AtlassianAuthError,
    ConfigurationError,
    InlineRunner,
    StoreError,
    ThreadRunner,
)
from atlassian_auth._runtime.latch import Latch
from atlassian_auth._runtime.outcome import Failed, Succeeded, outcome_of, start
from atlassian_auth._runtime.runner import SHARED_RUNNER, _live

pytestmark = pytest.mark.every_loop


async def test_work_runs_elsewhere_and_its_result_comes_back():
    """Work runs on the runner's thread; its result reaches any loop."""

    async def work() -> str:
        return threading.current_thread().name

    outcome = await start(SHARED_RUNNER, work).wait()

    assert outcome == Succeeded("atlassian-auth-runner")


async def test_each_waiter_raises_an_error_of_its_own():
    """A failure is a value; each who asks for its result gets another exception object."""

    async def work() -> None:
        raise StoreError("disk")

    outcome = await start(SHARED_RUNNER, work).wait()

    caught = []
    for _ in range(2):
        with pytest.raises(StoreError, match="disk") as error:
            outcome.result()
        caught.append(error.value)
    assert caught[0] is not caught[1]


async def test_an_unexpected_error_ends_the_wait_and_shows_nothing(caplog):
    """Whatever happens, who waits gets an answer, and no log record quotes what went wrong."""
    caplog.set_level(logging.INFO, "atlassian_auth")

    async def work() -> None:
        raise KeyError("secret")

    outcome = await outcome_of(work())

    assert isinstance(outcome, Failed)
    assert type(outcome.error) is AtlassianAuthError
    assert "KeyError" in caplog.text
    assert "secret" not in f"{outcome.error}{caplog.text}"


async def test_where_an_unexpected_error_came_from_is_logged(caplog):
    """At level DEBUG each file, line and type on the way to it is named, and none of their texts."""
    caplog.set_level(logging.DEBUG, "atlassian_auth")

    def inner():
        raise KeyError("secret")

    async def work() -> None:
        try:
            inner()
        except KeyError:
            raise ValueError("secret") from None  # its context is shown all the same

    outcome = await outcome_of(work())

    assert "DEBUG" in str(outcome.error)
    assert "refresh" not in str(outcome.error)
    places = caplog.records[-1].getMessage()
    assert "ValueError\n" in places
    assert "\nKeyError\n" in places
    assert f'  File "{__file__}", line {inner.__code__.co_firstlineno + 1}, in ' in places
    assert "secret" not in caplog.text


def test_a_caller_that_ends_its_loop_disturbs_nothing():
    """Work goes on when the loop that asked for it has ended, and the next loop gets the result."""
    begun, may_end, latch = Latch[None](), Latch[None](), Latch[str]()

    async def work() -> None:
        begun.set(None)
        await may_end.wait()
        latch.set("finished")

    async def ask_and_leave() -> None:
        SHARED_RUNNER.submit(work)
        await begun.wait()

    asyncio.run(ask_and_leave())
    may_end.set(None)

    assert asyncio.run(latch.wait()) == "finished"


def test_the_callers_context_stays_outside():
    """Request locals and trace spans of whoever came first are not visible to shared work."""
    variable = contextvars.ContextVar("variable", default="none")
    latch = Latch[str]()

    async def work() -> None:
        latch.set(variable.get())

    variable.set("the caller's")
    SHARED_RUNNER.submit(work)

    assert latch.wait_sync() == "none"


def test_draining_waits_for_work_under_way():
    """``drain`` returns when nothing is under way, or when its time is up."""
    runner, may_end, ended = ThreadRunner(exit_timeout_seconds=0.01), Latch[None](), []

    async def work() -> None:
        await may_end.wait()
        ended.append(True)

    runner.drain()
    runner.submit(work)
    runner.drain()
    assert not ended
    may_end.set(None)
    runner._exit_timeout_seconds = 30
    runner.drain()

    assert ended == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are closed as POSIX does")
def test_a_thread_that_died_is_replaced():
    """If the process closes all descriptors, those who wait are told, and the next work runs."""
    program = """
import os
from atlassian_auth._runtime.latch import Latch
from atlassian_auth._runtime.outcome import start
from atlassian_auth._runtime.runner import SHARED_RUNNER

def run(work):
    return start(SHARED_RUNNER, work).wait_sync()

async def answer():
    return "done"

begun = Latch()
async def never():
    begun.set(None)
    await Latch().wait()

assert run(answer).result() == "done"
waiting = start(SHARED_RUNNER, never)
begun.wait_sync()
assert run(answer).result() == "done"  # so the thread sleeps again, or is about to
os.closerange(3, 256)
print(run(answer).result())
print(waiting.wait_sync().error)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], timeout=300, check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-2:] == [
        "done",
        "The event loop that ran the refresh has ended; ask again.",
    ]


def test_without_a_thread_there_is_an_error():
    """Where no thread can be started, as at the interpreter's exit, the caller is told why."""
    program = """
import threading
from atlassian_auth import AtlassianAuthError
from atlassian_auth._runtime.runner import ThreadRunner

runner = ThreadRunner()
def ask():
    try:
        runner.home()
    except AtlassianAuthError as error:
        print(type(error).__name__, error)
    else:
        print("started")
def refuse(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
ask()
"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        timeout=300,
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout == (
        "TransientError Tokens are refreshed in a thread, and none can be started: can't start new thread.\n"
    )
    assert done.stderr == ""


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
async def test_work_that_wants_to_end_the_program_ends_itself(end):
    """What a user's store or sender raises does not end the thread that serves all credentials."""

    async def work() -> None:
        raise end

    async def answer() -> str:
        return threading.current_thread().name

    failed = await start(SHARED_RUNNER, work).wait()

    assert isinstance(failed, Failed)
    assert await start(SHARED_RUNNER, answer).wait() == Succeeded("atlassian-auth-runner")


def test_a_blocking_wait_on_its_own_thread_is_refused():
    """Waiting on the runner's thread for the runner would never end, so it is an error."""
    latch = Latch[str]()

    async def work() -> None:
        try:
            SHARED_RUNNER.check_may_wait()
        except ConfigurationError as error:
            latch.set(str(error))

    SHARED_RUNNER.submit(work)

    assert "wait for itself" in latch.wait_sync()
    SHARED_RUNNER.check_may_wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_a_thread_of_its_own():
    """After a fork the child's work runs, though the parent's thread did not come along."""
    program = """
import os
from atlassian_auth._runtime.latch import Latch
from atlassian_auth._runtime.runner import SHARED_RUNNER

def run():
    latch = Latch()
    async def work():
        latch.set(os.getpid())
    SHARED_RUNNER.submit(work)
    return latch.wait_sync()

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
    """Work that is under way when the program ends is finished before the process is gone."""
    program = """
import asyncio, threading
from atlassian_auth._runtime.runner import SHARED_RUNNER

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
    may_end, latch = asyncio.Event(), Latch[bool]()

    async def work() -> None:
        await may_end.wait()
        latch.set(True)

    runner = InlineRunner()

    async def ask() -> None:
        runner.submit(work)
        await latch.wait()

    caller = asyncio.create_task(ask())
    await asyncio.sleep(0)
    caller.cancel()
    may_end.set()

    assert await latch.wait()


def test_inline_work_needs_an_asyncio_loop():
    """Where inline work cannot run, the error names what to use instead."""
    runner = InlineRunner()

    async def ask() -> None:
        runner.submit(ask)

    with pytest.raises(ConfigurationError, match="ThreadRunner"):
        trio.run(ask)
    with pytest.raises(ConfigurationError, match="ThreadRunner"):
        runner.check_may_wait()


async def test_work_that_is_cancelled_still_answers():
    """If the loop that runs the work is torn down, who waits is told, not left waiting."""
    latches = []

    async def never() -> None:
        await asyncio.Event().wait()

    async def ask() -> None:
        latches.append(start(InlineRunner(), never))
        await asyncio.sleep(0)

    await anyio.to_thread.run_sync(asyncio.run, ask())

    with pytest.raises(AtlassianAuthError, match="has ended"):
        (await latches[0].wait()).result()


def test_a_loop_that_breaks_tells_those_who_wait():
    """If the loop's own selector fails, the work under way is ended, so that its callers are told."""
    ended = []

    class Task:
        def get_coro(self):
            return self

        def close(self):
            ended.append(True)

    class Broken:
        def run_forever(self):
            raise OSError("no descriptors")

    with pytest.raises(OSError, match="no descriptors"):
        _live(Broken(), [Task()])

    assert ended == [True]
