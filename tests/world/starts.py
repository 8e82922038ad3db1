"""The first requests of a process, on any loop, with packages installed or not, and forks meanwhile."""

from __future__ import annotations

import importlib.util

import pytest

from tests.world.scene import PRODUCTS, STORES, Scene, runs

CHAPTER = "Cold starts"
_KEYS = 20
_STEPS = 1009  # between two forks: some ten during a refresh
_ALL = ("trio", "uvloop", "gevent")


def start(ground, on, without):
    """Many keys are asked for at once, while another thread imports httpx and all it imports."""
    if on in _ALL and not importlib.util.find_spec(on):
        pytest.skip(f"{on} is not installed")
    holder = ground.holder()
    keys = [ground.key, *(f"{ground.key}-{number}" for number in range(_KEYS - 1))]
    for key in keys[1:]:
        ground.check(holder.ask("add", key, ground.issue(key)))
    holder.end()
    program = ground.cold("start", keys=keys, on=on, other=ground.origin, blocked=without)
    ground.check_all(program.answers())
    program.expect_end(0)


def fork(ground, number):
    """The process forks after every so many steps of its first refresh, wherever its threads are then."""
    ground.holder().end()
    first = ground.chance.randrange(_STEPS)
    program = ground.cold("fork_at_steps", every=_STEPS, first=first)
    ground.check_all(program.answers())
    program.expect_end(0)


_ON = ("asyncio", "uvloop", "trio", "threads", "gevent")
_WITHOUT = ((), ("trio",), ("uvloop", "gevent"), _ALL)


def _starts(on):
    without = [names for names in _WITHOUT if on not in names]
    # gevent runs all threads in one, and a thread runs one event loop: the stores of servers need their own.
    stores = ("sqlite", "file") if on == "gevent" else ("sqlite", "redis")
    return runs(product=PRODUCTS, store=stores, on=[on], without=without)


SCENES = (
    *(
        Scene(
            CHAPTER,
            f"{_KEYS} keys at once on {on}, while another thread imports httpx; trio, uvloop and gevent "
            "installed or not",
            start,
            _starts(on),
            heavy=True,
        )
        for on in _ON
    ),
    Scene(
        CHAPTER,
        f"a fork at each {_STEPS:,}th step of the first refresh, from any first one; all children ask for "
        "the same credential",
        fork,
        runs(product=PRODUCTS, store=STORES, number=range(5)),
        heavy=True,
    ),
)
