"""When a token is refreshed, and when not."""

from __future__ import annotations

import functools
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    Settings,
)
from atlassian_auth.testing import (
    Fault,
)
from tests.manager.scene import (
    HOUR,
    TINY,
)

pytestmark = pytest.mark.every_loop


async def test_the_first_call_refreshes_and_the_next_does_not(cloud, atlassian):
    """A pasted refresh token is used at the first need, and its access token until it runs out."""
    first = await cloud.token("acme")
    second = await cloud.token("acme")

    assert first == second == cloud.peek("acme")
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize(
    ("left", "requests"),
    [
        pytest.param(timedelta(seconds=10) + TINY, 1, id="just-more-than-the-buffer"),
        pytest.param(timedelta(seconds=10), 2, id="exactly-the-buffer"),
        pytest.param(timedelta(seconds=10) - TINY, 2, id="just-less"),
        pytest.param(-HOUR, 2, id="long-ago"),
    ],
)
async def test_the_buffer(manager_of, cloud, atlassian, atlassian_clock, left, requests):
    """A token with more than ten seconds left is handed out, any other is refreshed first."""
    manager = manager_of(settings=Settings(refresh_ahead_seconds=0))
    await manager.token("acme")

    atlassian_clock.advance(HOUR - left)
    assert (manager.peek("acme") is None) is (requests == 2)
    token = await manager.token("acme")

    assert len(atlassian.token_requests) == requests
    assert token.expires_at - atlassian_clock.now() > timedelta(seconds=10)


async def test_a_buffer_below_a_second(manager_of, cloud, atlassian_clock):
    """A short buffer is kept exactly, also for a caller whose token an API has refused."""
    manager = manager_of(settings=Settings(buffer_seconds=0.5, refresh_ahead_seconds=0))
    first = await manager.token("acme")
    second = await manager.token("acme", rejected=first)

    atlassian_clock.advance(HOUR - timedelta(seconds=0.7))

    assert await manager.token("acme", rejected=first) == second


async def test_a_short_life_has_a_short_buffer(manager_of, cloud, atlassian, atlassian_clock):
    """A token of four seconds is used for three: the buffer never eats a whole life."""
    atlassian.rules.access_token_lifetime_seconds["cloud"] = 4
    manager = manager_of(settings=Settings(refresh_ahead_seconds=0))
    await manager.token("acme")

    atlassian_clock.advance(2.999)
    await manager.token("acme")
    assert len(atlassian.token_requests) == 1
    atlassian_clock.advance(0.001)
    await manager.token("acme")

    assert len(atlassian.token_requests) == 2


@pytest.mark.parametrize("expires_in", [0, -5, "soon", None, [], True], ids=repr)
async def test_an_odd_lifetime_is_no_loop(cloud, atlassian, expires_in):
    """Whatever ``expires_in`` says, one refresh serves the calls of the next minutes."""
    atlassian.fault("token", Fault.edited(lambda answer: answer | {"expires_in": expires_in}))

    for _ in range(3):
        await cloud.token("acme")

    assert len(atlassian.token_requests) == 1


async def test_a_refresh_that_another_process_has_just_made_counts(manager_of, cloud, atlassian):
    """`refresh` asks for another token than the one this process knows: a newer one in the store will do."""
    other = manager_of()
    assert await cloud.token("acme") == await other.token("acme")

    token = await other.refresh("acme")

    assert await cloud.refresh("acme") == token
    assert len(atlassian.token_requests) == 2


async def test_a_blocking_caller_has_a_margin_too(cloud, atlassian_clock):
    """With a margin a blocking caller gets a token that lives longer than that."""
    older = await cloud.token("acme")
    atlassian_clock.advance(HOUR - timedelta(minutes=2))

    ask = functools.partial(cloud.token_sync, "acme", margin=timedelta(minutes=5))

    assert (await anyio.to_thread.run_sync(ask)).expires_at > older.expires_at


async def test_a_response_without_scopes(cloud, atlassian):
    """If a response names no scopes, the token keeps those of the one before."""
    narrow = atlassian.issue_grant(scopes="read:me offline_access")
    await cloud.add("narrow", refresh_token=narrow.refresh_token)
    first = await cloud.token("narrow")
    without = Fault.edited(lambda answer: {n: answer[n] for n in answer if n != "scope"})
    atlassian.fault("token", without)

    second = await cloud.refresh("narrow")

    assert second.scopes == first.scopes == ("read:me", "offline_access")


async def test_a_margin_asks_for_more(cloud, atlassian, atlassian_clock):
    """With a margin the token lives longer than that, refreshed if need be."""
    await cloud.token("acme")
    atlassian_clock.advance(HOUR / 2)

    await cloud.token("acme", margin=timedelta(minutes=29))
    assert len(atlassian.token_requests) == 1
    token = await cloud.token("acme", margin=timedelta(minutes=30))

    assert len(atlassian.token_requests) == 2
    assert token.expires_at == atlassian_clock.now() + HOUR


async def test_refreshing_ahead_makes_no_caller_wait(cloud, atlassian, atlassian_clock, told):
    """Shortly before expiry a call starts a refresh and returns the current token."""
    before = await cloud.token("acme")
    atlassian_clock.advance(HOUR - timedelta(seconds=59))
    gate = atlassian.hold("token")

    assert await cloud.token("acme") == before
    assert await cloud.token("acme") == before
    await gate.arrived()
    gate.open()
    after = await cloud.token("acme", rejected=before)

    assert after != before
    assert len(atlassian.token_requests) == 2


async def test_what_another_process_has_refreshed_ahead(manager_of, cloud, atlassian_clock):
    """If a token is due that another process has refreshed, the stored one is taken, and not refreshed."""
    other = manager_of()
    before = await cloud.token("acme")
    await other.token("acme")
    atlassian_clock.advance(HOUR - timedelta(seconds=50))
    after = await other.refresh("acme")

    assert await cloud.token("acme") == before
    while cloud.peek("acme") == before:
        await cloud.keys()

    assert cloud.peek("acme") == after


async def test_data_center_is_not_refreshed_ahead(data_center, atlassian, atlassian_clock):
    """Refreshing on Data Center revokes the token in use, so it waits for the buffer."""
    await data_center.token("on-premise")

    atlassian_clock.advance(HOUR - timedelta(seconds=11))
    await data_center.token("on-premise")
    await data_center.keys()

    assert len(atlassian.token_requests) == 1


async def test_refresh_brings_another_token(cloud, atlassian):
    """``refresh`` refreshes a fresh token, and a token that no one has seen yet, once."""
    first = await cloud.refresh("acme")
    second = await cloud.refresh("acme")

    assert first != second
    assert len(atlassian.token_requests) == 2


async def test_refreshes_at_once_share_one(cloud, atlassian):
    """Any number of simultaneous calls of ``refresh`` is one refresh."""
    await cloud.token("acme")
    got = []

    async def refresh() -> None:
        got.append(await cloud.refresh("acme"))

    gate = atlassian.hold("token")
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(refresh)
        await gate.arrived()
        await anyio.wait_all_tasks_blocked()
        gate.open()

    assert len({token.access_token for token in got}) == 1
    assert len(atlassian.token_requests) == 2
