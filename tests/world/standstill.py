"""A process is stopped in the middle of a refresh, for seconds or minutes, and goes on."""

from __future__ import annotations

import threading

from tests.world.ground import POINTS
from tests.world.scene import PRODUCTS, STORES, Scene, runs

CHAPTER = "Processes that stand still"
PAUSES_SECONDS = (15, 25, 35, 60, 120)
HURRIED_SECONDS = 6  # longer than each limit of a hurried pace, the lease included
_ASKED = (False, True)
# The request leaves within connect_timeout_seconds of the proof that the lock is held, or not at all.
_BEFORE_THE_REQUEST = {"confirmed", "before sending"}


def stand_still(ground, point, seconds, asked):
    """Stop a process at a point; ``asked``: another one wants a token meanwhile."""
    holder = ground.holder()
    if point == "sent":
        with ground.answer_held(holder):
            holder.stop()
    else:
        holder.ask("stop_at", point, True)
        holder.tell("token")
        assert holder.hear() == ("at", point)
        holder.has_stopped()
    other = ground.process() if asked else None
    if other:
        other.tell("token")
    threading.Event().wait(HURRIED_SECONDS if ground.pace.hurried else seconds)
    holder.wake()
    # Hurried limits are so short that a busy machine may cross them by itself.
    told = ground.pace.hurried or point in _BEFORE_THE_REQUEST
    ground.heal(holder, holder.hear(), *(["transient"] if told else []))
    holder.end()
    if other:
        ground.heal(other, other.hear(), "transient")
        other.end()


def _scene(words, stores, products, pauses, **may):
    circumstances = runs(product=products, store=stores, point=POINTS, seconds=pauses, asked=_ASKED)
    return Scene(CHAPTER, words, stand_still, circumstances, **{"may": _TOLD, **may})


_NAMES = {"sqlite": "SQLite", "file": "files", "redis": "Redis", "postgres": "PostgreSQL"}
_TOLD = (
    "`TransientError`, and nothing sent: a process waits for the lock for over a minute, or was stopped just "
    "before its request"
)
_WHERE = "stopped at each of ten points of a refresh"
_LONG = ", ".join(map(str, PAUSES_SECONDS[:-1])) + f" and {PAUSES_SECONDS[-1]} s"

SCENES = (
    *(
        _scene(f"{_WHERE} for {_LONG}: {_NAMES[store]}, {product}", [store], [name], PAUSES_SECONDS)
        for store in STORES
        for name, product in zip(PRODUCTS, ("Cloud", "Data Center"), strict=True)
        if (store, name) != ("redis", "cloud")
    ),
    _scene(
        f"{_WHERE} for 15 and 25 s, less than the lease: Redis, Cloud",
        ["redis"],
        ["cloud"],
        (15, 25),
        sampled=False,  # hurried, no pause is shorter than the lease
    ),
    _scene(
        f"{_WHERE} for 35, 60 and 120 s, longer than the lease: Redis, Cloud",
        ["redis"],
        ["cloud"],
        (35, 60, 120),
        may=f"{_TOLD}; another process takes over when the lease ends, and presents the refresh token again "
        "within the leeway",
        may_be_twice=True,
    ),
)
