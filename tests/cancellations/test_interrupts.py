"""Ctrl-C between any two steps of a caller's own code: no lock stays held, no call stays unanswered.

CPython looks for signals after calls and jumps, at the start of functions, and nowhere else. There,
at each in turn, a trace function raises what the signal's handler would.
"""

from __future__ import annotations

import dis
import gc
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import atlassian_auth
from tests.cancellations.scenario import BACKENDS, PATIENCE_SECONDS, prepare, run
from tests.cancellations.world import TrackedWorld
from tests.harness.world import KEY

pytestmark = [pytest.mark.every_loop, pytest.mark.every_python]

LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD")
OURS = str(Path(atlassian_auth.__path__[0]))


class Striker:
    """Interrupts the thread it is used in at the n-th moment it can be."""

    def __init__(self, number):
        self.number = number
        self.moments = 0
        self.struck_at = None
        self._before = {}

    def enter(self, frame, _event, _argument):
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        self._before.pop(id(frame), None)
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame, event, _argument):
        if event == "opcode" and self.struck_at is None:
            before = self._before.get(id(frame))
            self._before[id(frame)] = frame.f_lasti
            if before is not None and _looks(frame.f_code, before):
                self.moments += 1
                if self.moments == self.number:
                    self.struck_at = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                    raise KeyboardInterrupt
        return self.step


def _looks(code, offset):
    return dis.opname[code.co_code[offset]].startswith(LOOKS)


@contextmanager
def traced(trace):
    before = sys.gettrace()
    # From Python 3.12 on, instructions are reported only if a frame asked for them before.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def ask_sync(world):
    world.manager.token_sync(KEY)


def ask_on(backend):
    def ask(world):
        run(backend, lambda: world.manager.token(KEY))

    return ask


def strike(ask, number):
    """Interrupt a call; return where, once another thread was served, or None if it was over."""
    world = TrackedWorld("cloud", "memory", None)
    run("asyncio", lambda: prepare(world, TrackedWorld.due))
    striker = Striker(number)
    with traced(striker.enter), suppress(KeyboardInterrupt):
        ask(world)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(world.manager.token_sync, KEY).result(PATIENCE_SECONDS)
    run("asyncio", lambda: world.check(has_credential=True))
    return striker.struck_at


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="3.13 does not tell a trace function every instruction"
)
# Python makes a coroutine before it awaits it, and may be interrupted in between.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("ask", [ask_sync, *map(ask_on, BACKENDS)], ids=["sync", *BACKENDS])
def test_caller_may_be_interrupted_between_any_two_steps(ask, ctrl_c):
    """The next caller gets the token, from the same exchange if there was one."""
    strikes = itertools.takewhile(bool, (strike(ask, number) for number in itertools.count(1)))

    # The filter does not apply in other tests, and some frames cannot warn: that of a named tuple, for one.
    gc.disable()
    try:
        places = list(strikes)
        gc.collect()
    finally:
        gc.enable()

    assert len(places) > 20
    assert any(place.startswith("Calls.") for place in places)
