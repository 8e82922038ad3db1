"""Many keys at once."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    Settings,
    TransientError,
)
from atlassian_auth.testing import (
    Fault,
    Gate,
)
from tests.manager.scene import (
    names,
)

pytestmark = pytest.mark.every_loop


async def test_exchanges_are_bounded(manager_of, atlassian):
    """At most `concurrent_exchanges` credentials are refreshed at the same time."""
    settings = Settings(concurrent_exchanges=3)
    manager = manager_of(settings=settings)
    keys = [f"tenant-{number}" for number in range(10)]
    for key in keys:
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gate = Gate()
    atlassian.fault("token", Fault.held(gate), times=3)
    tokens = []

    async def ask(key) -> None:
        tokens.append(await manager.token(key))

    async with anyio.create_task_group() as tasks:
        for key in keys:
            tasks.start_soon(ask, key)
        while len(atlassian.token_requests) < 3:
            await manager.keys()
        await manager.keys()
        assert len(atlassian.token_requests) == 3
        gate.open()

    assert len(tokens) == 10


async def test_callers_are_bounded(manager_of, atlassian, atlassian_clock):
    """A caller waits for `wait_timeout_seconds` at most, and its refresh is finished and saved."""
    manager = manager_of(settings=Settings(wait_timeout_seconds=30))
    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    gate = atlassian.hold("token")
    failed = []

    async def ask() -> None:
        with pytest.raises(TransientError, match="within 30 seconds") as caught:
            await manager.token("acme")
        failed.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        atlassian_clock.advance(30)
    gate.open()

    assert len(failed) == 1
    assert (await manager.token("acme")).access_token
    assert atlassian.count("token") == 1


async def test_a_failure_that_no_caller_awaits(
    manager_of, atlassian, atlassian_clock, told, caplog, young_heap
):
    """If a refresh fails after its callers have left, an event tells of it, and asyncio logs nothing."""
    manager = manager_of(settings=Settings(wait_timeout_seconds=30))
    issued = atlassian.issue_grant()
    await manager.add("acme", refresh_token=issued.refresh_token)
    atlassian.revoke_grant(issued.access_token)
    gate = atlassian.hold("token")

    async def ask() -> None:
        with pytest.raises(TransientError, match="within 30 seconds"):
            await manager.token("acme")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        atlassian_clock.advance(30)
    gate.open()
    while "RefreshFailed" not in names(told):
        await manager.keys()
    gc.collect()
    await manager.keys()

    assert "never retrieved" not in caplog.text


async def test_a_valid_token_is_served_by_a_slow_refresh(
    manager_of, cloud, atlassian, atlassian_clock
):
    """A caller that waits for more life than the token has gets it all the same when the refresh is slow."""
    before = await cloud.token("acme")
    manager = manager_of(settings=Settings(wait_timeout_seconds=30))
    gate = atlassian.hold("token")
    got = []

    async def ask() -> None:
        got.append(await manager.token("acme", margin=timedelta(hours=2)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        atlassian_clock.advance(30)
    gate.open()

    assert got == [before]


async def test_closing_waits_for_the_refreshes_of_that_moment(manager_of, atlassian):
    """``aclose`` ends although others go on using the manager."""
    manager = manager_of()
    for key in ("first", "later"):
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gates = [atlassian.hold("token") for _ in range(2)]
    closed = anyio.Event()

    async def close() -> None:
        await manager.aclose()
        closed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.token, "first")
        await gates[0].arrived()
        tasks.start_soon(close)
        await anyio.wait_all_tasks_blocked()  # so the closing was asked for before what comes later
        await manager.keys()
        assert not closed.is_set()
        tasks.start_soon(manager.token, "later")
        await gates[1].arrived()
        gates[0].open()
        await closed.wait()
        gates[1].open()

    assert manager.peek("later") is not None


async def test_closing_waits_for_a_call_that_has_begun(acme, watched):
    """A call that has not decided yet whether to refresh is under way, too: its pair is saved."""
    closing = []

    async def close() -> None:
        await acme.aclose()
        closing.append((await watched.get("tokens", "acme")).value)

    async def begin_to_close() -> None:  # in the runner, between the read and the decision
        closings.append(asyncio.create_task(close()))
        for _ in range(50):
            await asyncio.sleep(0)

    closings = []
    watched.after_get = begin_to_close
    token = await acme.token("acme")

    while not closing:
        await acme.keys()
    assert token.access_token.encode() in closing[0]


def test_a_program_without_a_loop_closes_it(cloud, watched, manager_of):
    """`close` does the same as `aclose`, for a manager and for an auth."""
    token = cloud.token_sync("acme")
    cloud.close()
    cloud.auth("acme").close()
    watched.failures["put"] = 0

    assert cloud.token_sync("acme") == token


async def test_a_refresh_by_name_gets_through(cloud, atlassian, atlassian_clock):
    """A long Retry-After holds up requests, but `refresh` tries again after a moment."""
    atlassian.fault("token", Fault.rate_limited(999_999))
    with pytest.raises(TransientError) as caught:
        await cloud.token("acme")
    assert caught.value.retry_after_seconds == 3600
    atlassian_clock.advance(2)
    with pytest.raises(TransientError):
        await cloud.token("acme")

    assert (await cloud.refresh("acme")).access_token
