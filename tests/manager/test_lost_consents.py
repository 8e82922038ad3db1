"""A consent that the server has ended."""

from __future__ import annotations

import json
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    CredentialState,
    TokenManager,
    TokenStatus,
    TransientError,
)
from atlassian_auth.events import AuthorizationNeeded, KeepsFailing, RefreshFailed
from atlassian_auth.testing import (
    Fault,
)
from tests.manager.scene import (
    HOUR,
    _code,
    names,
    without_refresh_token,
)

pytestmark = pytest.mark.every_loop


@pytest.mark.parametrize("wording", ["invalid_grant", "unauthorized_client"])
async def test_a_lost_grant_is_said_once_and_remembered(
    manager_of, cloud, atlassian, told, wording
):
    """A refused refresh token ends the credential: no manager on this store presents it again."""
    atlassian.rules.dead_grant_error = wording
    token = await cloud.token("acme")
    atlassian.revoke_grant(token.access_token)

    for manager in (cloud, cloud, manager_of()):
        with pytest.raises(AuthorizationRequired) as caught:
            await manager.token("acme", rejected=token)
        assert (caught.value.key, caught.value.reason) == ("acme", "refused")

    assert len(atlassian.token_requests) == 2
    assert (await cloud.status("acme")).refresh_status is TokenStatus.UNRECOVERABLE
    await cloud.keys()
    [needed] = [event for event in told if isinstance(event, AuthorizationNeeded)]
    assert (needed.key, needed.at) == ("acme", atlassian.clock.now())
    assert needed.reason in str(caught.value)
    assert (needed.ended, caught.value.ended) == (None, None)
    assert {event.retry_at for event in told if isinstance(event, RefreshFailed)} == {None}


async def test_the_limit_that_ended_a_consent_is_named(cloud, atlassian, told):
    """If the refresh token was not used for ninety days, the error and the event say so."""
    await cloud.token("acme")
    atlassian.clock.advance(timedelta(days=91))

    with pytest.raises(AuthorizationRequired) as caught:
        await cloud.token("acme")

    await cloud.keys()
    [needed] = [event for event in told if isinstance(event, AuthorizationNeeded)]
    assert needed.ended == caught.value.ended == "inactivity"


async def test_a_lost_grant_serves_its_valid_token(cloud, atlassian, atlassian_clock):
    """After a consent is lost, its access token is used until it expires."""
    token = await cloud.token("acme")
    atlassian.revoke_grant(token.access_token)

    atlassian_clock.advance(HOUR - timedelta(seconds=9))

    assert await cloud.token("acme") == token


async def test_a_new_authorization_ends_the_loss(manager_of, cloud, atlassian):
    """After any process stores another refresh token, the credential works again."""
    token = await cloud.token("acme")
    atlassian.revoke_grant(token.access_token)
    with pytest.raises(AuthorizationRequired):
        await cloud.refresh("acme")

    await manager_of().add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert (await cloud.token("acme", rejected=token)).access_token


async def test_a_lost_race_is_not_a_lost_grant(acme, watched, atlassian, atlassian_clock):
    """If the store has another refresh token when one is refused, the stored one counts."""
    token = await acme.token("acme")
    spent = await acme.reveal_refresh_token("acme")
    fresh = atlassian.issue_grant()
    old_record = (await watched.get("tokens", "acme")).value
    new_record = old_record.replace(spent.encode(), fresh.refresh_token.encode())
    atlassian.revoke_grant(token.access_token)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acme.refresh, "acme")
        await gate.arrived()
        await watched.put("tokens", "acme", new_record)
        gate.open()

    assert (await acme.status("acme")).refresh_status is TokenStatus.VALID
    assert [entry.outcome for entry in atlassian.token_requests[-2:]] == ["invalid_grant", "ok"]


async def test_a_lost_race_adopts_the_winners_token(acme, watched, atlassian, atlassian_clock):
    """If the winner's access token is fresh too, it is taken without asking."""
    await acme.token("acme")
    other = TokenManager(acme.grant, store=watched, clock=atlassian_clock)
    issued = atlassian.issue_grant()
    await other.add("other", refresh_token=issued.refresh_token)
    winner = await other.token("other")
    record = (await watched.get("tokens", "other")).value
    atlassian_clock.advance(HOUR / 2)
    atlassian.revoke_grant((await acme.token("acme")).access_token)
    gate = atlassian.hold("token")
    got = []

    async def ask() -> None:
        got.append(await acme.token("acme", rejected=acme.peek("acme")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        await watched.put("tokens", "acme", record)
        gate.open()

    assert got == [winner]


async def test_a_forgotten_record_is_not_called_refused(acme, watched, atlassian):
    """If the record was deleted before its refresh token is refused, callers get AuthorizationRequired."""
    token = await acme.token("acme")
    atlassian.revoke_grant(token.access_token)
    gate = atlassian.hold("token")
    caught = []

    async def ask() -> None:
        try:
            await acme.refresh("acme")
        except AuthorizationRequired as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        await watched.delete("tokens", "acme")
        gate.open()

    [error] = caught
    assert (error.key, error.reason) == ("acme", "missing")
    assert "Unknown or invalid refresh token" in str(error)


async def test_an_outage_costs_no_consent(cloud, atlassian, atlassian_clock, told, caplog):
    """After seven days of failures one event asks for a person; refreshes go on, and one heals it."""
    began = atlassian_clock.now()
    atlassian.fault("token", Fault.status(503), times=1000)
    for _ in range(8 * 24):
        with pytest.raises(TransientError):
            await cloud.token("acme")
        atlassian_clock.advance(HOUR)
    failing = await cloud.status("acme")
    atlassian.clear_faults()

    token = await cloud.token("acme")

    assert failing.refresh_status is TokenStatus.UNRECOVERABLE
    assert failing.state is CredentialState.DEGRADED
    assert "2026-01-01" in failing.reason
    assert atlassian.family_of(token.access_token).alive
    assert (await cloud.status("acme")).state is CredentialState.READY
    [event] = [event for event in told if isinstance(event, KeepsFailing)]
    assert event.key == "acme"
    assert timedelta() <= event.since - began < HOUR
    assert timedelta(days=7) <= event.at - event.since < timedelta(days=7, hours=2)
    assert event.reason in failing.reason
    assert "503" in event.reason
    assert "AuthorizationNeeded" not in names(told)
    assert "Key 'acme': refreshes have failed since " in caplog.text


@pytest.mark.parametrize("trouble", ["outage", "offline", "wrong secret"])
async def test_silence_costs_no_consent(cloud, atlassian, atlassian_clock, trouble):
    """Two failures with weeks of silence between them are two failures; the next refresh succeeds."""
    faults = {
        "outage": (Fault.status(503), TransientError),
        "offline": (Fault.refused_connection(), TransientError),
        "wrong secret": (Fault.json({"error": "invalid_client"}, status=401), ConfigurationError),
    }
    fault, error = faults[trouble]
    for _ in range(2):
        atlassian.fault("token", fault, times=3)
        with pytest.raises(error):
            await cloud.token("acme")
        atlassian.clear_faults()
        atlassian_clock.advance(timedelta(days=30))

    assert (await cloud.status("acme")).refresh_status is TokenStatus.RECOVERABLE
    assert atlassian.family_of((await cloud.token("acme")).access_token).alive


async def test_a_credential_that_was_given_up_heals(cloud, atlassian, atlassian_clock, store):
    """A record that an earlier release has marked as lost because it was failing is tried again."""
    stored = json.loads((await store.get("tokens", "acme")).value)
    stored["record"] |= {"status": "unrecoverable", "ended": "failing", "failure": "HTTP 503"}
    for newer in ("failing_since", "last_failed_at", "consent", "spent"):
        del stored["record"][newer]
    await store.put("tokens", "acme", json.dumps(stored).encode())

    assert (await cloud.status("acme")).state is CredentialState.DEGRADED
    assert (await cloud.token("acme")).access_token
    assert (await cloud.status("acme")).state is CredentialState.READY


async def test_a_status_that_cannot_be_saved_is_decided_anew(acme, watched, atlassian, caplog):
    """If saving the status fails too, callers get the first error."""
    atlassian.fault("token", Fault.status(503), times=3)
    watched.failures["put"] = 1

    with pytest.raises(TransientError):
        await acme.token("acme")

    assert (await acme.status("acme")).refresh_status is TokenStatus.UNKNOWN
    assert "could not be saved" in caplog.text


async def test_nothing_stored(manager_of):
    """The error for a key that was never authorized says what to do."""
    with pytest.raises(AuthorizationRequired, match="authorize it once") as caught:
        await manager_of().token("acme")

    assert (caught.value.key, caught.value.reason) == ("acme", "missing")


async def test_no_refresh_token(manager_of, atlassian, atlassian_clock):
    """A credential without refresh token ends with its access token, and names offline_access."""
    manager = manager_of()
    atlassian.fault("token", Fault.edited(without_refresh_token))
    await manager.authorize("acme", _code(atlassian, manager))
    assert not (await manager.status("acme")).refreshable
    await manager.token("acme")

    atlassian_clock.advance(HOUR)
    with pytest.raises(AuthorizationRequired, match="offline_access") as caught:
        await manager.token("acme")

    assert (caught.value.key, caught.value.reason) == ("acme", "no_refresh_token")


async def test_a_refresh_token_that_is_not_rotated_stays(cloud, atlassian, atlassian_clock):
    """If an answer brings no refresh token, the one that was presented is kept."""
    await cloud.token("acme")
    atlassian.fault("token", Fault.edited(without_refresh_token))
    atlassian_clock.advance(HOUR)
    kept = await cloud.reveal_refresh_token("acme")

    await cloud.token("acme")

    assert await cloud.reveal_refresh_token("acme") == kept
