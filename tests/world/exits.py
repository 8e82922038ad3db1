"""Processes end in every possible way while the answer with the new refresh token is under way."""

from __future__ import annotations

import signal
from contextlib import suppress

from tests.world.ground import until
from tests.world.scene import PRODUCTS, Scene, runs

CHAPTER = "Exits, with a refresh under way"
_AFTERWARDS = "`os._exit` when there is a token"
_DAEMON = "a daemon thread asks, and the main thread returns"
_ORDERLY = {
    "return": 0,
    "`sys.exit`": 3,
    "an exception": 1,
    "SIGINT": -signal.SIGINT,
    "SIGTERM with a handler": 3,
    _DAEMON: 0,
    "a forked child exits with `os._exit`, then return": 0,
    _AFTERWARDS: 0,
}
_ABRUPT = {"SIGTERM": -signal.SIGTERM, "SIGKILL": -signal.SIGKILL, "`os._exit`": 0, "`os.execv`": 0}
_TWICE = "SIGINT twice"


def leave(ground, how):
    """End a process in an orderly way: its exit waits for the answer, and for the save."""
    _add(ground)
    if how == _AFTERWARDS:
        program = ground.cold("leave", how=how)
        program.expect_end(_ORDERLY[how])
        return
    with ground.next_answer_held() as has_rotated:
        program = ground.cold("leave", how=how)
        has_rotated()
        program.tell("leave")
        if how != _DAEMON:
            program.expect("leaving")
    program.expect_end(_ORDERLY[how])


def leave_at_once(ground, how):
    """End a process abruptly, before the answer comes."""
    _add(ground)
    with ground.next_answer_held() as has_rotated:
        program = ground.cold("leave", how=how)
        has_rotated()
        program.tell("leave")
        program.expect_end(_ABRUPT[how])


def leave_impatiently(ground):
    """Interrupt the exit again and again while it waits for the answer."""
    _add(ground)
    with ground.next_answer_held() as has_rotated:
        program = ground.cold("leave", how=_TWICE)
        has_rotated()
        program.tell("leave")
        program.expect("leaving")

        def has_ended():
            with suppress(ProcessLookupError):
                program.signal(signal.SIGINT)
            return program.has_ended()

        until(has_ended, "an exit goes on although it is interrupted")


def _add(ground):
    process = ground.holder()
    process.end()


_STORES = ("sqlite", "redis")
_LOSS = (
    "it is a kill: on Data Center the new refresh token is lost with the process; Cloud takes the old one "
    "again within the leeway"
)

SCENES = (
    *(
        Scene(CHAPTER, how, leave, runs(product=PRODUCTS, store=_STORES, how=[how]), heavy=True)
        for how in _ORDERLY
    ),
    *(
        Scene(
            CHAPTER,
            how,
            leave_at_once,
            runs(product=PRODUCTS, store=_STORES, how=[how]),
            may=_LOSS,
            may_be_twice=True,
            may_be_lost=True,
            heavy=True,
        )
        for how in _ABRUPT
    ),
    Scene(
        CHAPTER,
        "SIGINT, and again while the exit waits",
        leave_impatiently,
        runs(product=PRODUCTS, store=_STORES),
        may=_LOSS,
        may_be_twice=True,
        may_be_lost=True,
        heavy=True,
    ),
)
