"""How everything around a caller ends: its loop, its process's patience, its thread's."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import trio

from tests.cancellations.operations import OPERATIONS
from tests.cancellations.scenario import LOOPS, PATIENCE_SECONDS, prepare, run
from tests.cancellations.world import TrackedWorld
from tests.harness.world import KEY

NOTICED_SECONDS = 0.02


def loop_ends(backend, work, gate):
    """The main function returns while the call is under way: the loop cancels what is left."""

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await gate.arrived()
            nursery.cancel_scope.cancel()

    async def asyncio_main():
        begun.append(asyncio.ensure_future(work()))
        await gate.arrived()

    begun = []
    run(backend, main if backend == "trio" else asyncio_main)
    assert all(task.cancelled() for task in begun)


def loop_is_left(backend, work, gate):
    """The loop is closed, and its tasks were not cancelled."""
    loop = LOOPS[backend]()
    loop.set_exception_handler(lambda _loop, _context: None)  # it tells of destroyed tasks
    task = loop.create_task(work())
    loop.run_until_complete(gate.arrived())
    assert not task.done()
    loop.close()


@contextmanager
def _rubbish_collected():
    """Collect at the end what was thrown away meanwhile, and only that."""
    gc.freeze()
    # httpx closes an auth flow that is running, if its client is thrown away in the middle.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _unraisable: None
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = hook


def interrupted(backend, work, gate):
    """A person presses Ctrl-C while the loop runs."""

    async def press():
        await gate.arrived()
        signal.raise_signal(signal.SIGINT)

    async def main():
        if backend == "trio":
            trio.lowlevel.spawn_system_task(press)
        else:
            pressing.append(asyncio.ensure_future(press()))
        await work()

    pressing = []
    # In trio's way it comes in a group out of a nursery, such as that of `keep_fresh`.
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        run(backend, main)
    alone = isinstance(caught.value, KeyboardInterrupt)
    assert alone or caught.value.split(KeyboardInterrupt)[1] is None


def sync_interrupted(work, gate):
    """A person presses Ctrl-C while the main thread is blocked."""

    def strike(_number, _frame):
        if not struck.is_set():
            struck.set()
            raise KeyboardInterrupt

    def press():
        gate.arrived_sync()
        while not _is_waiting(main):
            os.sched_yield()
        # A signal that comes just before a thread blocks is noticed when something else wakes it.
        while not struck.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            struck.wait(NOTICED_SECONDS)

    main, struck = threading.main_thread().ident, threading.Event()
    signal.signal(signal.SIGINT, strike)
    with ThreadPoolExecutor(1) as pool:
        pressing = pool.submit(press)
        with pytest.raises(KeyboardInterrupt):
            work()
        pressing.result(PATIENCE_SECONDS)


def _is_waiting(thread):
    frame = sys._current_frames()[thread]
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return "wait_sync" in names


ENDINGS = {
    loop_ends: ("asyncio", "uvloop", "trio"),
    loop_is_left: ("asyncio", "uvloop"),
    interrupted: ("asyncio", "uvloop", "trio"),
}


def token_sync(world):
    assert world.manager.token_sync(KEY)


def request_sync(world):
    with httpx.Client(auth=world.auth, transport=world.api) as client:
        assert client.get(world.identity_url).status_code == 200


SYNC = {
    "token": (token_sync, TrackedWorld.due),
    "request": (request_sync, TrackedWorld.due),
    "request with a dead token": (request_sync, TrackedWorld.refused),
}


@contextmanager
def stage(product, store, checkpoint, begin):
    """A world whose call stops at a checkpoint; at the end another loop looks at everything."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        world = TrackedWorld(product, store, Path(folder))
        run("asyncio", lambda: prepare(world, begin))
        gate = world.track.stop_at(checkpoint)
        try:
            yield world, gate, pool
        finally:
            world.track.open()


def finish(world, backend, *, has_credential):
    async def main():
        await world.check(has_credential=has_credential)

    run(backend, main)


def play_ending(operation, checkpoint, end, backend, product, store):
    """Play an ending, while another thread waits for the same token."""
    doing = OPERATIONS[operation]
    thrown_away = _rubbish_collected() if end is loop_is_left else nullcontext()
    with thrown_away, stage(product, store, checkpoint, doing.begin) as (world, gate, pool):
        end(backend, lambda: doing.run(world), gate)
        # The gate is still closed: the end did not wait for the refresh.
        shared = doing.had and doing.has
        waiting = pool.submit(world.manager.token_sync, KEY) if shared else None
        world.track.open()
        assert waiting is None or waiting.result(PATIENCE_SECONDS)
        finish(world, backend, has_credential=doing.has)


def play_sync(operation, checkpoint, product, store):
    work, begin = SYNC[operation]
    with stage(product, store, checkpoint, begin) as (world, gate, pool):
        sync_interrupted(lambda: work(world), gate)
        waiting = pool.submit(world.manager.token_sync, KEY)
        world.track.open()
        assert waiting.result(PATIENCE_SECONDS)
        finish(world, "asyncio", has_credential=True)
