"""Stops an operation at a checkpoint, lets its caller leave in one way, and checks all rules at the end."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import trio
import uvloop

from tests.cancellations import kinds
from tests.cancellations.kinds import AT_ONCE, DISTURBANCES, UNSTARTED, RingingMixin
from tests.cancellations.operations import ENDLESS, OPERATIONS
from tests.cancellations.world import TrackedWorld
from tests.harness.world import KEY

PATIENCE_SECONDS = 300
BACKENDS = ("asyncio", "uvloop", "trio")
TURNS_TO_NOTICE = 4
START = "before the start"
FULL = os.environ.get("ATLASSIAN_AUTH_TEST_CANCELLATIONS") == "full"


class AsyncioLoop(RingingMixin, asyncio.SelectorEventLoop):
    pass


class UvloopLoop(RingingMixin, uvloop.Loop):
    pass


LOOPS = {"asyncio": AsyncioLoop, "uvloop": UvloopLoop}


@dataclass(frozen=True)
class Scenario:
    """Which operation is stopped at which checkpoint, how its caller leaves, and in which world."""

    operation: str
    checkpoint: str
    kind: str = "cancel"
    backend: str = "asyncio"
    product: str = "cloud"
    store: str = "memory"
    inline: bool = False

    @property
    def is_unstarted(self):
        return getattr(kinds, self.kind) in UNSTARTED


def run(backend, main):
    """Run an async function in a new event loop."""
    if backend == "trio":
        return trio.run(main)
    with asyncio.Runner(loop_factory=LOOPS[backend]) as runner:
        return runner.run(main())


@cache
def checkpoints(operation, product="cloud"):
    """Return every checkpoint that an undisturbed call passes, in order."""
    world = TrackedWorld(product, "memory", None)
    doing = OPERATIONS[operation]

    async def main():
        await prepare(world, doing.begin)
        last = world.track.stop_at("idle")
        async with anyio.create_task_group() as group:
            if operation in ENDLESS:
                group.start_soon(doing.run, world)
                await last.arrived()
                group.cancel_scope.cancel()
            else:
                await doing.run(world)
        world.drain()
        passed = tuple(world.track.passed)
        await world.check(has_credential=doing.has)
        return passed

    return run("asyncio", main)


async def prepare(world, begin):
    await begin(world)
    await world.idle()
    world.trouble()
    world.track.begin()


def play(scenario):
    """Play a scenario; return whether the call was at its checkpoint when its caller left."""
    with TemporaryDirectory() as folder:
        world = TrackedWorld(scenario.product, scenario.store, Path(folder), inline=scenario.inline)
        return run(scenario.backend, lambda: _play(scenario, world))


async def _play(scenario, world):
    doing = OPERATIONS[scenario.operation]
    leave = getattr(kinds, scenario.kind)
    complaints, tasks = _watch(scenario.backend)
    await prepare(world, doing.begin)
    gate = world.track.stop_at(scenario.checkpoint)
    hits = []

    async def bystander():
        assert await world.manager.token(KEY)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:

            async def ready():
                await gate.arrived()
                if doing.had and doing.has:
                    group.start_soon(bystander)
                    await anyio.lowlevel.checkpoint()
                hits.append(scenario)

            await leave(lambda: doing.run(world), ready, world)
            # The gate was closed until now: the caller that left did not wait for the refresh.
            for _ in range(TURNS_TO_NOTICE):
                await anyio.lowlevel.checkpoint()
            await world.settle()
        await world.check(has_credential=doing.had if scenario.is_unstarted else doing.has)
    await _check_loop(scenario.backend, complaints, tasks)
    assert leave in DISTURBANCES or bool(hits) != (leave in AT_ONCE)
    return bool(hits)


def _watch(backend):
    """Note what the loop complains of, and how many tasks it has."""
    complaints = []
    if backend == "trio":
        return complaints, trio.lowlevel.current_statistics().tasks_living
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    return complaints, 1


async def _check_loop(backend, complaints, tasks):
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    if backend == "trio":
        assert trio.lowlevel.current_statistics().tasks_living == tasks, "a task is left"
    else:
        assert len(asyncio.all_tasks()) == tasks, "a task is left"
    assert not complaints, complaints
