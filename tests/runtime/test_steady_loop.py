"""The loop whose timers do not count the time in which the process stood still."""

from __future__ import annotations

import asyncio
import selectors
import socket
import subprocess
import sys
from contextlib import closing

import anyio
import pytest

from atlassian_auth.ports._runtime.steady_loop import SteadyLoop, _SteadySelector

_STILL = 25.0


class StandsStill:
    """A monotonic clock that the test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


def in_loop(work, monotonic):
    with closing(SteadyLoop(monotonic)) as loop:
        return loop.run_until_complete(work())


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_what_has_arrived_comes_before_a_late_timer(pair):
    """An answer that came while the process stood still is read, in pieces too; no timeout discards it."""
    ours, theirs = pair
    clock = StandsStill()

    async def work():
        loop = asyncio.get_running_loop()

        def stand_still():
            theirs.sendall(b"answer")
            clock.seconds += _STILL

        with anyio.fail_after(20):
            loop.call_soon(stand_still)
            received = await loop.sock_recv(ours, 3)
            await asyncio.sleep(0)
            return received + await loop.sock_recv(ours, 3)

    assert in_loop(work, clock) == b"answer"


def test_a_machine_under_load_may_be_stopped_too(pair):
    """An answer is read also if the loop was late, with something to read, just before the standstill."""
    ours, theirs = pair
    clock = StandsStill()

    standstills = iter((21, 21, 21, _STILL))

    async def work():
        loop, read_all = asyncio.get_running_loop(), asyncio.Event()

        def read():
            ours.recv(1)
            seconds = next(standstills, None)
            if seconds is None:
                read_all.set()
            else:
                theirs.sendall(b"x")
                clock.seconds += seconds

        theirs.sendall(b"x")
        loop.add_reader(ours, read)
        with anyio.fail_after(20):
            await read_all.wait()
        loop.remove_reader(ours)

    in_loop(work, clock)


def test_a_standstill_in_the_middle_of_the_work():
    """Work that was interrupted by a standstill is finished, in as many turns of the loop as it takes."""
    clock = StandsStill()

    async def work():
        with anyio.fail_after(20):
            await asyncio.sleep(0)
            clock.seconds += _STILL
            for _ in range(10):
                await asyncio.sleep(0)

    in_loop(work, clock)


def test_time_never_goes_back():
    """A loop's time never goes back, and a timeout that is over is raised."""
    clock = StandsStill()

    async def work():
        loop = asyncio.get_running_loop()
        clock.seconds += _STILL
        before = loop.time()
        with pytest.raises(TimeoutError), anyio.fail_after(-1):
            await asyncio.sleep(1)
        assert loop.time() >= before

    in_loop(work, clock)


def test_a_timer_that_is_right_comes(pair, monkeypatch):
    """If nothing has arrived, the timeout is raised, however late that is noticed."""
    ours, _ = pair
    clock = StandsStill()

    def wait(_self, timeout=None):
        assert timeout is not None, "it would wait for ever"
        clock.seconds += _STILL if timeout else 0
        return []

    async def work():
        with pytest.raises(TimeoutError):
            with anyio.fail_after(20):
                await asyncio.get_running_loop().sock_recv(ours, 1)

    monkeypatch.setattr(selectors.DefaultSelector, "select", wait)
    in_loop(work, clock)

    assert clock() == 1000 + _STILL


def test_an_answer_during_a_wait_comes_before_the_timer(pair, monkeypatch):
    """An answer that came while the process stood still in its wait is read; no timeout discards it."""
    ours, theirs = pair
    clock = StandsStill()
    select = selectors.DefaultSelector.select

    def wait(selector, timeout=None):
        if not timeout or clock.seconds > 1000:
            return select(selector, timeout)
        theirs.sendall(b"answer")
        clock.seconds += _STILL
        return []  # as epoll_wait when a signal ends it

    async def work():
        loop = asyncio.get_running_loop()
        with anyio.fail_after(20):
            received = await loop.sock_recv(ours, 3)
            await asyncio.sleep(0)
            return received + await loop.sock_recv(ours, 3)

    monkeypatch.setattr(selectors.DefaultSelector, "select", wait)
    assert in_loop(work, clock) == b"answer"


@pytest.mark.parametrize(("late", "left_out"), [(0.25, 0), (0.26, 0.01)])
def test_a_busy_machine_is_no_standstill(pair, late, left_out):
    """A loop that is late by a quarter of a second keeps to the clock; what is more is left out."""
    ours, theirs = pair
    clock = StandsStill()

    async def work():
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(0.1, int)
        theirs.sendall(b"x")
        loop.add_reader(ours, readable.set)
        clock.seconds += late
        await readable.wait()
        loop.remove_reader(ours)
        return clock() - loop.time()

    clock.seconds = 0.0
    assert in_loop(work, clock) == pytest.approx(left_out)


@pytest.mark.parametrize(("turns", "left_out"), [(10, 10), (11, 10), (21, 20), (22, 20)])
def test_ten_delays_in_a_row_are_left_out(turns, left_out):
    """Of eleven late turns of a loop, from its first one on, the last one counts; then it begins anew."""
    clock = StandsStill()

    async def be_late():
        for _ in range(turns - 1):
            clock.seconds += 1.25  # a quarter of a second is normal
            await asyncio.sleep(0)
        return clock() - asyncio.get_running_loop().time()

    with closing(SteadyLoop(clock)) as loop:
        clock.seconds += 1.25
        assert loop.run_until_complete(be_late()) == left_out


@pytest.mark.parametrize(
    ("late", "waited", "left_out"),
    [(0.25, 1.25, 0), (1.25, 1.25, 1), (0, 1.375, 1.375), (1.25, 1.375, 2.375)],
)
def test_both_kinds_of_standstill_add_up(late, waited, left_out, monkeypatch):
    """Before and in a wait of a second, a quarter of a second is normal. A longer wait is left out whole."""
    clock = StandsStill()
    selector = _SteadySelector(clock)

    def wait(_self, timeout=None):
        clock.seconds += waited
        return ["an event"]

    with monkeypatch.context() as patched:
        patched.setattr(selectors.DefaultSelector, "select", wait)
        clock.seconds += late
        selector.select(1)

    assert clock() - selector.time() == left_out
    selector.close()


def test_timers_come_in_a_loop_that_is_always_late(pair):
    """A loop that always has something to read, and is always late, still ends a timeout."""
    ours, theirs = pair
    clock = StandsStill()

    async def work():
        loop = asyncio.get_running_loop()
        theirs.sendall(b"x")

        def busy():
            clock.seconds += 1
            loop.call_soon(busy)

        loop.add_reader(ours, lambda: None)
        loop.call_soon(busy)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(20):
                await asyncio.Event().wait()
        loop.remove_reader(ours)

    in_loop(work, clock)


def test_names_are_resolved_while_the_interpreter_exits():
    """At exit, when executors accept no more work, a host name is still resolved."""
    program = """
import asyncio, atexit, threading
from atlassian_auth.ports._runtime.steady_loop import SteadyLoop

loop = SteadyLoop()
threading.Thread(target=loop.run_forever, daemon=True).start()

def at_exit():
    found = asyncio.run_coroutine_threadsafe(loop.getaddrinfo("localhost", 80), loop)
    print(bool(found.result()))

atexit.register(at_exit)
"""

    done = subprocess.run(
        [sys.executable, "-c", program], timeout=300, check=True, capture_output=True, text=True
    )

    assert done.stdout == "True\n"


def test_names_are_resolved_as_usual():
    """While the program runs, a name is resolved in another thread; with the same result as at exit."""
    where, stream = ("127.0.0.1", 80), {"type": socket.SOCK_STREAM}

    async def work():
        return await asyncio.get_running_loop().getaddrinfo(*where, **stream)

    with closing(SteadyLoop()) as loop:
        usual = loop.run_until_complete(work())
        loop.run_until_complete(loop.shutdown_default_executor())
        at_exit = loop.run_until_complete(work())

    assert usual == at_exit == socket.getaddrinfo(*where, **stream)
