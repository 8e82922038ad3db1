"""The first refresh of a process: what it needs is there before the library's own threads start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.raw_server import RawServer, answer

pytestmark = pytest.mark.programs

PAIR = b'{"access_token":"at","refresh_token":"rt-1","token_type":"Bearer","expires_in":3600}'

PREPARE = """
import asyncio, os, sys, threading
from atlassian_auth import DataCenterGrant, TokenManager
from atlassian_auth.stores import FileStore, MemoryStore, SQLiteStore

url, kind, folder = sys.argv[1:]
sqlite, file = lambda: SQLiteStore(f"{folder}/t.db"), lambda: FileStore(folder)
stores = {"memory": MemoryStore, "sqlite": sqlite, "file": file}
grant = DataCenterGrant(
    url, client_id="id", client_secret="secret", redirect_uri="http://127.0.0.1:1/", scopes=["READ"]
)
manager = TokenManager(grant, store=stores[kind]())
"""

SILENT = f"""{PREPARE}
imported = []

def watch(event, arguments):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        imported.append(arguments[0])

async def main():
    await manager.add("k", refresh_token="rt-0")
    await manager.token("k")
    print(await manager.reveal_refresh_token("k"))
    await manager.status("k")
    await manager.aclose()

sys.addaudithook(watch)
asyncio.run(main())
print(imported)
"""


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)],
        timeout=300,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("store", ["memory", "sqlite", "file"])
def test_a_refresh_imports_nothing(store, tmp_path):
    """No module is imported in a thread of the library: a fork would leave the child half of it for ever."""
    with RawServer(answer(200, "content-type: application/json", body=PAIR)) as server:
        assert run(SILENT, server.url, store, tmp_path) == ["rt-1", "[]"]


FORKED = f"""{PREPARE}
asyncio.run(manager.add("k", refresh_token="rt-0"))
asked = threading.Event()
refreshing = threading.Thread(target=manager.token_sync, args=("k",))
refreshing.start()
while not manager._calls._runner._thread._current:
    pass
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        other = TokenManager(grant, store=MemoryStore())
        asyncio.run(other.add("k", refresh_token="rt-0"))
        os._exit(0 if other.token_sync("k").access_token == "at" else 1)
    children.append(child)
refreshing.join()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_during_the_first_refresh(tmp_path):
    """Children that are forked while the first refresh of the process runs refresh on their own."""
    with RawServer(answer(200, "content-type: application/json", body=PAIR)) as server:
        assert run(FORKED, server.url, "memory", tmp_path) == [str([0] * 10)]
