"""A store of one computer has one thread, which ends with `aclose`, or at once when the store is dropped."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from keyrings.alt.file import PlaintextKeyring

from atlassian_auth.stores import FileStore, KeyringStore, SQLiteStore

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX"),
]

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# The thread is busy and has more to do when the process forks. What it was to do is the parent's; a
# store that the child drops afterwards ends the thread that the child has started for it.
FORK = """
import gc, os, threading
import anyio, anyio.to_thread
from atlassian_auth.stores._worker import Worker

class Store:
    def __init__(self):
        self.worker = Worker("worker", lambda: None)
    def work(self):
        return threading.current_thread()

began, let_go = threading.Event(), threading.Event()
plug = lambda: [began.set(), let_go.wait()]

async def fill(store):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.worker.run, plug)
        await anyio.to_thread.run_sync(began.wait)
        tasks.start_soon(store.worker.run, lambda: store.work())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

store = Store()
anyio.run(fill, store)
child = os.fork()
if child:
    let_go.set()
thread = anyio.run(store.worker.run, store.work)
del store
gc.collect()
thread.join(60)
os.write(1, b"alive\\n" if thread.is_alive() else b"ended\\n")  # at once: two processes write
if child:
    os.waitpid(child, 0)
"""


@pytest.fixture(params=["sqlite", "file", "keyring"])
def make(request, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    backend = PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    return {
        "sqlite": lambda: SQLiteStore(tmp_path / "tokens.db"),
        "file": lambda: FileStore(tmp_path / "tokens"),
        "keyring": lambda: KeyringStore(backend=backend),
    }[request.param]


@pytest.fixture
def descriptors():
    """Return what counts the descriptors of this process."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc of Linux")
    return lambda: len(list(folder.iterdir()))


@pytest.fixture
def no_collector():
    """Keep the garbage collector away: what ends does so because nothing refers to it."""
    gc.disable()
    yield
    gc.enable()


async def use(store):
    """Use all that a store does, and return the thread in which it did it."""
    version = await store.put("tokens", "acme", b"value")
    async with store.lock("tokens", "acme", timeout_seconds=0):
        assert (await store.get("tokens", "acme")).version == version
        assert await store.keys("tokens") == ["acme"]
        assert await store.delete("tokens", "acme", expected=version)
    return await store._worker.run(threading.current_thread)


async def fail(store):
    with suppress(ZeroDivisionError):
        await store._worker.run(lambda: store and 1 / 0)


async def test_one_thread(make):
    """All calls are made in one thread, named after the store, which ends when the store is closed."""
    store = make()
    before = set(threading.enumerate())
    thread = await use(store)
    started = [one for one in set(threading.enumerate()) - before if "Store" in one.name]

    await store.aclose()
    await anyio.to_thread.run_sync(thread.join, 60)

    assert started == [thread]
    assert thread.name in {
        "SQLiteStore tokens.db",
        "FileStore tokens",
        "KeyringStore atlassian-auth",
    }
    assert not thread.is_alive()


@pytest.mark.usefixtures("no_collector")
def test_dropped_stores_leave_nothing(make, descriptors):
    """Each of fifty stores ends its thread, and after the last no more is open than after one."""

    async def drop():
        thread = await use(make())
        await anyio.to_thread.run_sync(thread.join, 60)
        return thread.is_alive(), descriptors()

    async def drop_many():
        return [await drop() for _ in range(50)]

    alive, opened = zip(*anyio.run(drop_many), strict=True)

    assert not any(alive)
    assert max(opened) == opened[0]


@pytest.mark.usefixtures("no_collector")
async def test_dropped_after_an_error(make):
    """A store whose last call failed also ends its thread when it is garbage-collected."""
    store = make()
    thread = await use(store)
    await fail(store)

    del store
    await anyio.to_thread.run_sync(thread.join, 60)

    assert not thread.is_alive()


@FORKS
def test_dropped_in_the_child_of_a_fork(run):
    """In a forked child, a store that is garbage-collected ends the child's own thread."""
    assert run(FORK) == ["ended", "ended"]
