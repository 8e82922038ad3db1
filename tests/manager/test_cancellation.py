"""A cancelled caller leaves the refresh undisturbed."""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread
import pytest

pytestmark = pytest.mark.every_loop


async def test_a_cancelled_caller_loses_nothing(cloud, atlassian):
    """A cancelled caller's refresh is finished and saved, and the next caller gets its token."""
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cloud.token, "acme")
        await gate.arrived()
        tasks.cancel_scope.cancel()
    gate.open()
    token = await cloud.token("acme")

    assert len(atlassian.token_requests) == 1
    assert (await cloud.status("acme")).refresh_count == 1
    assert token == cloud.peek("acme")


def test_a_loop_that_ends_in_mid_refresh_loses_nothing(cloud, atlassian):
    """``asyncio.run`` may end while a refresh is in the air: the next run has its result."""
    gate = atlassian.hold("token")

    async def ask_and_leave() -> None:
        asking = asyncio.create_task(cloud.token("acme"))
        await gate.arrived()
        assert not asking.done()

    asyncio.run(ask_and_leave())
    gate.open()
    asyncio.run(cloud.token("acme"))

    assert len(atlassian.token_requests) == 1
