"""Lock, re-read, exchange, save, publish, release: what happens when another caller comes between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import anyio
import pytest

from atlassian_auth import AuthorizationRequired, Settings, TokenManager, TransientError
from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports._runtime.runner import InlineRunner
from atlassian_auth.testing import Fault, data_center_grant

pytestmark = pytest.mark.every_loop


class Broken(ConnectionError):
    """What the client of some database raises."""


@pytest.fixture
def at_once():
    """Run ``work`` up to ``gate``, then do something else, then let both go on."""

    async def at_once(work, gate, meanwhile):
        results = []

        async def run():
            try:
                results.append(await work)
            except Exception as error:  # noqa: BLE001 -- it is what the test asks about
                results.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await gate.arrived()
            await meanwhile()
            gate.open()
        return results[0]

    return at_once


@pytest.fixture
def rotate_unsaved(store):
    """Make a manager hold a rotated pair in memory that the store did not take."""

    async def rotate_unsaved(manager):
        store.fail("put", times=Settings().attempts)
        with pytest.raises(StoreError):
            await manager.refresh("acme")

    return rotate_unsaved


async def test_token_is_saved_before_a_caller_sees_it(store, new_manager, enrol, at_once):
    """While a new pair is being saved, no caller gets its access token; after that, every caller does."""
    manager = await enrol(new_manager())
    old = await manager.token("acme")
    gate = store.hold("put")
    seen = []

    async def look():
        seen.append(manager.peek("acme"))
        seen.append(await manager.token("acme"))

    new = await at_once(manager.refresh("acme"), gate, look)

    assert seen == [old, old]
    assert manager.peek("acme") == new != old


async def test_token_is_not_seen_if_it_was_not_saved(store, new_manager, enrol, rotate_unsaved):
    """A pair that could not be saved is not handed out; the old token is, as long as it is valid."""
    manager = await enrol(new_manager())
    old = await manager.token("acme")

    await rotate_unsaved(manager)

    assert manager.peek("acme") == await manager.token("acme") == old


async def test_unsaved_pair_is_saved_before_anything_else(
    product, atlassian, new_manager, enrol, rotate_unsaved
):
    """The pair that could not be saved is saved by the next call, without a token request."""
    manager = await enrol(new_manager(product))
    await rotate_unsaved(manager)

    token = await manager.token("acme")

    assert await new_manager(product).token("acme") == token
    assert len(atlassian.token_requests) == 1


async def test_unsaved_pair_is_saved_by_aclose(
    product, atlassian, new_manager, enrol, rotate_unsaved
):
    """The pair that could not be saved is saved when the manager is closed, at the latest."""
    manager = await enrol(new_manager(product))
    await rotate_unsaved(manager)

    await manager.aclose()
    await new_manager(product).token("acme")

    assert len(atlassian.token_requests) == 1


async def test_unsaved_pair_counts_though_the_clock_was_set_back(
    product, atlassian, atlassian_clock, new_manager, enrol, rotate_unsaved
):
    """The newer pair is the one that replaced the other, whatever a clock says that was set back."""
    manager = await enrol(new_manager(product))
    await manager.token("acme")
    atlassian_clock.move_to(atlassian_clock.now() - timedelta(minutes=2))
    await rotate_unsaved(manager)

    await manager.refresh("acme")

    assert atlassian.reuses_outside_leeway == atlassian.leeway_reuses == 0


async def test_new_token_counts_though_the_clock_was_set_back(atlassian_clock, new_manager, enrol):
    """A token that was refreshed after the clock was set back takes the place of the old one."""
    manager = await enrol(new_manager("data_center"))
    await manager.token("acme")
    atlassian_clock.move_to(atlassian_clock.now() - timedelta(minutes=2))

    token = await manager.refresh("acme")

    assert manager.peek("acme") == token


async def test_unsaved_pair_outlives_a_failed_forget(
    atlassian, store, new_manager, enrol, rotate_unsaved
):
    """A ``forget`` that fails has changed nothing, also for the pair that waits to be saved."""
    manager = await enrol(new_manager("data_center"))
    await rotate_unsaved(manager)
    store.fail("delete")

    with pytest.raises(StoreError):
        await manager.forget("acme")
    await manager.token("acme")

    assert atlassian.reuses_outside_leeway == 0


async def test_forgotten_credential_does_not_come_back(product, new_manager, enrol, rotate_unsaved):
    """A pair that waits to be saved is dropped if another manager has forgotten the credential."""
    manager = await enrol(new_manager(product))
    await rotate_unsaved(manager)
    await new_manager(product).forget("acme")

    with pytest.raises(AuthorizationRequired):
        await manager.token("acme")

    assert await manager.keys() == []


async def test_unsaved_pair_does_not_replace_a_newer_credential(
    product, new_manager, enrol, rotate_unsaved
):
    """A pair that waits to be saved is dropped if a person has authorized again."""
    manager, other = await enrol(new_manager(product)), new_manager(product)
    await rotate_unsaved(manager)
    await enrol(other)
    token = await other.token("acme")

    assert await manager.token("acme") == token


async def come_to_the_lock(group, store, work):
    """Start ``work`` and return when it is about to wait for the lock."""
    waiting = store.hold("lock")
    group.start_soon(work)
    await waiting.arrived()
    waiting.open()


async def test_spent_refresh_token_is_not_presented_by_who_waited(
    product, atlassian, store, new_manager, enrol, at_once
):
    """A manager that waited for the lock uses the pair that its holder has stored."""
    manager, other = await enrol(new_manager(product)), new_manager(product)
    gate = atlassian.hold("token")
    adopted = []

    async def ask():
        adopted.append(await other.token("acme"))

    async with anyio.create_task_group() as group:
        ask_too = partial(come_to_the_lock, group, store, ask)
        token = await at_once(manager.token("acme"), gate, ask_too)

    assert adopted == [token]
    assert len(atlassian.token_requests) == 1


async def test_who_waited_presents_what_the_holder_has_stored(
    product, atlassian, store, new_manager, enrol, at_once
):
    """A manager that waited for the lock and still has to refresh presents the newest refresh token."""
    manager, other = await enrol(new_manager(product)), new_manager(product)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as group:
        ask_too = partial(come_to_the_lock, group, store, partial(other.refresh, "acme"))
        await at_once(manager.token("acme"), gate, ask_too)

    assert [request.generation for request in atlassian.token_requests] == [1, 2]


async def test_stale_record_is_refreshed_with_its_own_refresh_token(
    product, atlassian, atlassian_clock, new_manager, enrol
):
    """A manager with an old pair in memory presents the stored refresh token."""
    manager, other = await enrol(new_manager(product)), new_manager(product)
    await manager.token("acme")
    for _ in range(3):
        atlassian_clock.advance(3600)
        await other.token("acme")
    atlassian_clock.advance(3600)

    await manager.token("acme")

    assert [request.generation for request in atlassian.token_requests] == [1, 2, 3, 4, 5]


async def test_lost_race_is_no_lost_consent(atlassian, store, new_manager, enrol, at_once):
    """If a refusal comes because another manager was faster, its token is adopted."""
    manager, other = await enrol(new_manager("data_center")), new_manager("data_center")
    store.locks = False
    gate = store.hold("got")

    async def refresh_first():
        tokens.append(await other.token("acme"))

    tokens = []
    token = await at_once(manager.token("acme"), gate, refresh_first)

    assert [token] == tokens
    assert (await manager.status("acme")).refresh_status == "valid"


async def test_newer_record_is_not_overwritten(atlassian, store, new_manager, enrol, at_once):
    """A late save, after the lock was lost, does not overwrite a newer record."""
    manager, other = await enrol(new_manager()), new_manager()
    store.locks = False
    gate = store.hold("put")

    async def refresh_first():
        tokens.append(await other.token("acme"))

    tokens = []
    token = await at_once(manager.token("acme"), gate, refresh_first)

    assert [token] == tokens == [await new_manager().token("acme")]


async def test_forgotten_meanwhile_is_not_stored(store, new_manager, enrol, at_once):
    """A late save, after the lock was lost, does not restore a deleted credential."""
    manager, other = await enrol(new_manager()), new_manager()
    store.locks = False
    gate = store.hold("put")

    async def forget():
        await other.forget("acme")

    error = await at_once(manager.token("acme"), gate, forget)

    assert isinstance(error, AuthorizationRequired)
    assert await manager.keys() == []


async def test_token_is_published_before_the_lock_is_free(store, new_manager, enrol, at_once):
    """The cache is updated before the lock is free: a ``forget`` that gets the lock next empties it."""
    manager = await enrol(new_manager())
    gate = store.hold("released")

    async def forget():
        await manager.forget("acme")

    await at_once(manager.token("acme"), gate, forget)

    assert manager.peek("acme") is None


@pytest.mark.parametrize("error", [StoreError, Broken, asyncio.CancelledError])
async def test_lock_that_cannot_be_released_does_no_harm(error, store, new_manager, enrol):
    """If the store cannot release its lock, the new token is still returned."""
    manager = await enrol(new_manager())
    store.fail("released", 1, error)

    token = await manager.token("acme")

    assert manager.peek("acme") == token


@pytest.mark.parametrize("error", [StoreError, Broken, asyncio.CancelledError])
@pytest.mark.parametrize("operation", ["get", "put", "saved"])
async def test_pair_outlives_any_error_of_the_store(
    operation, error, product, atlassian, store, new_manager, enrol
):
    """Whatever a store raises, even a cancellation of its own, the next call works, with one exchange."""
    manager = await enrol(new_manager(product))
    store.fail(operation, Settings().attempts, error)

    try:
        await manager.token("acme")
    except StoreError:
        store.heal()
    token = await manager.token("acme")

    assert manager.peek("acme") == token
    assert len(atlassian.token_requests) == 1


on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.fixture
def lock_timeout(store, atlassian_clock):
    """Ask while another holder keeps the lock, until the lock timeout has passed."""

    async def lock_timeout(manager):
        async with store.lock("tokens", "acme", timeout_seconds=1):
            answer = asyncio.ensure_future(manager.token("acme"))
            await anyio.wait_all_tasks_blocked()
            atlassian_clock.advance(Settings().lock_timeout_seconds)
            return await answer

    return lock_timeout


@on_asyncio
async def test_without_the_lock_nothing_is_presented(
    atlassian, new_manager, enrol, lock_timeout, anyio_backend
):
    """A lock that others keep is not ignored: no request, a transient error, nothing changed."""
    manager = await enrol(new_manager(runner=InlineRunner()))

    with pytest.raises(TransientError, match="lock_timeout_seconds"):
        await lock_timeout(manager)

    assert atlassian.token_requests == ()


@on_asyncio
async def test_without_the_lock_a_newer_token_is_adopted(
    new_manager, enrol, lock_timeout, anyio_backend
):
    """If another holder keeps the lock and has stored a fresh token, that token is used."""
    manager, other = await enrol(new_manager(runner=InlineRunner())), new_manager()
    token = await other.token("acme")

    adopted = await lock_timeout(manager)

    assert adopted == token


@on_asyncio
async def test_without_the_lock_an_unsaved_token_stays_unseen(
    new_manager, enrol, rotate_unsaved, lock_timeout, anyio_backend
):
    """An unsaved pair is not handed out while the lock is not free."""
    manager = await enrol(new_manager(runner=InlineRunner()))
    await rotate_unsaved(manager)

    with pytest.raises(TransientError):
        await lock_timeout(manager)

    assert manager.peek("acme") is None


async def test_lost_answers_are_asked_for_again(atlassian, new_manager, enrol):
    """Cloud accepts a used refresh token for ten minutes: an answer that did not arrive costs nothing."""
    manager = await enrol(new_manager())
    atlassian.fault("token", Fault.lost_answer(), times=2)

    token = await manager.token("acme")

    assert manager.peek("acme") == token
    assert atlassian.reuses_outside_leeway == 0


async def test_same_credential_added_twice_is_the_same(product, new_manager, consent):
    """A refresh token that another manager has added already counts here too, once it is added."""
    manager, other = new_manager(product), new_manager(product)
    await manager.add("acme", refresh_token=consent(manager))
    await manager.token("acme")
    second = consent(manager)
    await other.add("acme", refresh_token=second)
    token = await other.token("acme")

    await manager.add("acme", refresh_token=second)

    assert await manager.token("acme") == token


async def test_aclose_waits_for_the_exchange_under_way(atlassian, new_manager, enrol, at_once):
    """Closing a manager in mid-exchange waits until the new pair is saved."""
    manager = await enrol(new_manager("data_center"))
    gate = atlassian.hold("token")
    ended = []

    async def close():
        await manager.aclose()
        ended.append("closed")

    async def close_meanwhile():
        group.start_soon(close)
        for _ in range(3):  # time enough for closing, if it did not wait
            await manager.status("acme")
        ended.append("answered")

    async with anyio.create_task_group() as group:
        token = await at_once(manager.token("acme"), gate, close_meanwhile)

    assert ended == ["answered", "closed"]
    assert manager.peek("acme") == token


async def test_aclose_cuts_off_no_late_caller(
    atlassian, atlassian_server, atlassian_clock, store, enrol, rotate_unsaved
):
    """An exchange that begins while a manager is being closed keeps its connection."""
    grant = data_center_grant(atlassian, atlassian_server.urls)
    manager = TokenManager(grant, store=store, clock=atlassian_clock)
    await enrol(manager, "acme", "other")
    await rotate_unsaved(manager)
    saving, answering = store.hold("put"), atlassian.hold("token")
    tokens = []

    async def ask():
        tokens.append(await manager.token("other"))

    async with anyio.create_task_group() as group:
        group.start_soon(manager.aclose)
        await saving.arrived()
        group.start_soon(ask)
        await answering.arrived()
        saving.open()
        for _ in range(3):  # time enough for closing, if it did not wait
            await manager.status("other")
        answering.open()

    assert tokens == [manager.peek("other")]
    assert len(atlassian.token_requests) == 2
