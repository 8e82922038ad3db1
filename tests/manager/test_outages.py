"""The token endpoint is temporarily unavailable."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    Settings,
    StoreError,
    TokenResponseError,
    TokenStatus,
    TransientError,
    events,
)
from atlassian_auth.ports import utc_at
from atlassian_auth.testing import (
    Fault,
    jira_software_grant,
)
from tests.manager.scene import (
    HOUR,
    TINY,
    names,
)

pytestmark = pytest.mark.every_loop


async def test_failure_is_shared(cloud, atlassian, atlassian_clock):
    """A thousand callers make one exchange's attempts, and each gets an exception of its own."""
    atlassian.fault("token", Fault.status(503), times=None)
    caught = []

    async def ask() -> None:
        try:
            await cloud.token("acme")
        except TransientError as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(1_000):
            tasks.start_soon(ask)
    await ask()

    assert len(atlassian.token_requests) == 3
    assert len({id(error) for error in caught}) == 1_001
    assert caught[-1].retry_after_seconds == 1


async def test_client_credentials_in_an_outage(manager_of, atlassian, atlassian_clock):
    """If the first token cannot be obtained, a TransientError is raised and nothing is stored."""
    manager = manager_of(jira_software_grant(atlassian))
    atlassian.fault("token", Fault.status(503), times=3)

    with pytest.raises(TransientError):
        await manager.token()
    assert await manager.keys() == []
    atlassian_clock.advance(1)

    assert (await manager.token()).access_token


async def test_it_heals_by_itself(cloud, atlassian, atlassian_clock, told):
    """After the backoff the next call tries again and succeeds."""
    atlassian.fault("token", Fault.status(503), times=3)
    with pytest.raises(TransientError):
        await cloud.token("acme")
    assert (await cloud.status("acme")).refresh_status is TokenStatus.RECOVERABLE

    atlassian_clock.advance(1)
    await cloud.token("acme")

    assert (await cloud.status("acme")).refresh_status is TokenStatus.VALID
    await cloud.keys()
    assert names(told) == ["RefreshStarted", "RefreshFailed", "RefreshStarted", "RefreshSucceeded"]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_success_ends_a_row_of_failures(
    manager_of, cloud, atlassian, atlassian_clock, elsewhere
):
    """After a refresh that succeeded, here or in another process, the next pause is the first one again."""

    async def fail():
        atlassian.fault("token", Fault.status(503), times=3)
        for _ in range(2):
            with pytest.raises(TransientError) as caught:
                await cloud.token("acme")
        return caught.value.retry_after_seconds

    assert await fail() == 1
    atlassian_clock.advance(1)
    await (manager_of() if elsewhere else cloud).token("acme")
    await cloud.token("acme")
    atlassian_clock.advance(HOUR)

    assert await fail() == 1


async def test_trouble_is_not_raised_while_the_token_is_valid(
    manager_of, cloud, atlassian, atlassian_clock, told
):
    """Within the buffer, a failing refresh is an event; at the expiry it becomes an error."""
    cloud = manager_of(settings=Settings(attempts=1))
    before = await cloud.token("acme")
    atlassian.fault("token", Fault.status(503), times=None)

    atlassian_clock.advance(HOUR - timedelta(seconds=9))
    assert await cloud.token("acme") == before
    assert await cloud.token("acme") == before  # during the pause
    atlassian_clock.move_to(before.expires_at - TINY)
    assert await cloud.token("acme") == before
    atlassian_clock.move_to(before.expires_at)
    with pytest.raises(TransientError):
        await cloud.token("acme")

    await cloud.keys()
    degraded = next(event for event in told if isinstance(event, events.Degraded))
    assert (degraded.key, degraded.expires_at) == ("acme", before.expires_at)


async def test_a_failure_ahead_of_time_raises_nothing(cloud, atlassian, atlassian_clock, told):
    """A refresh ahead of time that fails is not repeated before its pause has passed."""
    before = await cloud.token("acme")
    atlassian.fault("token", Fault.html(), times=None)

    atlassian_clock.advance(HOUR - timedelta(seconds=50))
    assert await cloud.token("acme") == before
    await _settled(cloud)
    assert await cloud.token("acme") == before
    await _settled(cloud)

    assert len(atlassian.token_requests) == 2
    await cloud.keys()
    assert names(told)[-2:] == ["RefreshFailed", "Degraded"]
    failed, degraded = told[-2:]
    assert (failed.key, failed.code, failed.duration_seconds) == ("acme", "token_response", 0)
    assert failed.at < failed.retry_at == utc_at(cloud._entry("acme").ahead_at)
    assert "login page" in failed.reason
    assert (degraded.at, degraded.reason) == (failed.at, failed.reason)


async def test_a_restart_within_the_buffer_is_no_trouble_either(
    manager_of, cloud, atlassian, atlassian_clock
):
    """A new process that finds a valid token and a failing server uses the token."""
    before = await cloud.token("acme")
    atlassian_clock.advance(HOUR - timedelta(seconds=5))
    atlassian.fault("token", Fault.status(503), times=3)

    assert await manager_of().token("acme") == before


async def test_a_rejected_token_is_not_served_in_trouble(cloud, atlassian):
    """A token that an API has refused is not returned again when the refresh fails."""
    token = await cloud.token("acme")
    atlassian.fault("token", Fault.status(503), times=3)

    with pytest.raises(TransientError):
        await cloud.token("acme", rejected=token)
    with pytest.raises(TransientError):
        await cloud.refresh("acme")
    assert cloud.peek("acme") == token


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(Fault.html(), TokenResponseError, id="html"),
        pytest.param(Fault.redirect("https://evil.example/"), TokenResponseError, id="redirect"),
        pytest.param(Fault.json([]), TokenResponseError, id="list"),
        pytest.param(Fault.oversized(), TokenResponseError, id="10-MB"),
        pytest.param(Fault.empty(), TokenResponseError, id="nothing"),
        pytest.param(Fault.refused_connection(), TransientError, id="unreachable"),
        pytest.param(
            Fault.json({"error": "access_denied"}, status=401), ConfigurationError, id="secret"
        ),
    ],
)
async def test_bad_answers_change_nothing(cloud, atlassian, watched, store, fault, expected):
    """A token endpoint that answers anything else is a clear error, and the grant lives on."""
    atlassian.fault("token", fault, times=3)
    with pytest.raises(expected):
        await cloud.token("acme")
    atlassian.clear_faults()
    atlassian.clock.advance(300)

    assert (await cloud.token("acme")).access_token


async def test_a_lost_answer_on_cloud(cloud, atlassian, atlassian_clock, told):
    """Cloud gives another pair for the same refresh token within its leeway: nothing is lost."""
    atlassian.fault("token", Fault.lost_answer())

    assert (await cloud.token("acme")).access_token
    assert (atlassian.leeway_reuses, atlassian.reuses_outside_leeway) == (1, 0)
    await cloud.keys()
    assert events.RequestRepeated(key="acme", at=atlassian_clock.now()) in told


async def test_a_lost_answer_on_data_center(data_center, atlassian):
    """Data Center has no leeway: asking once more is the only hope, and the error tells why it failed."""
    atlassian.fault("token", Fault.lost_answer())

    with pytest.raises(AuthorizationRequired, match="response to a request was lost"):
        await data_center.token("on-premise")

    assert len(atlassian.token_requests) == 2


async def test_a_lock_that_cannot_be_released_spoils_nothing(acme, watched, caplog):
    """If releasing the lock fails, the new token is still saved and returned."""
    watched.failures["release"] = 1

    assert (await acme.token("acme")).access_token
    assert "was not released" in caplog.text


@pytest.mark.parametrize("moment", ["get", "put"])
async def test_a_stray_cancellation_of_a_client_is_its_own(acme, watched, atlassian, moment):
    """A cancellation that escapes a store's client is a fault of the store, not of the refresh."""
    watched.failures[moment] = 1
    watched.raises = asyncio.CancelledError

    with contextlib.suppress(StoreError):
        await acme.token("acme")

    assert (await acme.token("acme")).access_token
    assert len(atlassian.token_requests) == 1


async def test_a_failing_store_is_an_error_and_heals(acme, watched, atlassian):
    """A store that cannot be read is a `StoreError`; no token is asked for on suspicion."""
    watched.failures["get"] = 2  # the look without the lock, and the one with it

    with pytest.raises(StoreError):
        await acme.token("acme")
    assert atlassian.token_requests == ()

    assert (await acme.token("acme")).access_token


async def _settled(manager):
    """Return when what the manager has started in the background is done."""
    while manager._calls._table.calls:
        await manager.keys()
