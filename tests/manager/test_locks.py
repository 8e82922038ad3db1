"""The store's lock."""

from __future__ import annotations

import contextlib

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    CloudGrant,
    ConfigurationError,
    Settings,
    StoreError,
    TransientError,
)
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.events import TokenAdopted
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    cloud_grant,
    data_center_grant,
    jira_software_grant,
)

pytestmark = pytest.mark.every_loop


async def test_without_the_lock_nothing_is_presented(acme, watched, atlassian):
    """If the lock is not free in time, a TransientError is raised and no refresh token is sent."""
    watched.locked_by_others = True

    with pytest.raises(TransientError, match="for key 'acme' was held by others for 60 seconds"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_without_the_lock_a_newer_token_is_adopted(manager_of, acme, watched):
    """If the process that holds the lock has stored a newer token, that token is used."""
    token = await manager_of(store=watched).token("acme")
    watched.locked_by_others = True

    assert await acme.token("acme") == token


async def test_a_token_saved_while_the_lock_was_waited_for(manager_of, acme, watched):
    """If the wait for the lock times out, a token that its holder has saved meanwhile is used."""
    before = (await watched.get("tokens", "acme")).value
    token = await acme.token("acme")
    after = (await watched.get("tokens", "acme")).value
    await watched.put("tokens", "acme", before)
    other = manager_of(store=watched)
    watched.locked_by_others = True

    async def save() -> None:
        await MemoryStore.put(watched, "tokens", "acme", after)

    watched.after_get = save

    assert await other.token("acme") == token
    watched.locked_by_others = False


async def test_what_was_forgotten_meanwhile_leaves_the_cache(manager_of, acme, watched):
    """A token adopted without the lock is not kept if its credential is forgotten at that moment."""
    token = await manager_of(store=watched).token("acme")
    watched.locked_by_others = True

    async def forget() -> None:
        watched.locked_by_others = False
        await acme.forget("acme")

    watched.after_get = forget

    assert await acme.token("acme") == token
    assert acme.peek("acme") is None


async def test_other_changes_wait_for_the_lock_too(acme, watched, atlassian):
    """Without the lock nothing is added, authorized, forgotten or flushed either."""
    watched.locked_by_others = True
    changes = [
        acme.add("acme", refresh_token=atlassian.issue_grant().refresh_token),
        acme.authorize("acme", "code"),
        acme.forget("acme"),
    ]

    for change in changes:
        with pytest.raises(TransientError, match="nothing was changed"):
            await change

    assert atlassian.token_requests == ()


async def test_a_lock_that_was_lost_is_taken_again(acme, watched, atlassian):
    """If the lock was lost before the refresh token is presented, the record is read anew under another."""
    watched.held = [False, True]
    before = watched.locked

    assert (await acme.token("acme")).access_token

    assert watched.locked - before == 2
    assert atlassian.count("token") == 1


async def test_a_stale_holder_presents_nothing(manager_of, acme, watched, atlassian):
    """If another process has refreshed while this one stood still, its token is adopted."""
    other = manager_of(store=watched)
    won, stood_still = [], []

    async def confirm(seconds=0):
        if stood_still:
            return True
        stood_still.append(seconds)
        won.append(await other.token("acme"))
        return False

    watched.confirm = confirm
    watched.lock = unguarded(watched)

    assert await acme.token("acme") == won[0]
    assert atlassian.count("token") == 1


def unguarded(store):
    """Return a lock of the store that a lease has ended of: it excludes no other process."""

    @contextlib.asynccontextmanager
    async def lock(_namespace, _key, *, timeout_seconds):
        assert timeout_seconds
        yield store

    return lock


async def test_a_refresh_that_a_pasted_token_overtakes(manager_of, acme, watched, atlassian):
    """A pair that was not saved, because a token was pasted meanwhile, is not seen; that token is next."""
    other, pasted = manager_of(store=watched), atlassian.issue_grant().refresh_token
    watched.lock = unguarded(watched)

    async def paste():
        await other.add("acme", refresh_token=pasted)

    watched.before_put = paste

    token = await acme.token("acme")

    assert atlassian.family_of(token.access_token) is atlassian.family_of(pasted)
    assert acme.peek("acme") == token
    stored = await Records(watched, "tokens", TokenRecord).get("acme")
    assert stored.value.token.access_token == token.access_token


async def test_a_lock_that_is_always_lost_is_an_error(acme, watched, atlassian):
    """A lock that does not last is a transient error that says so; nothing was presented."""
    watched.held = [False, False]

    with pytest.raises(TransientError, match="key 'acme' was lost while it was held"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_a_lock_that_cannot_be_confirmed_is_an_error(acme, watched, atlassian):
    """If the store cannot say whether the lock is held, nothing is presented."""
    watched.failures["confirm"] = 1

    with pytest.raises(StoreError, match="could not confirm the lock"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_how_long_a_lock_is_to_last(manager_of, watched, atlassian):
    """For a server without a leeway, the lock is extended to `standstill_seconds`."""

    class Brief(CloudGrant):
        reuse_leeway_seconds = 76.0

    settings = Settings(standstill_seconds=77)
    cloud = cloud_grant(atlassian)
    brief = Brief(
        client_id=cloud.client_id,
        client_secret=atlassian.cloud_app.client_secret,
        redirect_uri=cloud.redirect_uri,
        scopes=cloud.scopes,
    )
    for grant, app in (
        (cloud, atlassian.cloud_app),
        (data_center_grant(atlassian), atlassian.data_center_app),
        (brief, atlassian.cloud_app),
        (jira_software_grant(atlassian), None),
    ):
        manager = manager_of(grant, store=watched, settings=settings)
        key = type(grant).__name__
        if app is not None:
            await manager.add(key, refresh_token=atlassian.issue_grant(app).refresh_token)
        await manager.token(key)
    await manager.refresh(key)

    assert watched.confirmed == [
        0,
        77,
        77,
    ]  # client credentials need no lock, also if a token is stored


async def test_a_token_of_another_process_is_taken_without_the_lock(
    manager_of, acme, watched, atlassian, told
):
    """In a fleet only the process that refreshes takes the store's lock."""
    token = await acme.token("acme")
    locked = watched.locked
    other = manager_of(store=watched)
    got = []

    async def ask() -> None:
        got.append(await other.token("acme"))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(ask)

    assert got == [token] * 100
    assert watched.locked == locked
    await other.keys()
    adopted = TokenAdopted(key="acme", at=atlassian.clock.now(), expires_at=token.expires_at)
    assert told[-1] == adopted
    assert atlassian.count("token") == 1


async def test_another_apps_token_is_not_taken(manager_of, acme, watched, atlassian):
    """A key that holds another app's credential is an error, with the lock or without it."""
    await acme.token("acme")
    other = manager_of(
        cloud_grant(atlassian, app=atlassian.register_cloud_app("another-app")), store=watched
    )

    with pytest.raises(ConfigurationError, match="Key 'acme' holds a credential"):
        await other.token("acme")
    watched.locked_by_others = True
    with pytest.raises((ConfigurationError, TransientError)):
        await other.token("acme")
    watched.locked_by_others = False
