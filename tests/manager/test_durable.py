"""A token is durable before a caller sees it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    CredentialState,
    Settings,
    StoreError,
    TokenManager,
    TransientError,
)
from atlassian_auth.events import RotationUnsaved
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    Fault,
    jira_software_grant,
)
from tests.manager.scene import (
    _code,
    names,
    without_refresh_token,
)

pytestmark = pytest.mark.every_loop


async def test_the_new_pair_is_durable_before_it_is_seen(acme, watched):
    """No caller gets a new access token before the refresh token that came with it is stored."""
    seen = []

    async def look() -> None:
        seen.append(acme.peek("acme"))

    watched.before_put = look
    token = await acme.token("acme")

    assert seen == [None]
    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value


@pytest.mark.parametrize("moment", ["put", "after put"])
async def test_a_hiccup_of_the_store_is_survived(acme, watched, atlassian, moment):
    """A save that fails once is repeated, even if the first one was stored after all."""
    watched.failures[moment] = 1

    token = await acme.token("acme")

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert len(atlassian.token_requests) == 1


async def test_a_save_is_tried_with_longer_pauses(acme, watched, atlassian_clock):
    """Each pause between two attempts to save is twice as long as the one before."""
    began = atlassian_clock.time()
    watched.failures["put"] = 2

    await acme.token("acme")

    assert atlassian_clock.time() - began == 0.5 + 1


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_new_pair_replaces_no_newer_consent(manager_of, acme, watched, atlassian, attempts):
    """If a person consents again while a refresh is saved, the new consent stays, and is used."""
    consent, theirs = await _consent_elsewhere(acme, watched, atlassian)
    watched.before_put = lambda: watched.put("tokens", "acme", consent)

    manager = manager_of(store=watched, settings=Settings(attempts=attempts))

    assert await manager.token("acme") == theirs
    assert (await watched.get("tokens", "acme")).value == consent


async def test_a_new_pair_replaces_what_was_noted_meanwhile(acme, watched, atlassian):
    """If another process has noted something about the spent token, the new pair replaces it at once."""
    noted = (await watched.get("tokens", "acme")).value
    watched.before_put = lambda: watched.put("tokens", "acme", noted)

    token = await acme.token("acme")

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert len(atlassian.token_requests) == 1


async def test_a_second_attempt_replaces_no_newer_consent(acme, watched, atlassian):
    """A record that was read after a conflict may have changed too before it is replaced."""
    consent, theirs = await _consent_elsewhere(acme, watched, atlassian)
    noted = (await watched.get("tokens", "acme")).value

    async def note():
        await watched.put("tokens", "acme", noted)
        watched.before_put = lambda: watched.put("tokens", "acme", consent)

    watched.before_put = note

    assert await acme.token("acme") == theirs
    assert (await watched.get("tokens", "acme")).value == consent


async def test_a_key_that_is_forgotten_during_its_refresh(acme, watched):
    """If another process forgets the key meanwhile, the new pair does not bring it back."""
    watched.before_put = lambda: watched.delete("tokens", "acme")

    with pytest.raises(AuthorizationRequired, match="forgotten while its token was") as caught:
        await acme.token("acme")

    assert (caught.value.key, caught.value.reason) == ("acme", "missing")
    assert await acme.keys() == []


async def test_a_pair_that_was_only_read_is_put_back(manager_of, acme, watched, atlassian, caplog):
    """A process puts back the newest pair that it has seen in the store, also if another one saved it."""
    other = manager_of(store=watched)
    await other.token("acme")
    backup = (await watched.get("tokens", "acme")).value
    await acme.token("acme")
    watched.after_get = lambda: acme.refresh("acme")

    newer = await other.refresh("acme")
    await watched.put("tokens", "acme", backup)
    assert (await other.status("acme")).last_refreshed_at == newer.obtained_at
    await other.refresh("acme")

    assert newer == acme.peek("acme")
    assert atlassian.leeway_reuses == atlassian.reuses_outside_leeway == 0
    [logged] = [record for record in caplog.records if "has put it back" in record.msg]
    assert (logged.key, "of key 'acme';" in logged.getMessage()) == ("acme", True)


async def test_what_was_forgotten_is_not_put_back(manager_of, acme, watched):
    """After a process has seen that a key was forgotten, a restored backup counts as it is."""
    await acme.token("acme")
    backup = (await watched.get("tokens", "acme")).value
    await acme.refresh("acme")
    await manager_of(store=watched).forget("acme")
    with pytest.raises(AuthorizationRequired):
        await acme.refresh("acme")

    await watched.put("tokens", "acme", backup)

    assert (await acme.status("acme")).refresh_count == 1


async def test_an_unsaved_pair_replaces_no_newer_consent(acme, watched, atlassian):
    """If a person consents again while an unsaved pair is saved at last, the new consent stays."""
    consent, theirs = await _consent_elsewhere(acme, watched, atlassian)
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    watched.before_put = lambda: watched.put("tokens", "acme", consent)

    with pytest.raises(StoreError):
        await acme.refresh("acme")

    assert (await watched.get("tokens", "acme")).value == consent
    assert await acme.token("acme") == theirs
    await acme.save("acme", await acme.reveal_pair("acme"))
    assert acme._parts.repository._unsaved == {}


async def _consent_elsewhere(manager, store, atlassian):
    """Return the record of another consent, and its token."""
    await manager.add("other", refresh_token=atlassian.issue_grant().refresh_token)
    token = await manager.token("other")
    return (await store.get("tokens", "other")).value, token


async def test_a_failure_replaces_no_newer_record(acme, watched, atlassian, caplog):
    """If another process has saved the credential meanwhile, this one's failure is not noted in it."""
    newer = (await watched.get("tokens", "acme")).value
    watched.before_put = lambda: watched.put("tokens", "acme", newer)
    atlassian.fault("token", Fault.status(503), times=None)

    with pytest.raises(TransientError):
        await acme.token("acme")

    assert (await watched.get("tokens", "acme")).value == newer
    assert "The status of key 'acme' could not be saved" in caplog.text


@pytest.mark.parametrize("kind", [OSError, ConfigurationError])
async def test_an_unsaved_pair_is_kept_and_saved_first(acme, watched, atlassian, told, kind):
    """If a new pair cannot be saved, callers get a StoreError, and the next call saves the pair first."""
    watched.failures["put"], watched.raises = 3, kind

    with pytest.raises(StoreError, match="kept in memory") as caught:
        await acme.token("acme")
    assert acme.peek("acme") is None
    token = await acme.token("acme")

    await acme.keys()
    [unsaved] = [event for event in told if isinstance(event, RotationUnsaved)]
    assert (unsaved.key, unsaved.at) == ("acme", atlassian.clock.now())
    assert str(caught.value).startswith(unsaved.reason)
    assert names(told) == [
        "RefreshStarted",
        "RotationUnsaved",
        "RefreshFailed",
        "RefreshStarted",
        "TokenAdopted",
    ]
    assert len(atlassian.token_requests) == 1
    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert "secret-" not in str(caught.value)


async def test_a_store_that_was_set_up_wrongly(acme, watched, atlassian_clock):
    """The store's own ConfigurationError is raised, unless a valid token is in the cache."""
    watched.failures["get"], watched.raises = 2, ConfigurationError
    with pytest.raises(ConfigurationError, match=r"^get$"):
        await acme.token("acme")
    atlassian_clock.advance(Settings().configuration_backoff_seconds)
    token = await acme.token("acme")
    watched.failures = {"get": 99}
    atlassian_clock.advance(token.lifetime - timedelta(seconds=5))

    assert await acme.token("acme") == token  # still valid for a moment
    with pytest.raises(ConfigurationError, match=r"^get$"):
        await acme.status("acme")


@pytest.mark.parametrize("action", ["put", "release"])
async def test_a_store_that_was_set_up_wrongly_hides_no_error(acme, watched, atlassian, action):
    """If the store also fails to save the status or to release the lock, the first error is raised."""
    atlassian.fault("token", Fault.status(503), times=3)
    watched.failures[action], watched.raises = 1, ConfigurationError

    with pytest.raises(TransientError):
        await acme.token("acme")


async def test_an_unsaved_pair_may_be_served(manager_of, watched, atlassian):
    """``unsaved="serve"`` hands the token out and saves the pair at the next chance: at closing."""
    manager = manager_of(store=watched, settings=Settings(unsaved="serve"))
    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    watched.failures["put"] = 3

    token = await manager.token("acme")
    assert manager.peek("acme") == token
    assert (await manager.status("acme")).refresh_count == 1
    await manager.aclose()

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value


async def test_an_unsaved_pair_yields_to_what_was_stored_meanwhile(acme, watched, atlassian):
    """If another process has stored another refresh token meanwhile, the stored one counts."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    other = TokenManager(acme.grant, store=watched, clock=atlassian.clock)
    await other.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    stored = await other.token("acme")

    assert await acme.token("acme") == stored


async def test_an_unsaved_consent_yields_to_one_stored_meanwhile(acme, watched, atlassian):
    """If this process cannot save a first consent, and another one stores one meanwhile, that one counts."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.authorize("fresh", _code(atlassian, acme))
    other = TokenManager(acme.grant, store=watched, clock=atlassian.clock)
    await other.authorize("fresh", _code(atlassian, other))

    assert await acme.token("fresh") == await other.token("fresh")


async def test_a_consent_that_was_saved_late_is_not_put_back(acme, watched, atlassian):
    """If another process forgets a consent that this one has saved at last, it stays forgotten."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.authorize("fresh", _code(atlassian, acme))
    token = await acme.token("fresh")
    await watched.delete("tokens", "fresh")

    with pytest.raises(AuthorizationRequired):
        await acme.token("fresh", rejected=token)

    assert await watched.get("tokens", "fresh") is None


@pytest.mark.parametrize("faults", [[], [Fault.edited(without_refresh_token)]], ids=len)
async def test_an_unsaved_consent_outlives_a_change_of_status(acme, watched, atlassian, faults):
    """If a process only wrote the old record again meanwhile, a new consent that waits to be saved counts."""
    for fault in faults:
        atlassian.fault("token", fault)
    await acme.authorize("acme", _code(atlassian, acme))
    old = await acme.token("acme")
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.authorize("acme", _code(atlassian, acme))
    await watched.put("tokens", "acme", (await watched.get("tokens", "acme")).value)

    token = await acme.token("acme", rejected=old)

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert atlassian.count("token") == atlassian.count("token", grant_type="authorization_code")


async def test_an_unsaved_pair_counts_whatever_the_clock_says(acme, watched, atlassian):
    """An unsaved pair is newer than the stored one, even if the clock was set back."""
    await acme.token("acme")
    watched.failures["put"] = 3
    atlassian.clock.move_to(atlassian.clock.now() - timedelta(minutes=2))
    with pytest.raises(StoreError):
        await acme.refresh("acme")

    token = await acme.token("acme", rejected=acme.peek("acme"))

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert len(atlassian.token_requests) == 2


async def test_an_unsaved_pair_is_not_saved_for_a_forgotten_key(acme, watched):
    """If the credential was forgotten meanwhile, it stays forgotten."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    await watched.delete("tokens", "acme")

    await acme.aclose()

    assert (await acme.status("acme")).state is CredentialState.NEW


async def test_an_unsaved_refusal_is_not_saved_for_a_forgotten_key(acme, watched, atlassian):
    """A refusal that could not be saved does not bring a forgotten credential back."""
    atlassian.revoke_grant((await acme.token("acme")).access_token)
    watched.failures["put"] = 1
    with pytest.raises(AuthorizationRequired):
        await acme.refresh("acme")
    await watched.delete("tokens", "acme")

    assert (await acme.status("acme")).state is CredentialState.NEW


async def test_closing_says_if_something_is_still_unsaved(acme, watched):
    """``aclose`` does not hide that a pair could not be saved; once it can be, it is."""
    watched.failures["put"] = 4
    with pytest.raises(StoreError):
        await acme.token("acme")

    with pytest.raises(StoreError):
        await acme.aclose()
    await acme.aclose()

    assert (await acme.status("acme")).refresh_count == 1


async def test_a_change_of_the_record_during_the_exchange(acme, watched):
    """If the record changed during the exchange but not its refresh token, the new pair is saved."""
    record = (await watched.get("tokens", "acme")).value

    async def touch() -> None:
        await MemoryStore.put(watched, "tokens", "acme", record)

    watched.before_put = touch
    token = await acme.token("acme")

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value


async def test_another_credential_stored_during_the_exchange(acme, watched, manager_of, atlassian):
    """If the key got another refresh token during the exchange, that one counts."""
    other = manager_of(store=watched)
    await other.add("other", refresh_token=atlassian.issue_grant().refresh_token)
    winner = await other.token("other")
    record = (await watched.get("tokens", "other")).value

    async def replace() -> None:
        await MemoryStore.put(watched, "tokens", "acme", record)

    watched.before_put = replace

    assert await acme.token("acme") == winner


async def test_forgetting_wins_over_a_refresh(acme, watched):
    """A record that was deleted during its refresh is not brought back."""

    async def delete() -> None:
        await watched.delete("tokens", "acme")

    watched.before_put = delete

    with pytest.raises(AuthorizationRequired, match="forgotten"):
        await acme.token("acme")
    assert await acme.keys() == []


async def test_a_forgetting_that_fails_forgets_nothing(acme, watched):
    """If a credential cannot be deleted, the pair that waits to be saved is still kept."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    watched.failures["delete"] = 1

    with pytest.raises(StoreError):
        await acme.forget("acme")

    assert (await acme.token("acme")).access_token
    assert await acme.forget("acme") is True


async def test_an_unsaved_pair_is_not_seen_without_the_lock(acme, watched):
    """An unsaved pair is not handed out if the lock cannot be taken either."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    watched.locked_by_others = True

    with pytest.raises(TransientError):
        await acme.token("acme")
    watched.locked_by_others = False  # closing saves it


async def test_an_unsaved_pair_is_not_a_forked_childs_to_save(acme, watched):
    """A forked child drops the unsaved pair of its parent, which saves it itself."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")

    acme._calls._guard.after_fork_in_child()
    await acme.aclose()

    assert (await acme.status("acme")).refresh_count == 0


async def test_unsaved_client_credentials_are_no_trouble(manager_of, watched, atlassian, caplog):
    """A 2LO token that cannot be saved is served all the same: nothing is lost."""
    manager = manager_of(jira_software_grant(atlassian), store=watched)
    watched.failures["put"] = 3

    token = await manager.token("ci")

    assert token == manager.peek("ci")
    assert [record.key for record in caplog.records if "be saved" in record.msg] == ["ci"]
    await manager.aclose()
    assert await watched.get("tokens", "ci") is None
