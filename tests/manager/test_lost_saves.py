"""A store that loses what it has saved."""

from __future__ import annotations

import pytest

from atlassian_auth import (
    AuthorizationRequired,
    CredentialState,
    StoreError,
    TransientError,
)
from atlassian_auth.testing import (
    Fault,
    jira_software_grant,
)
from tests.manager.scene import (
    HOUR,
    WatchedStore,
    _code,
    issue_without_rotation,
)


@pytest.mark.parametrize("knows", ["who refreshed", "who adopted it"])
@pytest.mark.parametrize("key", ["acme", "on-premise"])
async def test_a_store_that_lost_its_last_save(
    manager_of, cloud, data_center, atlassian, atlassian_clock, store, caplog, knows, key
):
    """After a failover or a restored backup, a process that has the newer pair in memory puts it back."""
    first = cloud if key == "acme" else data_center
    second = manager_of(first.grant)
    await first.token(key)
    await second.token(key)
    before = await store.get("tokens", key)
    atlassian_clock.advance(HOUR)
    await first.token(key)
    await second.token(key)

    await store.put("tokens", key, before.value)
    atlassian_clock.advance(HOUR)
    token = await (first if knows == "who refreshed" else second).token(key)

    assert atlassian.family_of(token.access_token).alive
    assert atlassian.reuses_outside_leeway == 0
    assert "had lost the last saved token" in caplog.text
    assert (await first.status(key)).refresh_count == 3


@pytest.mark.parametrize("missed", [1, 2, 3, 40])
@pytest.mark.parametrize("key", ["acme", "on-premise"])
async def test_a_backup_that_is_restored(
    manager_of, cloud, data_center, atlassian, atlassian_clock, store, key, missed
):
    """A process that knows the newest pair puts it back, however many refreshes the store has lost."""
    first = cloud if key == "acme" else data_center
    second = manager_of(first.grant)
    await first.token(key)
    backup = await store.get("tokens", key)
    for _ in range(missed):
        atlassian_clock.advance(HOUR)
        known = await first.token(key)
    assert await second.token(key) == known

    await store.put("tokens", key, backup.value)
    atlassian_clock.advance(HOUR)
    token = await second.token(key)

    assert atlassian.family_of(token.access_token).alive
    assert atlassian.reuses_outside_leeway == atlassian.leeway_reuses == 0
    assert (await second.status(key)).refresh_count == missed + 2


async def test_an_old_token_of_a_backup_is_not_adopted(
    cloud, atlassian, atlassian_clock, store, watched
):
    """``refresh`` after a restore is a refresh with the newest refresh token, not a step back."""
    await cloud.token("acme")
    backup = await store.get("tokens", "acme")
    await cloud.refresh("acme")
    newest = await cloud.refresh("acme")
    await store.put("tokens", "acme", backup.value)

    token = await cloud.refresh("acme")

    assert token != newest
    assert atlassian.count("token") == 4
    assert atlassian.leeway_reuses == 0


@pytest.mark.parametrize("way", ["a code", "a refresh token"])
async def test_a_newer_consent_outlives_a_restored_backup(
    manager_of, cloud, atlassian, atlassian_clock, store, way
):
    """A backup from before the consent was given again does not bring the old one back."""
    await cloud.token("acme")
    backup = await store.get("tokens", "acme")
    if way == "a code":
        await cloud.authorize("acme", _code(atlassian, cloud))
    else:
        await cloud.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    consent = atlassian.family_of((await cloud.token("acme")).access_token)

    await store.put("tokens", "acme", backup.value)
    atlassian_clock.advance(HOUR)

    assert atlassian.family_of((await cloud.token("acme")).access_token) is consent


async def test_a_backup_that_is_restored_after_a_failure(cloud, atlassian, atlassian_clock, store):
    """A refresh that failed meanwhile does not make a process forget the newest pair."""
    await cloud.token("acme")
    backup = await store.get("tokens", "acme")
    await cloud.refresh("acme")
    atlassian.fault("token", Fault.status(503), times=3)
    with pytest.raises(TransientError):
        await cloud.refresh("acme")

    await store.put("tokens", "acme", backup.value)
    atlassian_clock.advance(HOUR)
    token = await cloud.token("acme")

    assert atlassian.family_of(token.access_token).alive
    assert atlassian.leeway_reuses == atlassian.reuses_outside_leeway == 0


async def test_a_verdict_on_a_spent_token_is_none_on_its_successor(
    manager_of, cloud, atlassian, atlassian_clock, store
):
    """If a new process presented a restored, spent token, a process that knows better mends that."""
    await cloud.token("acme")
    backup = await store.get("tokens", "acme")
    atlassian_clock.advance(HOUR)
    await cloud.token("acme")
    await store.put("tokens", "acme", backup.value)
    atlassian_clock.advance(HOUR)
    atlassian.fault("token", Fault.json({"error": "invalid_grant"}, status=403))
    with pytest.raises(AuthorizationRequired):
        await manager_of().token("acme")

    assert atlassian.family_of((await cloud.token("acme")).access_token).alive


async def test_what_was_forgotten_is_not_put_back(manager_of, cloud, store):
    """A credential that was forgotten on purpose stays forgotten, whatever others know of it."""
    other = manager_of()
    await cloud.token("acme")
    await other.token("acme")
    await other.forget("acme")

    with pytest.raises(AuthorizationRequired):
        await cloud.refresh("acme")

    assert await store.keys("tokens") == []


async def test_a_server_that_does_not_rotate(manager_of, cloud, atlassian, atlassian_clock, caplog):
    """Nothing is put back over a newer access token or a verdict; a refused token is presented once."""
    other = manager_of()
    issue_without_rotation(atlassian, 4)
    await cloud.token("acme")
    for manager in (cloud, other, other):
        atlassian_clock.advance(HOUR)
        newest = await manager.token("acme")
    assert (await cloud.status("acme")).access_expires_at == newest.expires_at
    assert await cloud.token("acme") == newest

    atlassian_clock.advance(HOUR)
    atlassian.fault("token", Fault.json({"error": "invalid_grant"}, status=403))
    asked = atlassian.count("token")
    for manager in (other, cloud, cloud, other):
        with pytest.raises(AuthorizationRequired):
            await manager.token("acme")
        atlassian_clock.advance(HOUR)

    assert atlassian.count("token") == asked + 1
    assert (await cloud.status("acme")).state is CredentialState.REAUTHORIZE
    assert "had lost" not in caplog.text


async def test_an_unsaved_token_that_did_not_rotate_yields_to_a_newer_one(
    manager_of, acme, watched, atlassian, atlassian_clock
):
    """Without rotation, an unsaved token does not replace a token that was saved since."""
    issue_without_rotation(atlassian, 4)
    await acme.token("acme")
    atlassian_clock.advance(HOUR)
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    other = manager_of(store=watched)
    await other.token("acme")
    newest = await other.refresh("acme")

    await acme.aclose()

    assert newest.access_token.encode() in (await watched.get("tokens", "acme")).value


async def test_a_newer_consent_is_not_undone(manager_of, cloud, atlassian, atlassian_clock, store):
    """A stored pair of another consent counts, and is not replaced by the one in memory."""
    other = manager_of()
    await cloud.token("acme")
    added = atlassian.issue_grant()
    await other.add("acme", refresh_token=added.refresh_token)
    atlassian_clock.advance(HOUR)

    token = await cloud.token("acme")

    assert atlassian.family_of(token.access_token) is atlassian.family_of(added.refresh_token)


async def test_client_credentials_are_never_put_back(
    manager_of, atlassian, atlassian_clock, caplog
):
    """Tokens of client credentials are never put back: each one is as good as the last."""
    manager = manager_of(jira_software_grant(atlassian))
    for _ in range(3):
        await manager.token()
        atlassian_clock.advance(HOUR)

    assert "had lost" not in caplog.text
    assert atlassian.count("token") == 3


async def test_a_refused_token_is_not_presented_again(manager_of, atlassian, atlassian_clock):
    """Also not while the store is too ill to remember that it was refused."""
    watched = WatchedStore(atlassian_clock)
    manager = manager_of(store=watched)
    issued = atlassian.issue_grant()
    await manager.add("acme", refresh_token=issued.refresh_token)
    atlassian.revoke_grant(issued.refresh_token)
    watched.failures["put"] = 10**6

    for _ in range(5):
        with pytest.raises((AuthorizationRequired, StoreError)):
            await manager.token("acme")
        atlassian_clock.advance(HOUR)

    assert len(atlassian.token_requests) == 1
    assert (await manager.status("acme")).state is CredentialState.REAUTHORIZE
    watched.failures["put"] = 0
    with pytest.raises(AuthorizationRequired):
        await manager.token("acme")
    assert len(atlassian.token_requests) == 1
