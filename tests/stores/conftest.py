"""What several processes do with a store: count together, hold a lock until they are killed, fork."""

from __future__ import annotations

from types import MappingProxyType

import pytest

SCRIPTS = MappingProxyType(
    {
        "count": """
print("ready", flush=True)
sys.stdin.read()

async def count(key, **options):
    stored = await store.get("tokens", key) or Stored(b"0", ABSENT)
    options = {name: stored.version for name in options}
    await store.put("tokens", key, b"%d" % (int(stored.value) + 1), **options)

async def main():
    for _ in range(10):
        async with store.lock("tokens", "locked", timeout_seconds=60):
            await count("locked")
        while True:
            try:
                await count("compared", expected=None)
            except VersionConflict:
                continue
            break
    await store.aclose()

anyio.run(main)
""",
        "hold": """
async def main():
    async with store.lock("tokens", "acme", timeout_seconds=0):
        print("held", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
""",
        "fork": """
async def enter():
    async with store.lock("tokens", "acme", timeout_seconds=0):
        pass

async def in_child():
    assert (await store.get("tokens", "parent")).value == b"value"
    await store.put("tokens", "child", b"value")
    try:
        await enter()
    except TimeoutError:
        print("excluded", flush=True)
    await store.aclose()

async def main():
    await store.put("tokens", "parent", b"value")
    async with store.lock("tokens", "acme", timeout_seconds=0):
        child = os.fork()
        if not child:
            threading.Thread(target=lambda: [anyio.run(in_child), os._exit(0)]).start()
            threading.Event().wait()
        assert os.waitpid(child, 0)[1] == 0
        assert (await store.get("tokens", "child")).value == b"value"
        try:
            await enter()
        except TimeoutError:
            print("still", "held", flush=True)
    await enter()
    await store.aclose()

anyio.run(main)
""",
        "imports": """
found = []

def hear(event, arguments):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        found.append(arguments[0])

async def main():
    version = await store.put("tokens", "acme", b"value")
    await store.get("tokens", "acme")
    async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
        assert await hold.confirm()
    try:
        await store.put("tokens", "acme", b"value", expected=version + 1)
    except VersionConflict:
        await store.keys("tokens")
    await store.delete("tokens", "acme")
    await store.aclose()

sys.addaudithook(hear)
anyio.run(main, backend="trio")
print(found)
""",
        "at_exit": """
import atexit
atexit.register(anyio.run, store.put, "tokens", "acme", b"saved")
anyio.run(store.get, "tokens", "acme")
""",
    }
)

HEAD = """
import os, sys, threading
import anyio, anyio.to_thread
from atlassian_auth.exceptions import VersionConflict
from atlassian_auth.stores import *

store = eval(sys.argv[1])
"""


@pytest.fixture
def start_script(start):
    """Start a process that does one of these things with the store that an expression makes."""
    return lambda name, store, before="": start(before + HEAD + SCRIPTS[name], store)


@pytest.fixture
def run_script(run):
    """Do the same and wait; return what it printed."""
    return lambda name, store: run(HEAD + SCRIPTS[name], store)


@pytest.fixture
def count_together(start_script):
    """Have processes that start together count by lock and by version; return to which number."""

    def count_together(store, before=""):
        processes = [start_script("count", store, before) for _ in range(4)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.close()
        assert [process.wait() for process in processes] == [0] * 4
        return b"40"

    return count_together
