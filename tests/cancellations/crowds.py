"""Many callers of one refresh, drawn from a seed: who comes when, who leaves where, and how."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 -- with a seed: the same crowd each time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
import trio

from tests.cancellations import kinds
from tests.cancellations.operations import ENDLESS, OPERATIONS
from tests.cancellations.scenario import BACKENDS, PATIENCE_SECONDS, prepare, run
from tests.cancellations.world import TrackedWorld
from tests.harness.world import KEY, PRODUCTS

READ = ("get", "got", "lock", "locked", "get 2", "got 2")
PATH = (*READ, "send", "answered", "token", "put", "saved")
LAST = ("release", "released")
TURNS = 6
SHARING = ("token", "token", "request", "execute", "refresh", "flow", "keep_fresh")


@dataclass(frozen=True)
class Member:
    """A caller: when it comes, and when and how it leaves; stages are numbered, 0 is the start."""

    operation: str
    comes: int
    leaves: int | None
    kind: str | None


@dataclass(frozen=True)
class Crowd:
    """One random scenario; ``loop_ends`` is the stage at which the callers' loop does, if any."""

    seed: int
    backend: str
    product: str
    store: str
    inline: bool
    refusals: int
    failures: int
    stops: tuple[str, ...]
    members: tuple[Member, ...]
    loop_ends: int | None
    has_thread: bool


def draw(seed):
    """Return the crowd of a seed."""
    dice = random.Random(seed)  # noqa: S311
    backend = dice.choice(BACKENDS)
    inline = backend != "trio" and dice.random() < 0.15
    refusals, failures = dice.choice([0, 0, 1, 2]), dice.choice([0, 0, 1, 2])
    # keep_fresh reads the record as well, before it asks: a stop there would be ambiguous.
    sharing, ambiguous = (
        (SHARING, ("get", "got", "get 2", "got 2")) if dice.random() < 0.3 else (SHARING[:-1], ())
    )
    path = (*_checkpoints_until_saved(refusals, failures), *LAST)
    path = tuple(checkpoint for checkpoint in path if checkpoint not in ambiguous)
    # Each caller that comes before the token is published waits, and so is there at the next stop.
    stops = [0, *sorted(dice.sample(range(1, len(path)), dice.randint(1, 5)))]
    early = sum(path[number] not in LAST for number in stops)
    # One caller has to be there at the start, or nothing would be under way.
    members = [Member("token", 0, len(stops) - 1, "scope_cancel")]
    for _ in range(dice.randint(0, 6)):
        comes = dice.randrange(early)
        leaving = _leaving(dice, backend, comes, len(stops))
        endless = [] if leaving[1] else ENDLESS
        able = [name for name in sharing if name not in endless]
        members.append(Member(dice.choice(able), comes, *leaving))
    if not inline and dice.random() < 0.5:
        members.append(_last(dice, backend, early, len(stops)))
    ends = dice.randrange(len(stops)) if not inline and dice.random() < 0.2 else None
    return Crowd(
        seed=seed,
        backend=backend,
        product=dice.choice(PRODUCTS),
        store=dice.choices(("memory", "sqlite", "file"), (5, 3, 2))[0],
        inline=inline,
        refusals=refusals,
        failures=failures,
        stops=tuple(path[number] for number in stops),
        members=tuple(members),
        loop_ends=ends,
        has_thread=not inline and dice.random() < 0.3,
    )


def _checkpoints_until_saved(refusals, failures):
    """The checkpoints of a refresh up to its save, with a pause after each trouble."""
    before, after = READ, ("answered", "token")
    pauses = iter(["pause", *(f"pause {n}" for n in range(2, 9))])
    yield from before
    for number in range(1, refusals + 2):
        yield _name_of("send", number)
        if number <= refusals:
            yield next(pauses)
    yield from after
    for number in range(1, failures + 2):
        yield _name_of("put", number)
        if number <= failures:
            yield next(pauses)
    yield "saved"


def _name_of(name, number):
    return name if number == 1 else f"{name} {number}"


def _leaving(dice, backend, comes, stages):
    """Draw when and how a caller leaves that came at a stage; (None, None) if it stays."""
    if dice.random() < 0.3:
        return None, None
    able = kinds.TRIO if backend == "trio" else kinds.ASYNCIO
    kind = dice.choice([kind for kind in able if kind not in kinds.SAME_TURN])
    stage = comes if kind in kinds.AT_ONCE else dice.randint(comes, stages - 1)
    return stage, kind.__name__


def _last(dice, backend, early, stages):
    """Draw the one who leaves in the very turn that brings the outcome."""
    able = kinds.TRIO if backend == "trio" else kinds.ASYNCIO
    kind = dice.choice([kind for kind in able if kind in kinds.SAME_TURN])
    return Member("token", dice.randrange(early), stages - 1, kind.__name__)


class Scene:
    """A crowd and the world that it is played in."""

    def __init__(self, crowd, world):
        self.crowd = crowd
        self.world = world
        self.leave = {}
        self.ended = {}
        self.errors = []
        self.tasks = []
        self.left = 0

    async def main(self):
        """Play it in this loop, which ends when this returns."""
        await prepare(self.world, TrackedWorld.due)
        self.world.atlassian.clear_faults()
        for _ in range(self.crowd.refusals):
            self.world.trouble()
        self.world.store.heal()
        self.world.store.fail("put", self.crowd.failures)
        self.gates = [self.world.track.stop_at(stop) for stop in self.crowd.stops]
        with anyio.fail_after(PATIENCE_SECONDS):
            if self.crowd.backend != "trio":
                await self._play(self._begin_task)
                return
            async with trio.open_nursery() as nursery:
                await self._play(nursery.start_soon)
                nursery.cancel_scope.cancel()

    def _begin_task(self, live, number):
        self.tasks.append(asyncio.ensure_future(live(number)))

    async def _play(self, begin):
        tasks = _tasks(self.crowd.backend)
        for stage, gate in enumerate(self.gates):
            await self._come(stage, gate, begin)
            await self._go(stage)
            if self.crowd.loop_ends == stage:
                return
            gate.open()
        self.world.track.open()
        for ended in self.ended.values():
            await ended.wait()
        assert not self.errors, self.errors
        await self.world.check(has_credential=True)
        await _turns()
        assert _tasks(self.crowd.backend) <= tasks, "a task is left"

    async def _come(self, stage, gate, begin):
        for number, member in enumerate(self.crowd.members):
            if member.comes == stage:
                self.leave[number] = anyio.Event()
                self.ended[number] = anyio.Event()
                begin(self._live, number)
        await gate.arrived()
        await _turns()

    async def _go(self, stage):
        for number, member in enumerate(self.crowd.members):
            if member.leaves == stage:
                self.leave[number].set()
                await self.ended[number].wait()
                self.left += 1
        await _turns()

    async def _live(self, number):
        member = self.crowd.members[number]
        doing = OPERATIONS[member.operation]
        try:
            if member.kind is None:
                await doing.run(self.world)
            else:
                kind = getattr(kinds, member.kind)
                await kind(lambda: doing.run(self.world), self.leave[number].wait, self.world)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 -- raised at the end
            self.errors.append((member, error))
        finally:
            self.ended[number].set()


async def _turns():
    """Let each task reach its next wait, or notice what happened."""
    for _ in range(TURNS):
        await anyio.lowlevel.checkpoint()


def _tasks(backend):
    if backend == "trio":
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


def play_crowd(crowd):
    """Play a crowd; return how many callers left."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        world = TrackedWorld(crowd.product, crowd.store, Path(folder), inline=crowd.inline)
        scene = Scene(crowd, world)
        waiting = None
        try:
            run(crowd.backend, scene.main)
            if crowd.has_thread:
                waiting = pool.submit(world.manager.token_sync, KEY)
        finally:
            world.track.open()
            with suppress(AttributeError):
                world.drain()
        if waiting is not None:
            assert waiting.result(PATIENCE_SECONDS)
        if crowd.loop_ends is not None:
            run("asyncio", lambda: world.check(has_credential=True))
        return scene.left
