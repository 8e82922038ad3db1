"""Processes fork, end and are killed in mid-exchange; others share their store: no consent is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import atlassian_auth
from atlassian_auth import TokenManager
from atlassian_auth.stores import SQLiteStore
from atlassian_auth.testing import cloud_grant, data_center_grant

pytestmark = pytest.mark.campaign

ROOT = Path(atlassian_auth.__path__[0]).parent

# What each process begins with. The real clock: the emulator's stands still, in another process.
PREAMBLE = """
import asyncio, os, sys, threading
from atlassian_auth import CloudGrant, DataCenterGrant, Endpoints, TokenManager
from atlassian_auth.stores import SQLiteStore

kind, urls, database = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
app = eval(sys.argv[4])
if kind == "cloud":
    grant = CloudGrant(endpoints=Endpoints(**urls), scopes=["read:me"], **app)
else:
    grant = DataCenterGrant(urls["api_url"], scopes=["ADMIN"], **app)
manager = TokenManager(grant, store=SQLiteStore(database))

def say(word):
    print(f"{word}\\n", end="", flush=True)  # one write: lines of forked processes stay whole

def hear():
    sys.stdin.readline()
"""

ASK = """
say(manager.token_sync("acme").access_token)
"""

ASK_ON_REQUEST = """
say("ready")
hear()
say(manager.token_sync("acme").access_token)
"""

ASK_AND_END = """
import atexit
async def main():
    asyncio.ensure_future(manager.token("acme"))
    await asyncio.to_thread(hear)
atexit.register(say, "ending")
asyncio.run(main())
"""

COUNT_LOCKS = """
locks = []
class Counting(SQLiteStore):
    def lock(self, namespace, key, *, timeout_seconds):
        locks.append(key)
        return super().lock(namespace, key, timeout_seconds=timeout_seconds)
manager = TokenManager(grant, store=Counting(database))
say("ready")
hear()
manager.token_sync("acme")
say(len(locks))
"""

FORK_WHILE_ASKING = """
asker = threading.Thread(target=manager.token_sync, args=("acme",))
asker.start()
hear()
child = os.fork()
if child == 0:
    say("forked")
    say(manager.token_sync("acme").access_token)
    os._exit(0)
asker.join()
_, status = os.waitpid(child, 0)
say(manager.token_sync("acme").access_token)
say(os.waitstatus_to_exitcode(status))
"""

FORK_AFTERWARDS = """
old = manager.token_sync("acme")
def ask():
    barrier.wait()
    manager.token_sync("acme", rejected=old)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        say(manager.token_sync("acme", rejected=old).access_token)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.fixture
def database(tmp_path):
    return tmp_path / "tokens.db"


@pytest.fixture
def run(atlassian, atlassian_server, database, product):
    """Start interpreters that work on one credential, and see that none outlives the test."""
    urls, app = addresses(atlassian_server.urls, product), registration(atlassian, product)
    with ExitStack() as processes:

        def run(script):
            process = subprocess.Popen(
                [sys.executable, "-c", PREAMBLE + script, product, repr(urls), database, repr(app)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield run


def addresses(urls, product):
    if product == "data_center":
        return {"api_url": urls.dc_base_url}
    return {
        "authorize_url": urls.authorize_url,
        "token_url": urls.token_url,
        "audience": "api.atlassian.com",
        "api_url": urls.api_url,
    }


def registration(atlassian, product):
    app = atlassian.cloud_app if product == "cloud" else atlassian.data_center_app
    return {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
    }


@pytest.fixture
def manager(atlassian, atlassian_server, database, product):
    """A manager in this process, for the credential that the others work on."""
    new_grant = cloud_grant if product == "cloud" else data_center_grant
    grant = new_grant(atlassian, atlassian_server.urls)
    return TokenManager(grant, store=SQLiteStore(database))


@pytest.fixture
async def enrolled(manager, consent):
    """The same manager, once it has a credential."""
    await manager.add("acme", refresh_token=consent(manager))
    yield manager
    await manager.aclose()


anyio_backend = pytest.fixture(lambda: "asyncio")


def said(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return output.split()


def tell(process):
    process.stdin.write("go on\n")
    process.stdin.flush()


async def test_interpreter_ends_in_mid_exchange(atlassian, enrolled, run):
    """The program ends while the answer is under way: its exit waits until the new pair is saved."""
    gate = atlassian.hold("token")
    process = run(ASK_AND_END)
    await gate.arrived()
    tell(process)
    assert process.stdout.readline() == "ending\n"

    gate.open()
    said(process)
    await enrolled.token("acme")

    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize("product", ["cloud"])
async def test_process_is_killed_in_mid_exchange(atlassian, enrolled, run):
    """Killed between the rotation and the save: Cloud's leeway gives the next process a token."""
    gate = atlassian.hold("token")
    process = run(ASK)
    await gate.arrived()

    process.kill()
    process.wait()
    await enrolled.token("acme")

    assert atlassian.leeway_reuses == 1
    assert atlassian.reuses_outside_leeway == 0


async def test_processes_share_one_exchange(atlassian, enrolled, run):
    """Processes that need the same credential at the same time: one exchange, one token."""
    processes = [run(ASK_ON_REQUEST) for _ in range(3)]
    assert {process.stdout.readline() for process in processes} == {"ready\n"}

    for process in processes:
        tell(process)
    tokens = {token for process in processes for token in said(process)}

    assert tokens == {(await enrolled.token("acme")).access_token}
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize("product", ["cloud"])
async def test_only_the_process_that_refreshes_takes_the_lock(atlassian, enrolled, run):
    """When a token expires, one of eight processes takes the lock; seven read its token."""
    processes = [run(COUNT_LOCKS) for _ in range(8)]
    assert {process.stdout.readline() for process in processes} == {"ready\n"}

    locks = []
    for process in processes:
        tell(process)
        locks += said(process)

    assert locks == ["1", "0", "0", "0", "0", "0", "0", "0"]
    assert len(atlassian.token_requests) == 1


async def test_fork_in_mid_exchange(atlassian, enrolled, run):
    """A child forked while its parent waits for the server waits for the parent, and adopts."""
    gate = atlassian.hold("token")
    process = run(FORK_WHILE_ASKING)
    await gate.arrived()
    tell(process)
    assert process.stdout.readline() == "forked\n"

    gate.open()
    first, second, status = said(process)

    assert first == second
    assert status == "0"
    assert len(atlassian.token_requests) == 1


async def test_fork_of_a_used_manager(atlassian, enrolled, run):
    """Children of a process that has refreshed before, each with threads, share the next exchange."""
    process = run(FORK_AFTERWARDS)

    tokens = said(process)

    assert len(tokens) == 3
    assert len(set(tokens)) == 1
    assert len(atlassian.token_requests) == 2
