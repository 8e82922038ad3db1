"""One refresh for all callers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    Settings,
)
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    data_center_grant,
)
from tests.manager.scene import (
    WatchedRunner,
    names,
)

pytestmark = pytest.mark.every_loop


async def test_a_thousand_callers_are_one_refresh(cloud, atlassian):
    """However many wait for a token, the token endpoint is asked once."""
    got = []

    async def ask() -> None:
        got.append(await cloud.token("acme"))

    async with anyio.create_task_group() as tasks:
        for _ in range(1_000):
            tasks.start_soon(ask)

    assert len(got) == 1_000
    assert len(atlassian.token_requests) == 1


async def test_callers_at_once_submit_one_call(manager_of, atlassian, cloud):
    """The runner gets one piece of work for all callers with the same request."""
    runner = WatchedRunner(is_open=False)
    manager = manager_of(runner=runner)

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(manager.token, "acme")
        await anyio.wait_all_tasks_blocked()
        runner.open()

    assert len(runner.works) == 1


async def test_a_valid_token_is_no_work(manager_of, cloud):
    """A cached token that is valid is returned without the runner."""
    runner = WatchedRunner()
    manager = manager_of(runner=runner)
    token = await manager.token("acme")
    before = len(runner.works)

    assert await manager.token("acme") is token
    assert manager.token_sync("acme") is token
    assert manager.auth("acme")._current() is token
    assert len(runner.works) == before


async def test_a_call_that_is_submitted_twice(cloud, atlassian, caplog):
    """If a caller was interrupted while it submitted a call, the next one submits it too; it runs once."""
    gate = atlassian.hold("token")
    first = cloud._calls.ask("acme", Requirement())
    await gate.arrived()
    [call] = cloud._calls._table.calls.values()
    call.submitted = False
    second = cloud._calls.ask("acme", Requirement())
    gate.open()

    assert await first.wait() == await second.wait()
    await cloud.keys()

    assert len(atlassian.token_requests) == 1
    assert caplog.text == ""


async def test_a_caller_that_requires_more_joins_first(cloud, atlassian):
    """A caller that a joined refresh does not satisfy starts one of its own, and others may join that."""
    got = {}

    async def ask(hours) -> None:
        got[hours] = await cloud.token("acme", margin=timedelta(hours=hours))

    gate = atlassian.hold("token")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 0)
        await gate.arrived()
        for hours in (2, 3):
            tasks.start_soon(ask, hours)
        await cloud.keys()
        gate.open()

    assert len(atlassian.token_requests) == 3
    assert len(set(got.values())) == 3


async def test_a_token_in_memory_is_not_read(acme, watched):
    """A cached token that meets a caller's margin costs no read of the store."""
    token = await acme.token("acme")
    watched.failures["get"] = 1

    assert await acme.token("acme", margin=timedelta(minutes=10)) == token
    assert watched.failures["get"] == 1


def test_loops_and_threads_share_a_refresh(cloud, atlassian):
    """Event loops in several threads and blocking callers share one refresh."""
    ready = threading.Barrier(6)

    def in_a_loop():
        async def ask():
            ready.wait()
            return await cloud.token("acme")

        return asyncio.run(ask())

    def blocking():
        ready.wait()
        return cloud.token_sync("acme")

    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(work) for work in [in_a_loop, blocking] * 3]
        tokens = [future.result() for future in futures]

    assert len({token.access_token for token in tokens}) == 1
    assert len(atlassian.token_requests) == 1


class SlowToRead(MemoryStore):
    """A store whose reads take a few turns of the loop."""

    async def get(self, namespace, key):
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().get(namespace, key)


@pytest.mark.parametrize("stripes", [1, 64])
async def test_different_demands_share_a_refresh(manager_of, atlassian, atlassian_clock, stripes):
    """Calls with different margins share one refresh."""
    store = SlowToRead(clock=atlassian_clock)
    manager = manager_of(
        data_center_grant(atlassian), store=store, settings=Settings(stripes=stripes)
    )
    issued = atlassian.issue_grant(atlassian.data_center_app)
    await manager.add("acme", refresh_token=issued.refresh_token)
    got = []

    async def ask(minutes) -> None:
        got.append(await manager.token("acme", margin=timedelta(minutes=minutes)))

    async with anyio.create_task_group() as tasks:
        for minutes in range(10):
            tasks.start_soon(ask, minutes)

    assert len(got) == 10
    assert len(set(got)) == 1
    assert len(atlassian.token_requests) == 1


async def test_managers_on_one_store_share_a_refresh(manager_of, cloud, atlassian, told):
    """A token that one manager has refreshed is adopted by another on the same store."""
    other = manager_of()
    got = []

    async def ask(manager) -> None:
        got.append(await manager.token("acme"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cloud)
        tasks.start_soon(ask, other)

    assert got[0] == got[1]
    assert len(atlassian.token_requests) == 1
    for asked in (cloud, other):
        await asked.keys()
    assert names(told).count("TokenAdopted") == 1


async def test_a_stalled_key_delays_no_other(manager_of, atlassian):
    """Credentials are independent, also if both hash to one stripe."""
    manager = manager_of(settings=Settings(stripes=1))
    for key in ("stalled", "other"):
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.token, "stalled")
        await gate.arrived()
        await manager.token("other")
        assert manager.peek("stalled") is None
        gate.open()

    assert manager.peek("stalled") is not None
