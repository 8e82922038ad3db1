"""Jobs, events and the life of a manager."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    ConfigurationError,
    InlineRunner,
    TokenManager,
    TokenRejected,
)
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import SQLiteStore
from atlassian_auth.testing import cloud_grant
from tests.manager.scene import (
    HOUR,
    names,
)

pytestmark = pytest.mark.every_loop


async def test_execute_hands_over_a_saved_token(cloud, store):
    """`execute` calls the function with a token that is already saved, and returns its result."""

    async def fn(token):
        stored = await store.get("tokens", "acme")
        return token.access_token.encode() in stored.value

    assert await cloud.execute("acme", fn) is True


async def test_execute_hands_over_a_token_that_lives_long_enough(cloud, atlassian_clock):
    """With a margin the function gets a token that lives longer than that."""
    older = await cloud.token("acme")
    atlassian_clock.advance(older.lifetime - timedelta(minutes=2))

    async def fn(token):
        return token

    token = await cloud.execute("acme", fn, margin=timedelta(minutes=5))

    assert token.expires_at > older.expires_at


async def test_execute_retries_once(cloud, atlassian):
    """A function that says its token was refused runs once more, with another; then it is over."""
    tokens = []

    async def fn(token):
        tokens.append(token)
        raise TokenRejected("401")

    with pytest.raises(TokenRejected):
        await cloud.execute("acme", fn, margin=timedelta(minutes=5))

    assert len({token.access_token for token in tokens}) == len(tokens) == 2
    assert len(atlassian.token_requests) == 2


async def test_keep_fresh_refreshes_idle_credentials(
    manager_of, cloud, atlassian, atlassian_clock, caplog
):
    """`keep_fresh` refreshes idle credentials before they expire; a fault of one stops no other."""
    manager = manager_of()
    await manager.add("broken", refresh_token="unknown")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.keep_fresh)
        while atlassian.count("token", outcome="ok") < 4:
            await manager.keys()
        tasks.cancel_scope.cancel()

    assert (await manager.status("acme")).refresh_count >= 4
    assert (
        caplog.text.count("broken") == caplog.text.count("Key 'broken': the consent is lost") == 1
    )


async def test_keep_fresh_leaves_other_apps_alone(manager_of, cloud, data_center, atlassian, told):
    """In a store that several apps share, each keeps its own credentials fresh."""
    await data_center.add(
        "theirs", refresh_token=atlassian.issue_grant(atlassian.data_center_app).refresh_token
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(data_center.keep_fresh)
        while atlassian.count("token", outcome="ok") < 3:
            await data_center.keys()
        tasks.cancel_scope.cancel()

    assert {entry.service for entry in atlassian.token_requests} == {"dc"}
    assert "RefreshFailed" not in names(told)


async def test_keep_fresh_survives_a_store_that_is_down(acme, watched, atlassian_clock, caplog):
    """If the store cannot list its keys, the cached credentials are kept fresh."""
    await acme.token("acme")

    async def down(_namespace):
        raise OSError

    watched.keys = down
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acme.keep_fresh)
        while "could not list" not in caplog.text:
            await acme.status("acme")
        tasks.cancel_scope.cancel()


async def test_events_tell_what_happened(cloud, told, atlassian_clock):
    """Events carry key, time and figures, and no secret."""
    token = await cloud.token("acme")
    await cloud.aclose()

    started, succeeded = told
    assert (started.key, started.at) == ("acme", atlassian_clock.now())
    assert (succeeded.refresh_count, succeeded.expires_at) == (1, token.expires_at)
    assert "secret-" not in repr(told)


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
async def test_a_callback_that_raises_stops_nothing(manager_of, cloud, caplog, kind):
    """An exception in a callback, even `sys.exit()`, is logged and has no other effect."""

    def on_event(event):
        raise kind

    manager = manager_of(on_event=on_event)

    assert (await manager.token("acme")).access_token
    assert "on_event raised for" in caplog.text


async def test_a_callback_may_use_the_same_manager(manager_of, cloud, told):
    """A callback may use its manager: no lock is held, and the new token is in the cache."""
    seen = []
    manager = manager_of(on_event=lambda event: seen.append(manager.peek(event.key)))

    token = await manager.token("acme")
    await manager.aclose()

    assert seen == [None, token]


async def test_a_blocking_call_in_a_callback_is_refused(manager_of, cloud):
    """A callback that would wait for itself gets an error instead of a deadlock."""
    caught = []

    def on_event(event):
        try:
            manager.token_sync(event.key)
        except ConfigurationError as error:
            caught.append(error)

    manager = manager_of(on_event=on_event)
    await manager.token("acme")

    assert "wait for itself" in str(caught[0])


async def test_no_callback_is_fine(manager_of, cloud, caplog):
    """Without a callback events go to the log, without secrets."""
    manager = manager_of(on_event=None)

    with caplog.at_level(logging.DEBUG, "atlassian_auth"):
        await manager.token("acme")
        await manager.aclose()

    assert "Key 'acme': refreshed in " in caplog.text
    assert "secret-" not in caplog.text


async def test_a_closed_manager_can_be_used_again(cloud, atlassian):
    """A closed manager opens again when it is used."""
    async with cloud:
        await cloud.token("acme")

    assert (await cloud.refresh("acme")).access_token


async def test_a_brand_new_token_that_is_refused_is_left_alone_for_a_while(
    cloud, atlassian, atlassian_clock
):
    """An API that refuses every token does not burn a rotation with each request."""
    token = await cloud.token("acme")
    cloud.refused("acme", token)

    assert await cloud.token("acme", rejected=token) is token
    atlassian_clock.advance(300)
    assert await cloud.token("acme", rejected=token) != token


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_inline_refreshes(manager_of, cloud, atlassian):
    """With the inline runner all happens in the caller's loop, and is still one refresh."""
    manager = manager_of(runner=InlineRunner())

    tokens = await asyncio.gather(*(manager.token("acme") for _ in range(10)))

    assert len({token.access_token for token in tokens}) == 1
    await manager.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_refresh_ahead_that_cannot_start_is_no_trouble(
    manager_of, cloud, atlassian_clock, caplog
):
    """While the token is valid a refresh that cannot even be started is logged, not raised."""
    manager = manager_of(runner=InlineRunner())
    token = await manager.token("acme")
    atlassian_clock.advance(HOUR - timedelta(seconds=50))

    assert await anyio.to_thread.run_sync(manager.token_sync, "acme") == token
    assert "ahead of time" in caplog.text
    await manager.aclose()
    manager._calls._runner = cloud._calls._runner


async def test_closing_waits_for_a_refresh_in_the_air(cloud, atlassian):
    """``aclose`` lets a refresh that is under way finish first."""
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cloud.token, "acme")
        await gate.arrived()
        tasks.start_soon(cloud.aclose)
        await anyio.wait_all_tasks_blocked()
        gate.open()

    assert (await cloud.status("acme")).refresh_count == 1


async def test_closing_waits_for_work_without_a_caller(acme, watched):
    """``aclose`` lets work end first whose caller was cancelled: it would open a closed store again."""
    began, may_end, seen = SharedFuture(), SharedFuture(), []

    async def work():
        began.set_result(None)
        await may_end.wait()
        seen.append("work")

    async def aclose():
        seen.append("closed")

    watched.aclose = aclose
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acme.perform, work)
        await began.wait()
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(acme.aclose)
        await anyio.wait_all_tasks_blocked()
        for _ in range(10):  # turns of the runner's loop, in which the store could be closed
            await acme.status("acme")
        may_end.set_result(None)

    assert seen == ["work", "closed", "closed"]


class NoMoreThreads:
    """A runner at the interpreter's end."""

    def home(self):
        return self

    def submit(self, work):
        raise RuntimeError("can't start new thread")

    def check_may_wait(self):
        raise AssertionError("no caller blocks here")


async def test_a_call_that_cannot_be_submitted_is_not_joined(manager_of, cloud):
    """If no thread can start, each caller gets the error, and none waits for a refresh that never began."""
    manager = manager_of(runner=NoMoreThreads())

    for _ in range(2):
        with pytest.raises(RuntimeError, match="new thread"):
            await manager.token("acme")
    manager._calls._runner = cloud._calls._runner

    assert (await manager.token("acme")).access_token


async def test_a_finished_call_is_forgotten(cloud):
    """A manager that runs for months keeps no call, and no token, longer than the call lasts."""
    first = await cloud.token("acme")
    await cloud.token("acme", rejected=first)

    assert cloud._calls._table.calls == {}


def test_a_call_that_cannot_start_ends_with_an_error(manager_of, cloud):
    """If a refresh cannot start, the caller gets an error, and the next call tries again."""
    manager = manager_of(runner=InlineRunner())

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="asyncio loop"):
            anyio.run(manager.token, "acme", backend="trio")
    assert manager._calls._table.calls == {}
    with pytest.raises(ConfigurationError, match="async callers only"):
        manager.token_sync("acme")
    manager._calls._runner = cloud._calls._runner


def test_another_loop_waits_for_no_call_of_a_closed_one(manager_of):
    """The calls of a closed loop would never end; callers in one loop share theirs."""
    calls = manager_of(runner=InlineRunner())._calls

    async def tables():
        return [calls._current_table() for _ in range(2)]

    (first, same), (other, _) = asyncio.run(tables()), asyncio.run(tables())

    assert first is same
    assert first is not other


async def test_a_blocking_caller_takes_the_cached_token(cloud, atlassian):
    """A blocking call returns a fresh token from the cache without blocking."""
    token = await cloud.token("acme")

    assert cloud.token_sync("acme") is token
    assert await anyio.to_thread.run_sync(lambda: cloud.token_sync("acme", rejected=token)) != token


def test_a_dropped_manager_is_freed_at_once(atlassian, tmp_path):
    """A manager that is dropped takes its store's thread and files with it, without a garbage collection."""
    manager = TokenManager(cloud_grant(atlassian), store=SQLiteStore(tmp_path / "tokens.db"))
    manager.add_sync(refresh_token=atlassian.issue_grant().refresh_token)
    store = weakref.ref(manager.store)

    gc.disable()
    try:
        del manager
        assert store() is None
    finally:
        gc.enable()


async def test_what_cannot_be_called_is_refused(cloud, atlassian):
    """A coroutine in place of its function, say, is refused before a token is used."""
    with pytest.raises(
        ConfigurationError, match="fn must be an async function of a Token, not"
    ) as caught:
        await cloud.execute("acme", None)

    assert caught.value.argument == "fn"
    assert atlassian.token_requests == ()
