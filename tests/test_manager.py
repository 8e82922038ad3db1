"""Fresh tokens for keys: the promises of `TokenManager`, against an emulated Atlassian."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    CloudGrant,
    ConfigurationError,
    CredentialState,
    InlineRunner,
    Settings,
    StoreError,
    Token,
    TokenManager,
    TokenRejected,
    TokenResponseError,
    TokenStatus,
    TransientError,
    events,
)
from atlassian_auth._http.sender import HttpxSender
from atlassian_auth._records.records import Records, TokenRecord
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.testing import (
    Fault,
    Gate,
    cloud_grant,
    data_center_grant,
    jira_software_grant,
    service_account_grant,
)

pytestmark = pytest.mark.every_loop

HOUR = timedelta(hours=1)
TINY = timedelta(milliseconds=1)


@pytest.fixture
def told():
    return []


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def manager_of(atlassian, atlassian_clock, store, told):
    """Build managers of one service, on one store, and close them at the end."""
    opened = []

    def build(grant=None, **options):
        options = {
            "store": store,
            "clock": atlassian_clock,
            "on_event": told.append,
            "jitter": lambda: 0.0,
        } | options
        opened.append(TokenManager(grant or cloud_grant(atlassian), **options))
        return opened[-1]

    yield build
    atlassian_clock.advance(HOUR)  # whatever still hangs runs out of time
    for manager in opened:
        anyio.run(manager.aclose)


@pytest.fixture
def cloud(manager_of, atlassian):
    """A manager that has been given a refresh token for the key ``acme``."""
    manager = manager_of()
    anyio.run(lambda: manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token))
    return manager


@pytest.fixture
def data_center(manager_of, atlassian):
    """The same for Data Center."""
    manager = manager_of(data_center_grant(atlassian))
    issued = atlassian.issue_grant(atlassian.data_center_app)
    anyio.run(lambda: manager.add("on-premise", refresh_token=issued.refresh_token))
    return manager


def without_refresh_token(answer):
    return {name: value for name, value in answer.items() if name != "refresh_token"}


def issue_without_rotation(atlassian, times):
    """Let the next token requests be answered as by a server that keeps the refresh token as it is."""
    for number in range(times):
        answer = {
            "access_token": f"secret-unrotated-{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        atlassian.fault("token", Fault.json(answer))


def nothing_was_revoked(atlassian):
    """Return whether the fault that waited for a revocation has met none, and take it away."""
    waiting = atlassian.unused_faults
    atlassian.clear_faults()
    return waiting == ("status 400 (met 0 of 1)",)


def names(told):
    # Ask the manager for something first: events are told after those who wait have their answer.
    return [type(event).__name__ for event in told]


# -- when a token is refreshed ----------------------------------------------------------------------


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
    token = await manager.token("acme")

    assert len(atlassian.token_requests) == requests
    assert token.expires_at - atlassian_clock.now() > timedelta(seconds=10)


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


async def test_a_margin_asks_for_more(cloud, atlassian, atlassian_clock):
    """With a margin the token lives longer than that, refreshed if need be."""
    await cloud.token("acme")
    atlassian_clock.advance(HOUR / 2)

    await cloud.token("acme", margin=timedelta(minutes=29))
    assert len(atlassian.token_requests) == 1
    token = await cloud.token("acme", margin=timedelta(minutes=30))

    assert len(atlassian.token_requests) == 2
    assert token.expires_at == atlassian_clock.now() + HOUR


async def test_refreshing_ahead_keeps_nobody_waiting(cloud, atlassian, atlassian_clock, told):
    """Shortly before the buffer a call starts a refresh and goes on with the token it has."""
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


# -- one refresh for all --------------------------------------------------------------------------


async def test_a_thousand_callers_are_one_refresh(cloud, atlassian):
    """However many wait for a token, the token endpoint is asked once."""
    got = []

    async def ask() -> None:
        got.append(await cloud.token("acme"))

    async with anyio.create_task_group() as tasks:
        for _ in range(1_000):
            tasks.start_soon(ask)

    assert len(got) == 1_000
    assert len(atlassian.token_requests) == 1


def test_loops_and_threads_share_a_refresh(cloud, atlassian):
    """Event loops in several threads and blocking callers share one refresh."""
    ready = threading.Barrier(6)

    def in_a_loop():
        async def ask():
            ready.wait()
            return await cloud.token("acme")

        return asyncio.run(ask())

    def blocking():
        ready.wait()
        return cloud.token_sync("acme")

    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(work) for work in [in_a_loop, blocking] * 3]
        tokens = [future.result() for future in futures]

    assert len({token.access_token for token in tokens}) == 1
    assert len(atlassian.token_requests) == 1


class SlowToRead(MemoryStore):
    """A store whose reads take a few turns of the loop."""

    async def get(self, namespace, key):
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().get(namespace, key)


@pytest.mark.parametrize("stripes", [1, 64])
async def test_different_demands_share_a_refresh(manager_of, atlassian, atlassian_clock, stripes):
    """Calls that ask for more or less life decide one after the other, and so share one refresh."""
    store = SlowToRead(clock=atlassian_clock)
    manager = manager_of(
        data_center_grant(atlassian), store=store, settings=Settings(stripes=stripes)
    )
    issued = atlassian.issue_grant(atlassian.data_center_app)
    await manager.add("acme", refresh_token=issued.refresh_token)
    got = []

    async def ask(minutes) -> None:
        got.append(await manager.token("acme", margin=timedelta(minutes=minutes)))

    async with anyio.create_task_group() as tasks:
        for minutes in range(10):
            tasks.start_soon(ask, minutes)

    assert len(got) == 10
    assert len(set(got)) == 1
    assert len(atlassian.token_requests) == 1


async def test_managers_on_one_store_share_a_refresh(manager_of, cloud, atlassian, told):
    """What one manager has refreshed another adopts from the store, without asking again."""
    other = manager_of()
    got = []

    async def ask(manager) -> None:
        got.append(await manager.token("acme"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, cloud)
        tasks.start_soon(ask, other)

    assert got[0] == got[1]
    assert len(atlassian.token_requests) == 1
    for asked in (cloud, other):
        await asked.keys()
    assert names(told).count("TokenAdopted") == 1


async def test_a_stalled_key_delays_no_other(manager_of, atlassian):
    """Credentials are independent, also if both hash to one stripe."""
    manager = manager_of(settings=Settings(stripes=1))
    for key in ("stalled", "other"):
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.token, "stalled")
        await gate.arrived()
        await manager.token("other")
        assert manager.peek("stalled") is None
        gate.open()

    assert manager.peek("stalled") is not None


# -- cancellation ---------------------------------------------------------------------------------


async def test_a_cancelled_caller_loses_nothing(cloud, atlassian):
    """The refresh a caller started goes on without it, is saved, and serves the next."""
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


# -- durable before seen --------------------------------------------------------------------------


class WatchedStore(MemoryStore):
    """Fails and runs errands when told to."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.failures = {}
        self.before_put = self.after_get = None
        self.locked_by_others = False
        self.locked = 0
        self.held = []
        self.confirmed = []
        self.raises = OSError

    def lock(self, namespace, key, *, timeout_seconds):
        if self.locked_by_others:
            return HeldByOthers()
        return self._releasing(super().lock(namespace, key, timeout_seconds=timeout_seconds))

    @contextlib.asynccontextmanager
    async def _releasing(self, lock):
        async with lock:
            self.locked += 1
            yield self
        self._maybe_fail("release")

    async def confirm(self, seconds=0):
        self.confirmed.append(seconds)
        self._maybe_fail("confirm")
        return self.held.pop(0) if self.held else True

    async def get(self, namespace, key):
        self._maybe_fail("get")
        stored = await super().get(namespace, key)
        if self.after_get is not None:
            errand, self.after_get = self.after_get, None
            await errand()
        return stored

    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        if self.before_put is not None:
            errand, self.before_put = self.before_put, None
            await errand()
        self._maybe_fail("put")
        version = await super().put(
            namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
        )
        self._maybe_fail("after put")
        return version

    async def delete(self, namespace, key, *, expected=None):
        self._maybe_fail("delete")
        return await super().delete(namespace, key, expected=expected)

    def _maybe_fail(self, action):
        if self.failures.get(action, 0):
            self.failures[action] -= 1
            raise self.raises(action)


class HeldByOthers:
    """A lock that is not to be had in time."""

    async def __aenter__(self):
        raise TimeoutError

    async def __aexit__(self, *_):
        raise AssertionError("it was never held")


@pytest.fixture
def watched(atlassian_clock):
    return WatchedStore(atlassian_clock)


@pytest.fixture
def acme(manager_of, watched, atlassian):
    manager = manager_of(store=watched)
    anyio.run(lambda: manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token))
    return manager


async def test_the_new_pair_is_durable_before_it_is_seen(acme, watched):
    """Nobody sees a new access token before the refresh token that came with it is stored."""
    seen = []

    async def look() -> None:
        seen.append(acme.peek("acme"))

    watched.before_put = look
    token = await acme.token("acme")

    assert seen == [None]
    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value


@pytest.mark.parametrize("moment", ["put", "after put"])
async def test_a_hiccup_of_the_store_is_survived(acme, watched, atlassian, moment):
    """A save that fails once is repeated, also if it had happened after all."""
    watched.failures[moment] = 1

    token = await acme.token("acme")

    assert token.access_token.encode() in (await watched.get("tokens", "acme")).value
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize("kind", [OSError, ConfigurationError])
async def test_an_unsaved_pair_is_kept_and_saved_first(acme, watched, atlassian, told, kind):
    """If the new pair cannot be saved the callers are told, and it is saved before anything else."""
    watched.failures["put"], watched.raises = 3, kind

    with pytest.raises(StoreError, match="kept in memory") as caught:
        await acme.token("acme")
    assert acme.peek("acme") is None
    token = await acme.token("acme")

    await acme.keys()
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
    """Its own words reach the caller, unless there is a token that is still valid."""
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
    """If the status cannot be saved, or the lock not be given back, the caller is told what really failed."""
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
    """If somebody gave the key another refresh token meanwhile, that one counts."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    other = TokenManager(acme.grant, store=watched, clock=atlassian.clock)
    await other.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    stored = await other.token("acme")

    assert await acme.token("acme") == stored


async def test_an_unsaved_pair_counts_whatever_the_clock_says(acme, watched, atlassian):
    """A pair that waits to be saved is the successor of what is stored, also by a clock set back."""
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
    """If the record changed but not its refresh token, the pair that was had for it is kept."""
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
    """A pair that is not durable is not handed out because the lock is not to be had."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.token("acme")
    watched.locked_by_others = True

    with pytest.raises(TransientError):
        await acme.token("acme")
    watched.locked_by_others = False  # closing saves it


async def test_an_unsaved_pair_is_not_a_forked_childs_to_save(acme, watched):
    """In a forked child what the parent could not save is let go: the parent still has it."""
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
    assert "could not be saved" in caplog.text


# -- bad minutes ----------------------------------------------------------------------------------


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


async def test_client_credentials_in_a_bad_minute(manager_of, atlassian, atlassian_clock):
    """A first token that cannot be had is a transient error, and nothing is stored for it."""
    manager = manager_of(jira_software_grant(atlassian))
    atlassian.fault("token", Fault.status(503), times=3)

    with pytest.raises(TransientError):
        await manager.token()
    assert await manager.keys() == []
    atlassian_clock.advance(1)

    assert (await manager.token()).access_token


async def test_it_heals_by_itself(cloud, atlassian, atlassian_clock, told):
    """After the backoff the next call asks again, and all is well."""
    atlassian.fault("token", Fault.status(503), times=3)
    with pytest.raises(TransientError):
        await cloud.token("acme")
    assert (await cloud.status("acme")).refresh_status is TokenStatus.RECOVERABLE

    atlassian_clock.advance(1)
    await cloud.token("acme")

    assert (await cloud.status("acme")).refresh_status is TokenStatus.VALID
    await cloud.keys()
    assert names(told) == ["RefreshStarted", "RefreshFailed", "RefreshStarted", "RefreshSucceeded"]


async def test_trouble_is_not_raised_while_the_token_is_valid(
    manager_of, cloud, atlassian, atlassian_clock, told
):
    """Within the buffer, a failing refresh is an event; at the expiry it becomes an error."""
    cloud = manager_of(settings=Settings(attempts=1))
    before = await cloud.token("acme")
    atlassian.fault("token", Fault.status(503), times=None)

    atlassian_clock.advance(HOUR - timedelta(seconds=9))
    assert await cloud.token("acme") == before
    atlassian_clock.move_to(before.expires_at - TINY)
    assert await cloud.token("acme") == before
    atlassian_clock.move_to(before.expires_at)
    with pytest.raises(TransientError):
        await cloud.token("acme")

    await cloud.keys()
    degraded = next(event for event in told if isinstance(event, events.Degraded))
    assert (degraded.key, degraded.expires_at) == ("acme", before.expires_at)


async def test_trouble_ahead_of_time_bothers_nobody(cloud, atlassian, atlassian_clock, told):
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


async def test_a_restart_within_the_buffer_is_no_trouble_either(
    manager_of, cloud, atlassian, atlassian_clock
):
    """A new process that finds a valid token and a failing server uses the token."""
    before = await cloud.token("acme")
    atlassian_clock.advance(HOUR - timedelta(seconds=5))
    atlassian.fault("token", Fault.status(503), times=3)

    assert await manager_of().token("acme") == before


async def test_a_rejected_token_is_not_served_in_trouble(cloud, atlassian):
    """What an API has refused is not handed out again because refreshing fails."""
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


async def test_a_lost_answer_on_cloud(cloud, atlassian):
    """Cloud gives another pair for the same refresh token within its leeway: nothing is lost."""
    atlassian.fault("token", Fault.lost_answer())

    assert (await cloud.token("acme")).access_token
    assert (atlassian.leeway_reuses, atlassian.reuses_outside_leeway) == (1, 0)


async def test_a_lost_answer_on_data_center(data_center, atlassian):
    """Data Center has no leeway: asking once more is the only hope, and the error tells why it failed."""
    atlassian.fault("token", Fault.lost_answer())

    with pytest.raises(AuthorizationRequired, match="response to a request was lost"):
        await data_center.token("on-premise")

    assert len(atlassian.token_requests) == 2


async def test_a_lock_that_cannot_be_released_spoils_nothing(acme, watched, caplog):
    """What was done under a lock is done, also if releasing it fails."""
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


# -- lost grants ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wording", ["invalid_grant", "unauthorized_client"])
async def test_a_lost_grant_is_said_once_and_remembered(
    manager_of, cloud, atlassian, told, wording
):
    """A refused refresh token ends the credential; nobody presents it again, here or elsewhere."""
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
    assert names(told).count("AuthorizationNeeded") == 1


async def test_a_lost_grant_serves_its_valid_token(cloud, atlassian, atlassian_clock):
    """What is still valid when the grant is lost is used to its end."""
    token = await cloud.token("acme")
    atlassian.revoke_grant(token.access_token)

    atlassian_clock.advance(HOUR - timedelta(seconds=9))

    assert await cloud.token("acme") == token


async def test_a_new_authorization_ends_the_loss(manager_of, cloud, atlassian):
    """Once the stored refresh token changes, by whomever, all is well again."""
    token = await cloud.token("acme")
    atlassian.revoke_grant(token.access_token)
    with pytest.raises(AuthorizationRequired):
        await cloud.refresh("acme")

    await manager_of().add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert (await cloud.token("acme", rejected=token)).access_token


async def test_a_lost_race_is_not_a_lost_grant(acme, watched, atlassian, atlassian_clock):
    """If the store has another refresh token by the time ours is refused, that one counts."""
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
    """If the record is gone by the time its refresh token is refused, authorization is required."""
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

    assert [error.key for error in caught] == ["acme"]


async def test_an_outage_costs_no_consent(cloud, atlassian, atlassian_clock, told, caplog):
    """After seven days of failing a person is told, once; the refresh is tried on, and heals it."""
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
    assert names(told).count("KeepsFailing") == 1
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
    """If marking a failure fails as well, the first trouble is what callers hear of."""
    atlassian.fault("token", Fault.status(503), times=3)
    watched.failures["put"] = 1

    with pytest.raises(TransientError):
        await acme.token("acme")

    assert (await acme.status("acme")).refresh_status is TokenStatus.UNKNOWN
    assert "could not be saved" in caplog.text


async def test_nothing_stored(manager_of):
    """A key that was never authorized says what to do."""
    with pytest.raises(AuthorizationRequired, match="authorize it once") as caught:
        await manager_of().token("acme")

    assert caught.value.reason == "missing"


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

    assert caught.value.reason == "no_refresh_token"


async def test_a_refresh_token_that_is_not_rotated_stays(cloud, atlassian, atlassian_clock):
    """If an answer brings no refresh token, the one that was presented is kept."""
    await cloud.token("acme")
    atlassian.fault("token", Fault.edited(without_refresh_token))
    atlassian_clock.advance(HOUR)
    kept = await cloud.reveal_refresh_token("acme")

    await cloud.token("acme")

    assert await cloud.reveal_refresh_token("acme") == kept


# -- readiness ------------------------------------------------------------------------------------


async def test_a_ping_asks_the_store_alone(acme, watched, atlassian):
    """A readiness probe succeeds if the store can be read, whatever Atlassian and the credentials do."""
    atlassian.revoke_grant(atlassian.families[0].refresh_token)
    with pytest.raises(AuthorizationRequired):
        await acme.token("acme")
    requests = len(atlassian.token_requests)

    await acme.ping()
    await acme.auth("acme").ping()

    assert len(atlassian.token_requests) == requests
    assert await watched.keys("ping") == []


@pytest.mark.parametrize("kind", [OSError, ConfigurationError, StoreError])
async def test_a_ping_without_a_store(acme, watched, kind):
    """If the store cannot be read, or cannot work, the probe fails with the reason."""
    watched.failures["get"], watched.raises = 99, kind

    with pytest.raises(ConfigurationError if kind is ConfigurationError else StoreError):
        await acme.ping()
    with pytest.raises((ConfigurationError, StoreError)):
        await anyio.to_thread.run_sync(acme.ping_sync)


# -- the store's lock -----------------------------------------------------------------------------


async def test_without_the_lock_nothing_is_presented(acme, watched, atlassian):
    """If the lock cannot be had in time that is a transient error, not a reason to go on anyway."""
    watched.locked_by_others = True

    with pytest.raises(TransientError, match="held by others for 60 seconds"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_without_the_lock_a_newer_token_is_adopted(manager_of, acme, watched):
    """If whoever holds the lock has stored a newer token, it is taken."""
    token = await manager_of(store=watched).token("acme")
    watched.locked_by_others = True

    assert await acme.token("acme") == token


async def test_a_token_saved_while_the_lock_was_waited_for(manager_of, acme, watched):
    """What the holder of the lock saves while others wait for it is taken when their time is over."""
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


async def test_what_was_forgotten_meanwhile_is_not_kept_at_hand(manager_of, acme, watched):
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

    with pytest.raises(TransientError, match="was lost while it was held"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_a_lock_that_cannot_be_confirmed_is_an_error(acme, watched, atlassian):
    """If the store cannot say whether the lock is held, nothing is presented."""
    watched.failures["confirm"] = 1

    with pytest.raises(StoreError, match="could not confirm the lock"):
        await acme.token("acme")

    assert atlassian.token_requests == ()


async def test_how_long_a_lock_is_to_last(manager_of, watched, atlassian):
    """A server that takes a refresh token once is asked under a lock that outlasts a long standstill."""

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

    assert watched.confirmed == [0, 77, 77]


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
    assert names(told)[-1] == "TokenAdopted"
    assert atlassian.count("token") == 1


async def test_another_apps_token_is_not_taken(manager_of, acme, watched, atlassian):
    """A key that holds another app's credential is an error, with the lock or without it."""
    await acme.token("acme")
    other = manager_of(
        cloud_grant(atlassian, app=atlassian.register_cloud_app("another-app")), store=watched
    )

    for locked in (False, True):
        watched.locked_by_others = locked
        with pytest.raises((ConfigurationError, TransientError)):
            await other.token("acme")
    watched.locked_by_others = False


# -- many at once ---------------------------------------------------------------------------------


async def test_exchanges_are_bounded(manager_of, atlassian):
    """Of many keys that are due at once, as many as the setting says are refreshed at the same time."""
    settings = Settings(concurrent_exchanges=3)
    manager = manager_of(settings=settings)
    keys = [f"tenant-{number}" for number in range(10)]
    for key in keys:
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gate = Gate()
    atlassian.fault("token", Fault.held(gate), times=3)
    tokens = []

    async def ask(key) -> None:
        tokens.append(await manager.token(key))

    async with anyio.create_task_group() as tasks:
        for key in keys:
            tasks.start_soon(ask, key)
        while len(atlassian.token_requests) < 3:
            await manager.keys()
        await manager.keys()
        assert len(atlassian.token_requests) == 3
        gate.open()

    assert len(tokens) == 10


async def test_callers_are_bounded(manager_of, atlassian, atlassian_clock):
    """A caller waits for a documented time; what it waited for goes on and is saved."""
    manager = manager_of(settings=Settings(wait_timeout_seconds=30))
    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    gate = atlassian.hold("token")
    failed = []

    async def ask() -> None:
        with pytest.raises(TransientError, match="within 30 seconds") as caught:
            await manager.token("acme")
        failed.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        atlassian_clock.advance(30)
    gate.open()

    assert len(failed) == 1
    assert (await manager.token("acme")).access_token
    assert atlassian.count("token") == 1


async def test_a_valid_token_is_served_by_a_slow_refresh(
    manager_of, cloud, atlassian, atlassian_clock
):
    """A caller that waits for more life than the token has gets it all the same when the refresh is slow."""
    before = await cloud.token("acme")
    manager = manager_of(settings=Settings(wait_timeout_seconds=30))
    gate = atlassian.hold("token")
    got = []

    async def ask() -> None:
        got.append(await manager.token("acme", margin=timedelta(hours=2)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        atlassian_clock.advance(30)
    gate.open()

    assert got == [before]


async def test_closing_waits_for_the_refreshes_of_that_moment(manager_of, atlassian):
    """``aclose`` ends although others go on using the manager."""
    manager = manager_of()
    for key in ("first", "later"):
        await manager.add(key, refresh_token=atlassian.issue_grant().refresh_token)
    gates = [atlassian.hold("token") for _ in range(2)]
    closed = anyio.Event()

    async def close() -> None:
        await manager.aclose()
        closed.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.token, "first")
        await gates[0].arrived()
        tasks.start_soon(close)
        await anyio.wait_all_tasks_blocked()  # so the closing was asked for before what comes later
        await manager.keys()
        assert not closed.is_set()
        tasks.start_soon(manager.token, "later")
        await gates[1].arrived()
        gates[0].open()
        await closed.wait()
        gates[1].open()

    assert manager.peek("later") is not None


async def test_closing_waits_for_a_call_that_has_begun(acme, watched):
    """A call that has not decided yet whether to refresh is under way, too: its pair is saved."""
    closing = []

    async def close() -> None:
        await acme.aclose()
        closing.append((await watched.get("tokens", "acme")).value)

    async def begin_to_close() -> None:  # in the runner, between the read and the decision
        closings.append(asyncio.create_task(close()))
        for _ in range(50):
            await asyncio.sleep(0)

    closings = []
    watched.after_get = begin_to_close
    token = await acme.token("acme")

    while not closing:
        await acme.keys()
    assert token.access_token.encode() in closing[0]


def test_a_program_without_a_loop_closes_it(cloud, watched, manager_of):
    """``close`` does what ``aclose`` does, of a manager and of its auth."""
    token = cloud.token_sync("acme")
    cloud.close()
    cloud.auth("acme").close()
    watched.failures["put"] = 0

    assert cloud.token_sync("acme") == token


async def test_a_refresh_by_name_gets_through(cloud, atlassian, atlassian_clock):
    """What a server asked for holds up requests; ``refresh`` asks again after a moment."""
    atlassian.fault("token", Fault.rate_limited(999_999))
    with pytest.raises(TransientError) as caught:
        await cloud.token("acme")
    assert caught.value.retry_after_seconds == 3600
    atlassian_clock.advance(2)
    with pytest.raises(TransientError):
        await cloud.token("acme")

    assert (await cloud.refresh("acme")).access_token


# -- credentials ----------------------------------------------------------------------------------


def _code(atlassian, manager, **parameters) -> str:
    url = manager.grant.authorization_url(state="state", **parameters)
    return atlassian.browse(url).partition("code=")[2].partition("&")[0]


async def test_a_code_makes_a_credential(manager_of, atlassian):
    """An authorization code becomes a credential that refreshes itself."""
    manager = manager_of()

    status = await manager.authorize("acme", _code(atlassian, manager))

    assert status.refreshable
    assert "offline_access" in status.scopes
    assert manager.peek("acme") is not None
    assert (await manager.refresh("acme")).access_token


async def test_a_code_whose_token_cannot_be_saved_at_once(acme, watched, atlassian):
    """A code works once: if saving its token fails, the token is kept and saved the next time."""
    code = _code(atlassian, acme)
    watched.failures["put"] = 3

    with pytest.raises(StoreError):
        await acme.authorize("fresh", code)

    assert (await acme.token("fresh")).access_token
    assert atlassian.count("token", grant_type="authorization_code") == 1


async def test_a_credential_whose_save_was_doubtful_stays_forgotten(acme, watched, atlassian):
    """If saving it failed after it had happened, it counts as saved, and is not saved again later."""
    watched.failures["after put"] = 1
    await acme.authorize("fresh", _code(atlassian, acme))

    await watched.delete("tokens", "fresh")
    await acme.aclose()

    assert (await acme.status("fresh")).state is CredentialState.NEW


async def test_adding_the_same_token_again_keeps_its_successors(cloud, atlassian):
    """A service may add its configured refresh token at each start: only the first time counts."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("other", refresh_token=pasted)
    token = await cloud.token("other")

    status = await cloud.add("other", refresh_token=pasted)

    assert status.refresh_count == 1
    assert await cloud.token("other") == token


async def test_adding_what_another_process_has_added_takes_its_token(manager_of, cloud, atlassian):
    """If another process was first to add a new refresh token, its tokens count here too at once."""
    await cloud.token("acme")
    pasted = atlassian.issue_grant().refresh_token
    other = manager_of()
    await other.add("acme", refresh_token=pasted)
    theirs = await other.token("acme")

    await cloud.add("acme", refresh_token=pasted)

    assert cloud.peek("acme") == theirs


async def test_one_refresh_token_under_two_keys(manager_of, cloud, atlassian):
    """The second key is refused, in any process, as long as the first one has it; the error names both."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("site-1", refresh_token=pasted)
    token = await cloud.token("site-1")

    with pytest.raises(ConfigurationError, match=r"'site-1'.*'site-2'") as caught:
        await manager_of().add("site-2", refresh_token=pasted)

    assert caught.value.argument == "refresh_token"
    assert pasted not in str(caught.value)
    assert await cloud.keys() == ["acme", "site-1"]
    assert await cloud.token("site-1") == token
    assert atlassian.count("token", outcome="ok") == 1


async def test_a_refresh_token_changes_its_key(cloud, atlassian):
    """What the first key has forgotten, or had replaced, another one may have."""
    for number, leave in enumerate([cloud.forget, cloud.revoke]):
        pasted = atlassian.issue_grant().refresh_token
        await cloud.add("old", refresh_token=pasted)
        await leave("old")

        await cloud.add(f"new-{number}", refresh_token=pasted)

    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("old", refresh_token=pasted)
    await cloud.add("old", refresh_token=atlassian.issue_grant().refresh_token)
    await cloud.add("another", refresh_token=pasted)
    assert await cloud.keys() == ["acme", "another", "new-0", "new-1", "old"]


class Raced(MemoryStore):
    """Lets something happen before a note about a refresh token is written."""

    meanwhile = None

    async def put(self, namespace, key, value, **options):
        if namespace == "pasted" and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().put(namespace, key, value, **options)


async def test_a_note_that_cannot_be_read(cloud, atlassian, store, caplog):
    """A damaged one does not keep its refresh token out for ever."""
    pasted = atlassian.issue_grant().refresh_token
    await store.put("pasted", hashlib.sha256(pasted.encode()).hexdigest(), b"damaged")

    await cloud.add("other", refresh_token=pasted)

    assert (await cloud.token("other")).access_token
    assert "It was not noted that" in caplog.text


async def test_a_note_that_cannot_be_written(manager_of, atlassian, atlassian_clock, caplog):
    """The refresh token is added all the same: the note only guards against a mistake."""
    store = Raced(clock=atlassian_clock)

    async def fail():
        raise StoreError("no space")

    store.meanwhile = fail
    manager = manager_of(store=store)

    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert (await manager.token("acme")).access_token
    assert "under key 'acme': no space" in caplog.text


async def test_one_refresh_token_under_two_keys_at_once(manager_of, atlassian, atlassian_clock):
    """If another process was first, after this one had looked, it has the token."""
    store = Raced(clock=atlassian_clock)
    first, second = manager_of(store=store), manager_of(store=store)
    pasted = atlassian.issue_grant().refresh_token
    store.meanwhile = lambda: first.add("site-1", refresh_token=pasted)

    with pytest.raises(ConfigurationError, match="'site-1'"):
        await second.add("site-2", refresh_token=pasted)

    assert await second.keys() == ["site-1"]


async def test_adding_at_a_start_does_not_undo_a_login(cloud, atlassian):
    """A refresh token that stays in a service's configuration does not replace the consent given since."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("acme", refresh_token=pasted)
    flow = AuthorizationFlow(cloud)
    request = await flow.start("acme", started_by=None)
    await flow.complete(atlassian.browse(request.url), started_by=None)
    token, status = await cloud.token("acme"), await cloud.status("acme")
    earlier = status.authorized_at - HOUR

    await cloud.add("acme", refresh_token=pasted, authorized_at=earlier)

    assert await cloud.token("acme") == token
    assert await cloud.status("acme") == status


async def test_a_token_brings_no_refresh_token(cloud, atlassian, atlassian_clock):
    """Callers get a bearer: neither the token, nor the cache that serves it, knows the refresh token."""
    seen = []

    async def use(token):
        seen.append(token)

    await cloud.execute("acme", use)
    seen += [await cloud.token("acme"), cloud.peek("acme"), await cloud.refresh("acme")]
    atlassian_clock.advance(HOUR)
    seen += [await anyio.to_thread.run_sync(cloud.token_sync, "acme")]

    assert {type(token) for token in seen} == {Token}
    assert not any(hasattr(token, "refresh_token") for token in seen)


async def test_a_refresh_token_is_revealed_by_name_only(cloud, manager_of, atlassian):
    """Who leaves the library can take the refresh token along: by a method that says what it does."""
    await cloud.token("acme")

    revealed = await cloud.reveal_refresh_token("acme")

    assert revealed == atlassian.families[0].refresh_token
    assert await cloud.reveal_refresh_token("nobody") is None


async def test_adding_another_token_replaces(cloud, atlassian):
    """Another refresh token takes the place of the old credential."""
    await cloud.token("acme")

    await cloud.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert cloud.peek("acme") is None
    assert (await cloud.token("acme")).access_token


@pytest.mark.parametrize(
    "wrong",
    ["", "two words", "pasted\n", "tökén", None],
    ids=["empty", "words", "line", "odd", "none"],
)
async def test_a_mangled_refresh_token_is_refused(manager_of, wrong):
    """What cannot be a refresh token is refused before anything is stored."""
    manager = manager_of()

    with pytest.raises(ConfigurationError, match="Paste it again") as caught:
        await manager.add("acme", refresh_token=wrong)

    assert caught.value.argument == "refresh_token"
    assert await manager.keys() == []


async def test_client_credentials_have_nothing_to_add(manager_of, atlassian):
    """A grant without refresh tokens says so."""
    with pytest.raises(ConfigurationError, match="no refresh tokens"):
        await manager_of(jira_software_grant(atlassian)).add("ci", refresh_token="token")


@pytest.mark.parametrize("wrong", ["", None, 7, b"acme", "acme\ud800"], ids=ascii)
async def test_a_key_must_be_a_name(manager_of, wrong):
    """A key that is empty, no text, or has no UTF-8 form is refused, wherever it is used."""
    manager = manager_of()

    for use in (manager.token, manager.refresh, manager.status, manager.forget):
        with pytest.raises(
            ConfigurationError, match="cannot name a record; expected text"
        ) as caught:
            await use(wrong)
        assert caught.value.argument == "key"
    with pytest.raises(ConfigurationError):
        manager.auth(wrong)


@pytest.mark.parametrize(
    ("argument", "wrong", "expected"),
    [
        ("settings", {"attempts": 2}, "settings must be Settings"),
        ("settings", Settings, "not the class Settings"),
        ("on_event", "print", "on_event must be a function"),
        ("store", MemoryStore, "not the class MemoryStore"),
        ("store", 7, "store must be a store such as"),
        ("store", {}, "the path of a SQLite file, not dict"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_at_once(manager_of, argument, wrong, expected):
    """What cannot work is an error where it is given, not at the first request; it names the argument."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        manager_of(**{argument: wrong})

    assert caught.value.argument == argument


@pytest.mark.parametrize("wrong", [None, "grant", CloudGrant], ids=repr)
def test_a_manager_needs_a_grant(wrong):
    """Whatever is no grant is refused by name."""
    with pytest.raises(
        ConfigurationError, match="grant must be a grant such as CloudGrant"
    ) as caught:
        TokenManager(wrong, store=MemoryStore())

    assert caught.value.argument == "grant"


@pytest.mark.parametrize("form", ["sqlite:///{path}", "{path}", Path])
async def test_a_store_by_its_url_or_path(manager_of, atlassian, tmp_path, form):
    """Where credentials are kept may be said as `open_store` takes it; the file is a SQLite store's."""
    path = tmp_path / "tokens.db"
    manager = manager_of(store=form.format(path=path) if isinstance(form, str) else form(path))

    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert await manager_of(store=SQLiteStore(path)).keys() == ["acme"]


@pytest.mark.parametrize("argument", ["transport", "verify", "proxy"])
def test_what_a_sender_does_not_use_is_refused(manager_of, argument):
    """A sender of one's own carries token requests in its own way: no option for ours is dropped."""
    given = {"transport": httpx.MockTransport(print), "verify": False, "proxy": "http://proxy:3128"}
    manager_of(sender=HttpxSender())

    with pytest.raises(ConfigurationError, match="Give it to the sender") as caught:
        manager_of(sender=HttpxSender(), **{argument: given[argument]})

    assert caught.value.argument == argument


async def test_a_key_of_another_app_is_refused(manager_of, cloud, atlassian):
    """A stored credential of another registration is neither presented to this one's server nor replaced."""
    other = manager_of(data_center_grant(atlassian))
    issued = atlassian.issue_grant(atlassian.data_center_app)
    uses = [
        other.token("acme"),
        other.add("acme", refresh_token=issued.refresh_token),
        other.authorize("acme", "code", code_verifier="v" * 43),
    ]

    for use in uses:
        with pytest.raises(ConfigurationError, match="Use another key") as caught:
            await use
        assert caught.value.argument == "key"

    assert atlassian.token_requests == ()
    assert (await cloud.token("acme")).access_token


async def test_forgetting(cloud):
    """A forgotten credential is gone, here and in the store; forgetting again is nothing."""
    await cloud.token("acme")

    assert await cloud.forget("acme") is True
    assert await cloud.forget("acme") is False

    assert (cloud.peek("acme"), await cloud.keys()) == (None, [])
    assert (await cloud.status("acme")).state is CredentialState.NEW


async def test_a_store_is_asked_for_where_it_matters(atlassian):
    """Without a store a rotating grant is refused with the choice; client credentials are fine."""
    for grant in (cloud_grant(atlassian), data_center_grant(atlassian)):
        with pytest.raises(ConfigurationError, match=r"SQLiteStore.*MemoryStore") as caught:
            TokenManager(grant)
        assert caught.value.argument == "store"

    TokenManager(jira_software_grant(atlassian))


@pytest.mark.parametrize("grant", [jira_software_grant, service_account_grant])
async def test_client_credentials_refresh_themselves(manager_of, atlassian, atlassian_clock, grant):
    """Client credentials take the same path, without a refresh token."""
    manager = manager_of(grant(atlassian))
    first = await manager.token()

    atlassian_clock.advance(HOUR)
    second = await manager.token()

    assert first != second
    assert atlassian.count("token", grant_type="client_credentials") == 2
    assert (await manager.status()).refresh_count == 2


# -- execute, keep_fresh, events, life ------------------------------------------------------------


async def test_execute_hands_over_a_saved_token(cloud, store):
    """The function gets a token whose refresh token is stored already, and its result comes back."""

    async def fn(token):
        stored = await store.get("tokens", "acme")
        return token.access_token.encode() in stored.value

    assert await cloud.execute("acme", fn) is True


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


async def test_keep_fresh_refreshes_what_nobody_uses(
    manager_of, cloud, atlassian, atlassian_clock, caplog
):
    """Idle credentials are refreshed ahead of their expiry, and trouble with one stops no other."""
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
    """If the keys cannot be listed, those at hand are kept fresh."""
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
async def test_a_callback_that_raises_hurts_nobody(manager_of, cloud, caplog, kind):
    """An exception in a callback, be it ``sys.exit()``, is logged and goes no further."""

    def on_event(event):
        raise kind

    manager = manager_of(on_event=on_event)

    assert (await manager.token("acme")).access_token
    assert "on_event raised for" in caplog.text


async def test_a_callback_may_use_the_same_manager(manager_of, cloud, told):
    """When an event is told no lock is held, and the new token is at hand."""
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
    """``aclose`` and ``async with`` finish; what comes later opens anew."""
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


class NoMoreThreads:
    """A runner at the interpreter's end."""

    def home(self):
        return self

    def submit(self, work):
        raise RuntimeError("can't start new thread")


async def test_a_call_that_cannot_be_submitted_is_not_joined(manager_of, cloud):
    """If no thread can be had the caller is told, and nobody waits for what never began."""
    manager = manager_of(runner=NoMoreThreads())

    for _ in range(2):
        with pytest.raises(RuntimeError, match="new thread"):
            await manager.token("acme")
    manager._calls._runner = cloud._calls._runner

    assert (await manager.token("acme")).access_token


def test_a_call_that_cannot_start_keeps_nobody_waiting(manager_of, cloud):
    """If no refresh can be started the caller is told, and the next call tries again."""
    manager = manager_of(runner=InlineRunner())

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="asyncio loop"):
            anyio.run(manager.token, "acme", backend="trio")
    assert manager._calls._table.calls == {}
    with pytest.raises(ConfigurationError, match="async callers only"):
        manager.token_sync("acme")
    manager._calls._runner = cloud._calls._runner


async def test_a_blocking_caller_takes_what_is_at_hand(cloud, atlassian):
    """A blocking call does not block while a fresh token is there."""
    token = await cloud.token("acme")

    assert cloud.token_sync("acme") is token
    assert await anyio.to_thread.run_sync(lambda: cloud.token_sync("acme", rejected=token)) != token


async def _settled(manager):
    """Return when what the manager has started in the background is done."""
    while manager._calls._table.calls:
        await manager.keys()


# -- revoking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["acme", "on-premise"])
async def test_revoking_ends_the_grant_there_and_here(key, cloud, data_center, atlassian):
    """After it the server takes neither token any more, and nothing is stored; again, it is nothing."""
    manager = cloud if key == "acme" else data_center
    token = await manager.token(key)

    assert await manager.revoke(key) is True
    atlassian.fault("revoke", Fault.status(400))
    assert await manager.revoke(key) is False

    assert not atlassian.family_of(token.access_token).alive
    assert manager.peek(key) is None
    assert key not in await manager.keys()
    assert nothing_was_revoked(atlassian)


async def test_revoking_what_was_never_used(cloud, atlassian):
    """A pasted refresh token is revoked as it is, without being refreshed first."""
    assert await cloud.revoke("acme") is True

    assert not atlassian.families[0].alive
    assert atlassian.token_requests == ()


async def test_a_credential_that_was_not_revoked_is_kept(cloud, atlassian):
    """If the server has a bad minute the credential stays, and works."""
    await cloud.token("acme")
    atlassian.fault("revoke", Fault.status(503), times=3)

    with pytest.raises(TransientError, match="503"):
        await cloud.revoke("acme")

    assert (await cloud.status("acme")).state is CredentialState.READY
    assert await cloud.revoke("acme") is True


async def test_a_revocation_with_the_wrong_secret(manager_of, cloud, atlassian):
    """A refusal says what is wrong with the app, and the credential is kept."""
    app = atlassian.cloud_app
    wrong = manager_of(
        CloudGrant(
            client_id=app.client_id,
            client_secret="secret-wrong",
            redirect_uri=app.redirect_uri,
            scopes="read:me",
        )
    )

    with pytest.raises(ConfigurationError, match="client secret") as caught:
        await wrong.revoke("acme")

    assert "secret-wrong" not in f"{caught.value!r} {caught.value}"
    assert (await cloud.status("acme")).refreshable


async def test_another_apps_credential_is_not_revoked(cloud, data_center, atlassian):
    """A key of another app is refused without a request."""
    atlassian.fault("revoke", Fault.status(400))

    with pytest.raises(ConfigurationError, match="another key"):
        await data_center.revoke("acme")

    assert atlassian.families[0].alive
    assert nothing_was_revoked(atlassian)


async def test_client_credentials_have_nothing_to_revoke(manager_of, atlassian):
    """The error says where they are deleted instead."""
    manager = manager_of(jira_software_grant(atlassian))
    await manager.token()

    with pytest.raises(ConfigurationError, match="delete it where it was created"):
        await manager.revoke()


async def test_revoking_an_empty_record(manager_of, store, atlassian, atlassian_clock):
    """A record that has no token has nothing to revoke, and is deleted."""
    manager = manager_of()
    empty = TokenRecord.begin(manager.grant.configuration, atlassian_clock.now())
    await Records(store, "tokens", TokenRecord).put("acme", empty)
    atlassian.fault("revoke", Fault.status(400))

    assert await manager.revoke("acme") is True

    assert await manager.keys() == []
    assert nothing_was_revoked(atlassian)


# -- a store that loses what it has taken ----------------------------------------------------------


@pytest.mark.parametrize("knows", ["who refreshed", "who adopted it"])
@pytest.mark.parametrize("key", ["acme", "on-premise"])
async def test_a_store_that_lost_its_last_save(
    manager_of, cloud, data_center, atlassian, atlassian_clock, store, caplog, knows, key
):
    """After a failover, or a backup that was restored, whoever knows the newer pair puts it back."""
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


async def test_a_newer_consent_outlives_a_restored_backup(
    manager_of, cloud, atlassian, atlassian_clock, store
):
    """A backup from before the consent was given again does not bring the old one back."""
    await cloud.token("acme")
    backup = await store.get("tokens", "acme")
    await cloud.authorize("acme", _code(atlassian, cloud))
    consent = atlassian.family_of((await cloud.token("acme")).access_token)

    await store.put("tokens", "acme", backup.value)
    atlassian_clock.advance(HOUR)

    assert atlassian.family_of((await cloud.token("acme")).access_token) is consent


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
    """Where the refresh token stays, what could not be saved does not replace what was saved since."""
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
    """What the store has counts if it is not where the known pair came from."""
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
    """They descend from nothing; each refresh is as good as the last."""
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
