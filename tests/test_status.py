"""The five states of a credential, with their reasons and dates."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from atlassian_auth import (
    CloudGrant,
    ConfigurationError,
    CredentialState,
    Settings,
    StoreError,
    TokenManager,
    TokenStatus,
    TransientError,
)
from atlassian_auth._tokens.records.pending import mark_of
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Fault, cloud_grant, jira_software_grant

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TINY = timedelta(milliseconds=1)


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def manager(atlassian, atlassian_clock, store):
    return TokenManager(
        cloud_grant(atlassian), store=store, clock=atlassian_clock, jitter=lambda: 0.0
    )


async def consent(manager, atlassian, key="acme"):
    flow = AuthorizationFlow(manager)
    request = await flow.start(key, started_by=None)
    return await flow.complete(atlassian.browse(request.url), started_by=None)


async def test_new(manager):
    """If nothing is stored, the reason says what to do, and there are no dates."""
    status = await manager.status("acme")

    assert status.state is CredentialState.NEW
    assert status.reason == "Nothing is stored: authorize it, or add a refresh token."
    assert (status.refresh_status, status.refresh_status_since) == (TokenStatus.UNKNOWN, None)
    assert (status.authorized_at, status.access_expires_at, status.inactive_by) == (None,) * 3
    assert not status.refreshable


async def test_pending_at_the_consent_page(manager, atlassian_clock):
    """A login may be completed within ten minutes; after that the state is NEW again."""
    flow = AuthorizationFlow(manager)
    await flow.start("another", started_by=None)
    await flow.start("acme", started_by=None)
    atlassian_clock.advance(60)
    last = await flow.start("acme", started_by=None)

    status = await manager.status("acme")
    atlassian_clock.advance(600)

    assert (status.key, status.state) == ("acme", CredentialState.PENDING)
    assert last.expires_at.isoformat(timespec="minutes") in status.reason
    ended = await manager.status("acme")
    assert (ended.key, ended.state) == ("acme", CredentialState.NEW)


class Counting(MemoryStore):
    """A store that counts the logins that are read."""

    read = 0

    async def get(self, namespace, key):
        self.read += namespace == "flows"
        return await super().get(namespace, key)


@pytest.mark.parametrize(("begun", "read"), [(0, 0), (1, 1), (32, 32), (33, 32)])
async def test_the_logins_of_others_are_not_read(manager, atlassian_clock, begun, read):
    """However many logins there are, only the key's own are read, and at most 32 of them."""
    store = Counting(clock=atlassian_clock)
    manager = TokenManager(manager.grant, store=store, clock=atlassian_clock)
    flow = AuthorizationFlow(manager)
    for number in range(40):
        await flow.start(f"other-{number}", started_by=None)
    for _ in range(begun):
        await flow.start("acme", started_by=None)

    status = await manager.status("acme")

    assert status.state is (CredentialState.PENDING if begun else CredentialState.NEW)
    assert store.read == read


class Forgetful(MemoryStore):
    """A store that another process empties between two looks."""

    async def get(self, namespace, key):
        return None if namespace == "flows" else await super().get(namespace, key)


async def test_a_login_that_ends_while_it_is_looked_for(manager, atlassian_clock):
    """A login whose callback arrives at that moment in another process is none any more."""
    store = Forgetful(clock=atlassian_clock)
    manager = TokenManager(manager.grant, store=store, clock=atlassian_clock)
    await AuthorizationFlow(manager).start("acme", started_by=None)

    assert (await manager.status("acme")).state is CredentialState.NEW


async def test_a_damaged_login_is_passed_over(manager, store, atlassian_clock, caplog):
    """A login that cannot be read is logged and left as it is; the key's other login counts."""
    flow = AuthorizationFlow(manager)
    await flow.start("acme", started_by=None)
    (name,) = await store.keys("flows")
    await store.put("flows", name, b"[" * 100_000)
    alone = await manager.status("acme")
    atlassian_clock.advance(60)
    good = await flow.start("acme", started_by=None)

    status = await manager.status("acme")

    assert (alone.state, status.state) == (CredentialState.NEW, CredentialState.PENDING)
    assert good.expires_at.isoformat(timespec="minutes") in status.reason
    assert caplog.text.count("A stored login was skipped") == 2
    assert (await store.get("flows", name)).value == b"[" * 100_000


async def test_a_login_that_only_looks_like_ones_own(manager, store):
    """If two keys have the same mark, the record says whose login it is."""
    await AuthorizationFlow(manager).start("other", started_by=None)
    (name,) = await store.keys("flows")
    value = (await store.get("flows", name)).value
    await store.put("flows", mark_of("acme") + name[17:], value)

    assert (await manager.status("acme")).state is CredentialState.NEW


async def test_pending_until_the_pasted_token_is_used(manager, atlassian):
    """An added refresh token is PENDING until its first refresh succeeds."""
    added = await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    await manager.token("acme")
    used = await manager.status("acme")

    assert (added.state, used.state) == (CredentialState.PENDING, CredentialState.READY)
    assert added.reason == "A refresh token was added; it has not been used yet."
    assert used.reason is None


async def test_no_limit_is_stated_that_is_not_known(manager, atlassian, atlassian_clock):
    """The date of an added refresh token's consent is unknown, and none is made up."""
    refresh_token = atlassian.issue_grant().refresh_token
    added = await manager.add("acme", refresh_token=refresh_token)
    await manager.token("acme")
    used = await manager.status("acme")

    assert (added.authorized_at, added.consent_expires_at, added.inactive_by) == (None, None, None)
    assert (used.authorized_at, used.consent_expires_at) == (None, None)
    assert used.inactive_by == atlassian_clock.now() + 90 * DAY


async def test_the_date_of_a_consent_elsewhere(manager, atlassian, atlassian_clock):
    """The absolute limit counts from ``authorized_at``, which may be given at a later start."""
    consented_at = atlassian_clock.now() - 100 * DAY
    refresh_token = atlassian.issue_grant().refresh_token
    await manager.add("acme", refresh_token=refresh_token)
    await manager.token("acme")

    told = await manager.add("acme", refresh_token=refresh_token, authorized_at=consented_at)
    untold = await manager.add("acme", refresh_token=refresh_token)

    assert told == untold == await manager.status("acme")
    assert told.authorized_at == consented_at
    assert told.consent_expires_at == consented_at + 365 * DAY
    assert (told.refresh_count, told.state) == (1, CredentialState.READY)


@pytest.mark.parametrize("wrong", ["naive", "text", "future"])
async def test_an_impossible_date_of_a_consent(manager, atlassian_clock, wrong):
    """An ``authorized_at`` that is no past datetime with a time zone is refused before anything is stored."""
    values = {
        "naive": atlassian_clock.now().replace(tzinfo=None),
        "text": "2026-01-01",
        "future": atlassian_clock.now() + timedelta(seconds=1),
    }

    with pytest.raises(ConfigurationError, match="authorized_at") as caught:
        await manager.add("acme", refresh_token="token", authorized_at=values[wrong])

    assert caught.value.argument == "authorized_at"
    assert await manager.keys() == []


async def test_no_person_consents_to_client_credentials(atlassian, atlassian_clock):
    """Client credentials need no consent, so they have no date of one."""
    manager = TokenManager(jira_software_grant(atlassian), clock=atlassian_clock)
    await manager.token()

    assert (await manager.status()).authorized_at is None
    await manager.aclose()


async def test_ready_though_the_access_token_has_ended(manager, atlassian, atlassian_clock):
    """A credential that can be refreshed is READY; a refresh moves two of its dates, not the consent's."""
    consented = (await consent(manager, atlassian)).status
    atlassian_clock.advance(30 * DAY)
    idle = await manager.status("acme")
    await manager.token("acme")
    refreshed = await manager.status("acme")

    assert consented.state is idle.state is refreshed.state is CredentialState.READY
    assert idle.access_expires_at < idle.authorized_at + 30 * DAY
    assert idle.inactive_by == idle.authorized_at + 90 * DAY
    assert refreshed.inactive_by == idle.inactive_by + 30 * DAY
    assert (
        refreshed.consent_expires_at
        == consented.consent_expires_at
        == idle.authorized_at + 365 * DAY
    )


async def test_ready_whatever_happens_to_the_access_token(atlassian, atlassian_clock):
    """Client credentials are refreshed without a refresh token."""
    manager = TokenManager(jira_software_grant(atlassian), clock=atlassian_clock)
    await manager.token()
    atlassian_clock.advance(30 * DAY)

    status = await manager.status()

    assert (status.state, status.refreshable) == (CredentialState.READY, False)
    assert (status.inactive_by, status.consent_expires_at) == (None, None)


async def test_degraded(manager, atlassian, atlassian_clock):
    """A credential whose refresh failed is DEGRADED, with the reason; also one that was just added."""
    await consent(manager, atlassian)
    await manager.add("pasted", refresh_token=atlassian.issue_grant().refresh_token)
    atlassian_clock.advance(HOUR)
    for key in ("acme", "pasted"):
        atlassian.fault("token", Fault.status(503), times=3)
        with pytest.raises(TransientError):
            await manager.token(key)

    statuses = [await manager.status(key) for key in ("acme", "pasted")]

    assert {status.state for status in statuses} == {CredentialState.DEGRADED}
    assert all("503" in status.reason for status in statuses)


async def test_reauthorize_after_a_refusal(manager, atlassian, atlassian_clock):
    """After a refusal a person has to authorize again, and the reason quotes the server."""
    result = await consent(manager, atlassian)
    atlassian.revoke_grant((await manager.token(result.key)).access_token)
    atlassian_clock.advance(HOUR)
    with pytest.raises(Exception, match="authorize"):
        await manager.token("acme")

    status = await manager.status("acme")

    assert (status.state, status.refreshable) == (CredentialState.REAUTHORIZE, False)
    assert "refused" in status.reason


@pytest.mark.parametrize(
    ("idle", "state"),
    [
        (90 * DAY - TINY, CredentialState.READY),
        (90 * DAY, CredentialState.REAUTHORIZE),
        (90 * DAY + TINY, CredentialState.REAUTHORIZE),
    ],
)
async def test_reauthorize_after_a_limit(manager, atlassian, atlassian_clock, idle, state):
    """After a limit the consent has most likely ended."""
    await consent(manager, atlassian)
    atlassian_clock.advance(idle)

    assert (await manager.status("acme")).state is state


async def test_a_limit_stops_no_refresh(manager, atlassian, atlassian_clock):
    """A credential that is refreshed after its absolute limit is READY: the limit was wrong."""
    patient = Settings(inactivity_limit=DAY)
    hasty = TokenManager(
        manager.grant, store=manager.store, clock=atlassian_clock, settings=patient
    )
    await consent(hasty, atlassian)
    atlassian_clock.advance(2 * DAY)

    before = await hasty.status("acme")
    await hasty.token("acme")
    after = await hasty.status("acme")

    assert (before.state, before.refreshable) == (CredentialState.REAUTHORIZE, False)
    assert before.reason.endswith("a refresh is still tried when it is due.")
    assert (after.state, after.refreshable) == (CredentialState.READY, True)


async def test_reauthorize_without_a_refresh_token(atlassian, atlassian_clock, store):
    """Without a refresh token a person has to authorize again as soon as the access token has expired."""
    app = atlassian.cloud_app
    grant = CloudGrant(
        client_id=app.client_id,
        client_secret=app.client_secret,
        redirect_uri=app.redirect_uri,
        scopes="read:me",
        offline_access=False,
    )
    manager = TokenManager(grant, store=store, clock=atlassian_clock)
    at_first = (await consent(manager, atlassian)).status
    atlassian_clock.advance(HOUR)

    status = await manager.status("acme")

    assert (at_first.state, status.state) == (CredentialState.READY, CredentialState.REAUTHORIZE)
    assert status.reason.endswith("and no refresh token came with it.")


async def test_a_store_that_cannot_be_read(manager):
    """A status is never guessed."""

    class Broken(MemoryStore):
        async def get(self, namespace, key):
            raise OSError("broken")

    broken = TokenManager(manager.grant, store=Broken())
    with pytest.raises(StoreError):
        await broken.status("acme")
    with anyio.CancelScope(shield=True):
        await broken.aclose()
