"""What other processes do with a store. Each script uses ``store``, which the test names by an expression."""

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
        "write": """
async def main():
    while True:
        print(await store.put("tokens", "acme", b"x" * int(sys.argv[2])), flush=True)

anyio.run(main)
""",
        # Root may do everything, so the process becomes another user. HEAD has imported all that is needed.
        "unprivileged": """
anyio.run(anyio.sleep, 0)
user = os.geteuid()
os.seteuid(65534 if user == 0 else user)
try:
    anyio.run(store.get, "tokens", "acme")
except StoreError as error:
    print(*str(error).split(), sep="_")
os.seteuid(user)
""",
        # No child inherits a descriptor of a file whose path begins with the second argument.
        "fork_while_writing": """
began, done = threading.Event(), threading.Event()

async def write():
    while not done.is_set():
        await store.put("tokens", "parent", b"value")
        began.set()

def inherited():
    links = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return [link for link in links if link.startswith(os.path.realpath(sys.argv[2]))]

writer = threading.Thread(target=anyio.run, args=[write])
writer.start()
began.wait()
for number in range(10):
    child = os.fork()
    if not child:
        assert not os.path.exists("/proc/self/fd") or inherited() == []
        anyio.run(store.put, "tokens", f"child {number}", b"value")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
done.set()
writer.join()
print(len(anyio.run(store.keys, "tokens")))
""",
        # Files may not grow beyond 100 kB. The second argument is what a failed write must not leave.
        "full_disk": """
import resource

async def main():
    version = await store.put("tokens", "acme", b"kept")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        await store.put("tokens", "acme", b"secret" * 100_000)
    except StoreError as error:
        print(*str(error).split(), sep="_")
        assert "secret" not in repr(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    print(os.path.exists(sys.argv[2]))
    print((await store.get("tokens", "acme")).value.decode())
    print(await store.put("tokens", "acme", b"new", expected=version) > version)

anyio.run(main)
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
from atlassian_auth.exceptions import StoreError, VersionConflict
from atlassian_auth.stores import *

store = eval(sys.argv[1])
"""


@pytest.fixture
def start_script(start):
    """Start a process that runs one of the scripts with the store that an expression makes."""

    def start_script(name, store, *arguments, before=""):
        return start(before + HEAD + SCRIPTS[name], store, *arguments)

    return start_script


@pytest.fixture
def run_script(run):
    """Do the same and wait; return what it printed."""
    return lambda name, store, *arguments: run(HEAD + SCRIPTS[name], store, *arguments)


@pytest.fixture
def count_together(start_script):
    """Have processes that start together count by lock and by version; return to which number."""

    def count_together(store, before=""):
        processes = [start_script("count", store, before=before) for _ in range(4)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.close()
        assert [process.wait() for process in processes] == [0] * 4
        return b"40"

    return count_together
