"""Plays scenes, many runs side by side: most of the time they wait."""

from __future__ import annotations

import random  # noqa: TID251 -- with a seed: the same sample, the same moments
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.fleet.nursery import Nursery
from tests.servers import PostgresCluster, redis_on_socket, short_folder
from tests.world.ground import Ground, Hung, Pace
from tests.world.scene import Scene, Seen

# Each is a fresh interpreter or two, or a server.
_HEAVY_AT_ONCE = 3


class Servers:
    """What all runs share: a nursery of processes, and a Redis and a PostgreSQL that start when needed."""

    def __init__(self):
        self._stack = ExitStack()
        self._guard = threading.Lock()
        self._urls = {}

    def __enter__(self):
        self.nursery = self._stack.enter_context(Nursery())
        return self

    def __exit__(self, *_):
        self._stack.close()

    def url(self, store):
        with self._guard:
            if store not in self._urls:
                self._urls[store] = {"redis": self._redis, "postgres": self._postgres}[store]()
            return self._urls[store]

    def _folder(self):
        """Return a folder whose sockets any user reaches: some processes are another user's."""
        folder = self._stack.enter_context(short_folder())
        folder.chmod(0o711)
        return folder

    def _redis(self):
        server = redis_on_socket(self._folder(), "--unixsocketperm", "777")
        return self._stack.enter_context(server)

    def _postgres(self):
        cluster = PostgresCluster(self._folder())
        self._stack.enter_context(cluster.running(max_connections=900))
        return cluster.url


@dataclass(frozen=True)
class Run:
    """One run of a scene."""

    scene: Scene
    circumstances: dict
    seed: str

    def __str__(self):
        words = ", ".join(str(value) for value in self.circumstances.values())
        return f"{self.scene.chapter}: {self.scene.conditions} ({words})"


def runs_of(scenes, seed):
    return [
        Run(scene, dict(circumstances), f"{seed}-{place}-{number}")
        for place, scene in enumerate(scenes)
        for number, circumstances in enumerate(scene.runs)
    ]


def sample(scenes, seed, size):
    """Return so many runs: one of each chapter, then others that are not heavy."""
    chance = random.Random(seed)  # noqa: S311
    possible = [run for run in runs_of(scenes, seed) if run.scene.sampled]
    chance.shuffle(possible)
    first = {run.scene.chapter: run for run in reversed(possible)}
    others = [
        run for run in possible if run is not first[run.scene.chapter] and not run.scene.heavy
    ]
    return [*first.values(), *others][:size]


def play(
    servers,
    wanted,
    *,
    hurried,
    at_once,
    told: Callable[[Run, Seen], None] = lambda _run, _seen: None,
):
    """Play the runs, so many at once, and return what was seen by scene."""
    pace, seen = Pace(hurried=hurried), {}
    with ThreadPoolExecutor(at_once) as waiting, ThreadPoolExecutor(_HEAVY_AT_ONCE) as heavy:
        playing = {
            (heavy if run.scene.heavy else waiting).submit(play_one, servers, run, pace): run
            for run in wanted
        }
        for done in as_completed(playing):
            run, result = playing[done], done.result()
            seen[run.scene] = seen.get(run.scene, Seen()) + result
            told(run, result)
    return seen


def play_one(servers, run, pace):
    """Play one run; an error of the run itself is counted as a failure."""
    circumstances = dict(run.circumstances)
    place = {name: circumstances.pop(name) for name in ("product", "store")}
    chance = random.Random(run.seed)  # noqa: S311
    try:
        with Ground(servers, **place, pace=pace, chance=chance) as ground:
            return _play_and_judge(ground, run.scene, circumstances)
    except pytest.skip.Exception as reason:
        return Seen(skipped=[str(reason)])


def _play_and_judge(ground, scene, circumstances):
    try:
        scene.play(ground, **circumstances)
        ground.judge()
    except Hung as hung:
        ground.seen.hung.append(str(hung))
    except Exception:  # noqa: BLE001 -- a run that breaks is shown, and the others go on
        ground.seen.failed.append(traceback.format_exc())
    return ground.seen
