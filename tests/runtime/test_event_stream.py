"""The stream of events, in the reader's own event loop."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from datetime import UTC, datetime

import anyio
import pytest

from atlassian_auth import TokenManager
from atlassian_auth.events import Event, RefreshStarted, RefreshSucceeded
from atlassian_auth.ports._runtime.event_stream import EventStream
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import cloud_grant

pytestmark = pytest.mark.every_loop

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def event(number):
    return Event(key=str(number), at=NOW)


@pytest.fixture
async def manager(atlassian, atlassian_clock):
    async with TokenManager(
        cloud_grant(atlassian), store=MemoryStore(), clock=atlassian_clock
    ) as manager:
        await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
        yield manager


async def test_events_come_to_the_readers_loop(manager):
    """A reader gets the events since the stream was made, in order, as they happen."""
    async with manager.events() as stream:
        await manager.token("acme")
        told = [await anext(stream), await anext(stream)]

    assert [type(event) for event in told] == [RefreshStarted, RefreshSucceeded]
    assert {event.key for event in told} == {"acme"}


@pytest.mark.usefixtures("young_heap")
async def test_each_reader_gets_all(manager):
    """Each stream gets all events; a stream that is garbage collected gets none."""
    first, second, forgotten = (manager.events() for _ in range(3))
    del forgotten
    gc.collect()
    await manager.refresh("acme")

    assert await anext(first) == await anext(second)
    assert len(manager._hub._streams) == 2


async def test_a_reader_may_wait(manager):
    """A reader waits until an event happens."""
    told = []

    async def read(stream):
        told.append(await anext(stream))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, manager.events())
        await anyio.wait_all_tasks_blocked()
        await manager.token("acme")

    assert isinstance(told[0], RefreshStarted)


async def test_closing_ends_the_iteration(anyio_backend):
    """After `close` the waiting events are still read, and a waiting reader ends at once."""
    stream = EventStream(10)
    stream.put(event(1))
    told = []

    async def read():
        told.extend([event async for event in stream])

    async with anyio.create_task_group() as tasks, stream:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        stream.close()

    assert told == [event(1)]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.parametrize(("count", "dropped"), [(2, 0), (3, 0), (4, 1), (5, 2)])
async def test_a_slow_reader_loses_the_oldest(anyio_backend, count, dropped):
    """A slow reader does not delay a refresh, and the stream counts the events it has dropped."""
    stream = EventStream(3)

    for number in range(count):
        stream.put(event(number))
    stream.close()

    assert stream.dropped == dropped
    assert [event async for event in stream] == [event(n) for n in range(dropped, count)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_leaves_the_streams_to_the_parent():
    """In a child an event goes to no reader of the parent, and no lock of a stream is left held."""
    program = """
import os, sys
from atlassian_auth import TokenManager, ClientCredentialsGrant
from atlassian_auth.ports._runtime.event_stream import EventStream

manager = TokenManager(ClientCredentialsGrant.jira_software("id", "secret"))
stream = manager.events()
manager._hub.tell(["parent"])
if os.fork() == 0:
    manager._hub.tell(["child"])
    stream.put("direct")
    print(len(manager._hub._streams), list(stream._events), flush=True)
    os._exit(0)
os.wait()
print(len(manager._hub._streams), list(stream._events))
"""

    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        timeout=300,
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.splitlines() == ["0 ['direct']", "1 ['parent']"]


def test_a_fork_waits_until_an_event_is_handed_over():
    """A stream's lock is one that a fork waits for."""
    assert isinstance(EventStream(1)._guard, ForkLock)


def test_a_childs_stream_starts_over():
    """Events that the parent's reader has not read yet are not read in the child; that reader sleeps on."""
    stream = EventStream(10)
    stream.put(event(1))
    parents_reader = stream._changed

    stream._guard.after_fork_in_child()

    assert list(stream._events) == []
    stream.put(event(2))
    assert not parents_reader.done()
