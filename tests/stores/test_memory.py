"""MemoryStore keeps the contract, and times its lock to the moment."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import anyio
import pytest

from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract

FORK = """
import os, threading
import anyio
from atlassian_auth.stores import MemoryStore

store = MemoryStore()
held = threading.Event()

async def hold():
    await store.put("tokens", "acme", b"value")
    async with store.lock("tokens", "acme", timeout_seconds=0):
        held.set()
        await anyio.sleep_forever()

async def enter():
    async with store.lock("tokens", "acme", timeout_seconds=0):
        print((await store.get("tokens", "acme")).value.decode())

threading.Thread(target=anyio.run, args=[hold], daemon=True).start()
held.wait()
if os.fork():
    os.wait()
else:
    anyio.run(enter)
"""


async def enter(store):
    async with store.lock("tokens", "acme", timeout_seconds=5):
        pass


class TestMemoryStore(ThreadSafeStoreContract):
    """The reference keeps every promise."""

    @pytest.fixture
    def store(self, clock):
        return MemoryStore(clock=clock)

    @pytest.fixture
    def second(self, store):
        return store

    @pytest.mark.parametrize(
        ("waited", "outcome"),
        [(4.99, "waiting"), (5, "timed out"), (5.01, "timed out")],
    )
    async def test_the_moment_of_the_timeout(self, store, clock, waited, outcome):
        """Waiting ends exactly when its time has passed."""
        outcomes = ["waiting"]

        async def enter():
            try:
                async with store.lock("tokens", "acme", timeout_seconds=5):
                    outcomes.append("inside")
            except TimeoutError:
                outcomes.append("timed out")

        async with (
            anyio.create_task_group() as tasks,
            store.lock("tokens", "acme", timeout_seconds=0),
        ):
            tasks.start_soon(enter)
            await anyio.wait_all_tasks_blocked()
            clock.advance(waited)
            await anyio.wait_all_tasks_blocked()
            assert outcomes[-1] == outcome

    async def test_released_at_the_last_moment(self, store, clock):
        """A lock that is free when the time has passed is entered, whichever of the two is seen first."""
        async with AsyncExitStack() as holder, anyio.create_task_group() as tasks:
            await holder.enter_async_context(store.lock("tokens", "acme", timeout_seconds=0))
            tasks.start_soon(enter, store)
            await anyio.wait_all_tasks_blocked()
            clock.advance(5)
            await holder.aclose()

    async def test_first_come_first_served(self, store):
        """Tasks get the lock in the order in which they asked for it."""
        served = []

        async def enter(number):
            async with store.lock("tokens", "acme", timeout_seconds=5):
                served.append(number)

        async with (
            anyio.create_task_group() as tasks,
            store.lock("tokens", "acme", timeout_seconds=0),
        ):
            for number in range(5):
                tasks.start_soon(enter, number)
                await anyio.wait_all_tasks_blocked()

        assert served == [0, 1, 2, 3, 4]

    async def test_the_error_names_the_key(self, store):
        """The error for a lock that was not free names the key and how long the caller waited."""
        async with store.lock("tokens", "acme", timeout_seconds=0):
            with pytest.raises(TimeoutError, match=r"'acme' in 'tokens' .* for 0 s"):
                async with store.lock("tokens", "acme", timeout_seconds=0):
                    pytest.fail("two are inside")

    async def test_records_that_are_over_take_no_memory(self, store, clock):
        """An expired record is removed from memory, with all that was kept about it."""
        for number in range(100):
            await store.put("flows", f"state {number}", b"value", ttl_seconds=number)
        await store.put("flows", "state 0", b"value")

        clock.advance(99)
        await store.get("flows", "another")

        assert await store.keys("flows") == ["state 0"]
        assert len(store._entries) == 1
        assert store._expiring == []
        assert store._lines == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_leaves_the_line_behind(run):
    """A forked process is not kept waiting by the tasks of its parent, and has a copy of the records."""
    assert run(FORK) == ["value"]
