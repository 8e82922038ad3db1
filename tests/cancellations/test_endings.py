"""Loops end, and people press Ctrl-C, at every checkpoint of every call."""

from __future__ import annotations

import pytest

from tests.cancellations.endings import ENDINGS, SYNC, play_ending, play_sync
from tests.cancellations.scenario import FULL
from tests.cancellations.test_every_checkpoint import IN_MEMORY, PASSED, WORLDS, pairs, places

pytestmark = [pytest.mark.every_loop, pytest.mark.usefixtures("ctrl_c")]


def world_for(number, backends):
    """The store, product and loop that a pair is tried with: by turns."""
    able = [world for world in (WORLDS if FULL else IN_MEMORY) if world[2] in backends]
    return able[number % len(able)]


@pytest.mark.parametrize(("operation", "end"), pairs(ENDINGS))
def test_loop_may_end_anywhere(operation, end):
    """A refresh whose loop has ended is finished: saved, unlocked, shared, requested once."""
    for number, checkpoint in enumerate(places(operation, end)):
        store, product, backend = world_for(number, ENDINGS[end])
        play_ending(operation, checkpoint, end, backend, product, store)


@pytest.mark.parametrize("operation", SYNC)
def test_blocked_thread_may_be_interrupted_anywhere(operation):
    """Ctrl-C ends a thread that waits for a token at once, and does not reach the refresh."""
    for number, checkpoint in enumerate(PASSED[operation]):
        if checkpoint.startswith("body"):
            continue  # a sync body has no checkpoint
        store, product, _ = world_for(number, ["asyncio"])
        play_sync(operation, checkpoint, product, store)
