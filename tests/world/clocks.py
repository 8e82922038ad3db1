"""The computer's clock is set in the middle of a refresh, or between two."""

from __future__ import annotations

import functools

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import Fault
from tests.world.ground import POINTS
from tests.world.scene import PRODUCTS, Scene, runs

CHAPTER = "Clocks"
_HOUR, _DAY = 3600, 86_400
_BEGINNINGS = {
    "back by an hour": (0, -_HOUR),
    "forward by 8 days": (0, 8 * _DAY),
    "from 1970 to today, as a computer without a battery sets it": (-SYSTEM_CLOCK.time(), 0),
}
# While the answer waits at the server, no command can make the process set its clock.
_POINTS = tuple(point for point in POINTS if point != "sent")


def set_in_a_refresh(steps, ground, point):
    before, after = steps
    holder = ground.holder("step", before)
    with ground.at(point, holder, ahead_seconds=after):
        pass
    ground.heal(holder, holder.hear(), "transient")
    holder.end()


def set_between(steps, ground):
    """Set the clock when there is a token, and again while the server is temporarily unavailable."""
    before, after = steps
    holder = ground.holder("step", before)
    ground.check(holder.ask("token"))
    holder.ask("step", after)
    ground.check(holder.ask("token"))
    for ahead_seconds in (before, after):
        holder.ask("step", ahead_seconds)
        ground.atlassian.fault("token", Fault.status(503), times=3)
        ground.check(holder.ask("refresh"), "transient")
    ground.atlassian.clear_faults()
    ground.heal(holder, ("transient", ""), "transient")
    holder.end()


SCENES = (
    *(
        Scene(
            CHAPTER,
            f"set {words}, in the middle of a refresh",
            functools.partial(set_in_a_refresh, steps),
            runs(product=PRODUCTS, store=("sqlite", "redis"), point=_POINTS),
            may="`TransientError` if the time for the exchange seems to be over",
        )
        for words, steps in _BEGINNINGS.items()
    ),
    *(
        Scene(
            CHAPTER,
            f"set {words}, between refreshes that succeed and fail (503)",
            functools.partial(set_between, steps),
            runs(product=PRODUCTS, store=("sqlite", "file", "redis", "postgres")),
            may="`TransientError` while the server fails",
        )
        for words, steps in _BEGINNINGS.items()
    ),
)
