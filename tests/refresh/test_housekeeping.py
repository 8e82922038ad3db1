"""Care for stored credentials: warn of their end, refresh idle ones, delete unusable ones."""

from __future__ import annotations

import functools
import json
import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

from atlassian_auth import (
    CredentialState,
    Settings,
    StoreError,
    TokenManager,
    TokenStatus,
    TransientError,
)
from atlassian_auth._tokens.records.lifetimes import idle_refresh_at
from atlassian_auth.events import ConsentEndsSoon
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Fault, cloud_grant, data_center_grant, jira_software_grant

pytestmark = pytest.mark.every_loop

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TINY = timedelta(milliseconds=1)


class Watched(MemoryStore):
    """A store in which a key may be unreadable, and something may happen just before a lock is taken."""

    unreadable: str | None = None
    before_lock = None

    async def get(self, namespace, key):
        if key == self.unreadable:
            raise OSError("unreadable")
        return await super().get(namespace, key)

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        if self.before_lock:
            await self.before_lock()
        async with super().lock(namespace, key, timeout_seconds=timeout_seconds):
            yield


@pytest.fixture
def store(atlassian_clock):
    return Watched(clock=atlassian_clock)


@pytest.fixture
def told():
    return []


@pytest.fixture
def manager_of(atlassian, atlassian_clock, store, told):
    """Build managers on one store, and close them at the end."""
    opened = []

    def build(grant=None, *, store=store, **settings):
        opened.append(
            TokenManager(
                grant or cloud_grant(atlassian),
                store=store,
                clock=atlassian_clock,
                on_event=told.append,
                settings=Settings(**settings),
                jitter=lambda: 0.0,
            )
        )
        return opened[-1]

    yield build
    for manager in opened:
        anyio.run(manager.aclose)


@pytest.fixture
def manager(manager_of):
    return manager_of()


async def enrol(manager, atlassian, *keys):
    for key in keys:
        issued = atlassian.issue_grant()
        now = atlassian.clock.now()
        await manager.add(key, refresh_token=issued.refresh_token, authorized_at=now)
        await manager.token(key)


async def keep_alive(manager, clock, days):
    """Let ``keep_alive`` run a round every six hours for so many days."""
    until = clock.time() + days * 86400
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.keep_alive)
        while clock.time() < until:
            await manager.keys()
        tasks.cancel_scope.cancel()


# -- keep_alive ------------------------------------------------------------------------------------


async def test_idle_credentials_live_on(manager_of, atlassian, atlassian_clock):
    """Another process keeps a store's idle credentials alive with one refresh each in two months."""
    keys = [f"tenant-{number}" for number in range(5)]
    first, second = manager_of(), manager_of()
    await enrol(first, atlassian, *keys)

    await keep_alive(second, atlassian_clock, 80)

    statuses = [await first.status(key) for key in keys]
    assert [status.refresh_count for status in statuses] == [2] * 5
    assert {status.state for status in statuses} == {CredentialState.READY}
    assert len({status.last_refreshed_at for status in statuses}) > 3  # not all at one moment
    assert atlassian.leeway_reuses == atlassian.reuses_outside_leeway == 0


async def test_a_pasted_token_is_kept_alive_too(manager, atlassian, atlassian_clock):
    """A refresh token that was added and never used is kept alive too."""
    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    await keep_alive(manager, atlassian_clock, 70)

    assert (await manager.status("acme")).refresh_count == 1


async def test_a_consent_is_kept_alive_while_its_token_is_valid(
    manager, atlassian, atlassian_clock
):
    """If access tokens live for months, an idle refresh token is used all the same before it ends."""
    atlassian.rules.access_token_lifetime_seconds["cloud"] = 80 * 86400
    await enrol(manager, atlassian, "acme")

    await keep_alive(manager, atlassian_clock, 70)

    assert (await manager.status("acme")).refresh_count == 2


async def test_trouble_with_one_stops_no_other(
    manager, atlassian, atlassian_clock, store, caplog, told
):
    """A credential that cannot be read or refreshed is logged, and the others are kept alive."""
    await enrol(manager, atlassian, "acme", "broken", "revoked")
    atlassian.revoke_grant((await manager.token("revoked")).access_token)
    store.unreadable = "broken"

    await keep_alive(manager, atlassian_clock, 70)

    assert (await manager.status("acme")).refresh_count == 2
    assert "Key 'broken' was skipped" in caplog.text
    # A lost consent is reported once, and its refresh token is not sent again.
    assert caplog.text.count("Key 'revoked': the consent is lost") == 1


@pytest.mark.parametrize("job", ["keep_fresh", "keep_alive"])
async def test_a_damaged_record_stops_no_other(
    manager, atlassian, atlassian_clock, store, caplog, job
):
    """A record nested too deeply is skipped and logged, and the others are kept alive and pruned."""
    await enrol(manager, atlassian, "acme", "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    await store.put("tokens", "broken", b"[" * 100_000)
    atlassian_clock.advance(80 * DAY)

    assert await manager.prune() == ["dead"]
    assert caplog.text.count("Key 'broken' was skipped") == 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(getattr(manager, job))
        while (await manager.status("acme")).refresh_count < 2:
            pass
        tasks.cancel_scope.cancel()
    with pytest.raises(StoreError, match="key 'broken' in 'tokens' is not a record"):
        await manager.status("broken")


FAR_DATES = (
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
)


@pytest.mark.parametrize("far", FAR_DATES)
@pytest.mark.parametrize("name", ["obtained_at", "expires_at", "authorized_at", "status_since"])
async def test_a_date_beyond_the_calendar(manager_of, atlassian, store, far, name):
    """A date that cannot be computed is left out; the credential is refreshed and kept alive."""
    await enrol(manager_of(), atlassian, "acme")
    written = await store.get("tokens", "acme")
    document = json.loads(written.value)
    record = document["record"]
    (record["token"] if name in record["token"] else record)[name] = far
    await store.put("tokens", "acme", json.dumps(document).encode())
    manager = manager_of()

    before = await manager.status("acme")
    await manager.perform(lambda: manager._housekeeping.look("acme", last_look=None))
    await manager.token("acme")
    await manager.refresh("acme")

    assert before.refresh_count == 1
    assert (await manager.status("acme")).refresh_count in {2, 3}
    assert await manager.prune() == []


async def test_what_went_between_two_looks(manager):
    """A key that was listed and then deleted is ignored."""
    gone = await manager.perform(lambda: manager._housekeeping.look("acme", last_look=None))

    assert gone is None


async def test_a_store_that_is_down(manager, atlassian_clock, monkeypatch, caplog):
    """``keep_alive`` goes on after the store could not list its keys."""

    class Down(MemoryStore):
        async def keys(self, namespace):
            raise OSError("down")

    down = TokenManager(manager.grant, store=Down(), clock=atlassian_clock)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(down.keep_alive)
        while "could not be listed" not in caplog.text:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    await down.aclose()


async def test_idle_refresh_leaves_other_apps_alone(manager_of, atlassian, atlassian_clock):
    """In a store that several apps share, each keeps its own credentials alive."""
    cloud, data_center = manager_of(), manager_of(data_center_grant(atlassian))
    await enrol(cloud, atlassian, "acme")

    await keep_alive(data_center, atlassian_clock, 70)

    assert (await cloud.status("acme")).refresh_count == 1


# -- warnings --------------------------------------------------------------------------------------


def warnings(told):
    return [event for event in told if isinstance(event, ConsentEndsSoon)]


async def test_a_busy_credential_warns_of_its_last_day(manager, atlassian, atlassian_clock, told):
    """From two weeks before the absolute limit, refreshes warn once a day."""
    await enrol(manager, atlassian, "acme")
    for _ in range(10):
        atlassian_clock.advance(35 * DAY)
        await manager.token("acme")
    for _ in range(30):
        atlassian_clock.advance(DAY / 2 - HOUR)
        await manager.token("acme")
    await manager.keys()

    ends_at = (await manager.status("acme")).consent_expires_at
    days = [(event.ends_at - event.at) // DAY for event in warnings(told)]
    assert {(event.key, event.limit, event.ends_at) for event in warnings(told)} == {
        ("acme", "absolute", ends_at)
    }
    assert days == list(range(13, 0, -1))


async def test_an_idle_credential_warns_of_both(manager_of, atlassian, atlassian_clock, told):
    """If refreshes fail, ``keep_alive`` warns of the inactivity limit and of the absolute limit."""
    manager = manager_of(
        inactivity_limit=20 * DAY,
        absolute_limit=20 * DAY + HOUR,
        unrecoverable_token_failing_period=timedelta(days=100),
    )
    await enrol(manager, atlassian, "acme")
    atlassian.fault("token", Fault.status(503), times=None)

    await keep_alive(manager, atlassian_clock, 19)

    days = [(event.limit, (event.ends_at - event.at) // DAY) for event in warnings(told)]
    assert {event.key for event in warnings(told)} == {"acme"}
    assert {limit for limit, _ in days} == {"inactivity", "absolute"}
    assert len(days) == len(set(days))


async def test_the_first_look_warns(manager, atlassian, atlassian_clock, told):
    """A process that starts five days before an end warns at once, and not again on the same day."""
    consented_at = atlassian_clock.now() - 360 * DAY + 20 * HOUR
    refresh_token = atlassian.issue_grant().refresh_token
    await manager.add("acme", refresh_token=refresh_token, authorized_at=consented_at)

    await keep_alive(manager, atlassian_clock, 0.7)

    assert [event.ends_at for event in warnings(told)] == [consented_at + 365 * DAY]


@pytest.mark.parametrize(("early", "due"), [(TINY, False), (timedelta(), True), (-TINY, True)])
async def test_when_an_idle_credential_is_due(manager, atlassian, atlassian_clock, early, due):
    """An idle credential is refreshed at its own time, and not before."""
    await enrol(manager, atlassian, "acme")
    record = await manager.perform(lambda: manager._parts.repository.peek("acme"))
    atlassian_clock.move_to(idle_refresh_at("acme", record, Settings()) - early)

    found = await manager.perform(
        lambda: manager._housekeeping.look("acme", last_look=atlassian_clock.now())
    )

    assert (found is not None) is due


async def test_a_migrated_credential_is_warned_of_in_time(
    manager, atlassian, atlassian_clock, told
):
    """The year counts from the consent given in the old system, not from the day of the migration."""
    consented_at = atlassian_clock.now() - 360 * DAY
    refresh_token = atlassian.issue_grant().refresh_token
    await manager.add("acme", refresh_token=refresh_token, authorized_at=consented_at)

    await manager.token("acme")
    await manager.keys()

    ((limit, ends_at),) = [(event.limit, event.ends_at) for event in warnings(told)]
    assert (limit, ends_at) == ("absolute", consented_at + 365 * DAY)


async def test_no_warning_without_need(manager, atlassian, atlassian_clock, told):
    """A credential that is in use and far from its end causes no warning."""
    await enrol(manager, atlassian, "acme")
    atlassian_clock.advance(80 * DAY)
    await manager.token("acme")
    await manager.keys()

    assert warnings(told) == []


async def busy():
    raise TimeoutError


# -- keep_fresh ------------------------------------------------------------------------------------


class Counting(Watched):
    """Counts how often a record is read."""

    reads = 0

    async def get(self, namespace, key):
        self.reads += 1
        return await super().get(namespace, key)


async def look(manager, looks):
    return await manager.perform(lambda: manager._housekeeping.due(looks, margin_seconds=40))


async def test_what_is_fresh_is_read_once(manager_of, atlassian, atlassian_clock):
    """Until a token is due, its credential is not read from the store, however many there are."""
    store = Counting(clock=atlassian_clock)
    enroller, manager = manager_of(store=store), manager_of(store=store)
    keys = [f"tenant-{number}" for number in range(1200)]
    await enrol(enroller, atlassian, "acme")
    alive = (await store.get("tokens", "acme")).value
    for key in keys:
        await store.put("tokens", key, alive)
    looks = {}

    store.reads = 0
    assert await look(manager, looks) == []
    assert store.reads == 1201
    assert await look(manager, looks) == []
    assert store.reads == 1201
    for key in keys:
        await store.delete("tokens", key)
    assert await look(manager, looks) == []

    assert set(looks) == {"acme"}


@pytest.mark.parametrize(("early", "due"), [(TINY, []), (-TINY, ["acme"]), (timedelta(), ["acme"])])
@pytest.mark.parametrize("known", [False, True])
async def test_when_a_fresh_one_is_due(manager_of, atlassian, atlassian_clock, early, due, known):
    """A key is due when its token expires within the margin, or when a request would refresh it ahead."""
    enroller, manager = manager_of(), manager_of(refresh_ahead_seconds=0)
    await enrol(enroller, atlassian, "acme")
    looks = {}
    token = await (manager if known else enroller).token("acme")
    await look(manager, looks)

    atlassian_clock.move_to(token.expires_at - timedelta(seconds=40) - early)

    assert await look(manager, looks) == due


async def test_what_is_not_refreshable_is_looked_at_again(
    manager_of, atlassian, atlassian_clock, store
):
    """A credential that was refused and is authorized in another process is found within 15 minutes."""
    other, manager = manager_of(), manager_of()
    await enrol(other, atlassian, "acme")
    await revoke(other, atlassian, atlassian_clock, "acme")
    looks = {}
    assert await look(manager, looks) == []
    await other.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    atlassian_clock.advance(timedelta(minutes=15) - TINY)
    assert await look(manager, looks) == []
    atlassian_clock.advance(TINY)
    assert await look(manager, looks) == ["acme"]


# -- prune -----------------------------------------------------------------------------------------


async def revoke(manager, atlassian, atlassian_clock, key):
    atlassian.revoke_grant((await manager.token(key)).access_token)
    atlassian_clock.advance(HOUR)
    with pytest.raises(Exception, match="authorize"):
        await manager.token(key)


@pytest.mark.parametrize(
    ("passed", "pruned"), [(30 * DAY - TINY, []), (30 * DAY, ["dead"]), (30 * DAY + TINY, ["dead"])]
)
async def test_the_dead_are_deleted(manager, atlassian, atlassian_clock, passed, pruned):
    """A credential whose consent has been lost for 30 days is deleted, and no other."""
    await enrol(manager, atlassian, "acme", "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    atlassian_clock.advance(passed)

    assert await manager.prune() == pruned

    assert "acme" in await manager.keys()
    assert ("dead" in await manager.keys()) is not bool(pruned)


@pytest.mark.parametrize(("passed", "pruned"), [(120 * DAY - TINY, []), (120 * DAY, ["failing"])])
async def test_what_only_fails_is_kept_for_long(
    manager, atlassian, atlassian_clock, passed, pruned
):
    """A failing credential is not deleted before its refresh token has expired, after 90 days without use."""
    await enrol(manager, atlassian, "failing")
    begun = atlassian_clock.now()
    atlassian.fault("token", Fault.status(503), times=None)
    for _ in range(20):
        atlassian_clock.advance(DAY / 2)
        with pytest.raises(TransientError):
            await manager.refresh("failing")
    assert (await manager.status("failing")).refresh_status is TokenStatus.UNRECOVERABLE
    atlassian_clock.move_to(begun + passed)

    assert await manager.prune() == pruned


async def test_the_time_can_be_given(manager, atlassian, atlassian_clock):
    """`prune(now)` deletes what is unusable at that time."""
    await enrol(manager, atlassian, "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    since = (await manager.status("dead")).refresh_status_since

    assert await manager.prune(since + 30 * DAY - TINY) == []
    assert await manager.prune(since + 30 * DAY) == ["dead"]


async def test_what_ended_without_a_refresh_token(manager_of, atlassian, atlassian_clock):
    """A credential without a refresh token is unusable when its access token has expired."""
    manager = manager_of(jira_software_grant(atlassian))
    token = await manager.token("builds")

    assert await manager.prune(token.expires_at + 30 * DAY - TINY) == []
    assert await manager.prune(token.expires_at + 30 * DAY) == ["builds"]
    assert manager.peek("builds") is None


async def test_what_came_back_to_life_meanwhile(manager, atlassian, atlassian_clock, store):
    """A credential that a person authorizes just before it would be deleted is kept."""
    await enrol(manager, atlassian, "dead")
    alive = await store.get("tokens", "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    atlassian_clock.advance(31 * DAY)
    store.before_lock = lambda: store.put("tokens", "dead", alive.value)

    assert await manager.prune() == []
    assert (await manager.status("dead")).state is CredentialState.READY


async def test_what_was_forgotten_meanwhile(manager, atlassian, atlassian_clock, store):
    """A credential that another process deleted does not count as pruned."""
    await enrol(manager, atlassian, "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    atlassian_clock.advance(31 * DAY)
    store.before_lock = lambda: store.delete("tokens", "dead")

    assert await manager.prune() == []


async def test_what_others_keep_locked(manager, atlassian, atlassian_clock, store, caplog):
    """A credential whose lock another process holds is not pruned this time."""
    await enrol(manager, atlassian, "dead")
    await revoke(manager, atlassian, atlassian_clock, "dead")
    atlassian_clock.advance(31 * DAY)
    store.before_lock = busy

    assert await manager.prune() == []

    store.before_lock = None
    [logged] = [record for record in caplog.records if "was not pruned" in record.msg]
    assert (logged.key, "Key 'dead'" in logged.getMessage()) == ("dead", True)
    assert await manager.prune() == ["dead"]


async def test_what_cannot_be_read_is_not_deleted(manager, store, caplog):
    """Bytes that are no record are not deleted."""
    caplog.set_level(logging.WARNING)
    await store.put("tokens", "strange", b"not ours")

    assert await manager.prune() == []

    assert "Key 'strange' was skipped" in caplog.text
    with pytest.raises(StoreError):
        await manager.status("strange")


@pytest.mark.parametrize("job", ["keep_fresh", "keep_alive"])
async def test_an_outage_ends_no_job(manager, atlassian, atlassian_clock, job, caplog):
    """A refresh that fails is logged, and tried again in the next round."""
    await enrol(manager, atlassian, "acme")
    atlassian_clock.advance(80 * DAY)
    atlassian.fault("token", Fault.status(503), times=3)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(getattr(manager, job))
        while (await manager.status("acme")).refresh_count < 2:
            pass
        tasks.cancel_scope.cancel()

    assert "Key 'acme' could not be kept" in caplog.text


async def test_keep_fresh_is_as_early_as_a_request(manager_of, atlassian, atlassian_clock):
    """`keep_fresh` refreshes a token when a request would refresh it ahead, not only when it ends."""
    manager = manager_of(refresh_ahead_seconds=600, refresh_spread_seconds=0)
    await enrol(manager, atlassian, "acme")
    token = await manager.token("acme")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(manager.keep_fresh)
        while atlassian_clock.now() < token.expires_at - timedelta(seconds=400):
            await manager.keys()
        tasks.cancel_scope.cancel()

    assert (await manager.token("acme")).access_token != token.access_token


async def test_keep_fresh_takes_what_another_process_has_saved(
    manager_of, atlassian, atlassian_clock
):
    """If a token is due that another process has refreshed, the stored one is taken, and not refreshed."""
    first, second = manager_of(refresh_ahead_seconds=600), manager_of(refresh_ahead_seconds=600)
    await enrol(first, atlassian, "acme")
    before = await second.token("acme")
    atlassian_clock.move_to(before.expires_at - timedelta(seconds=300))
    after = await first.refresh("acme")

    await keep_fresh(second, atlassian_clock, timedelta(seconds=30))

    assert second.peek("acme") == after


async def keep_fresh(manager, clock, every):
    """Let ``keep_fresh`` run one round, or a second one at most."""
    began = clock.time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(functools.partial(manager.keep_fresh, every=every))
        while clock.time() == began:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_keep_fresh_looks_as_far_as_its_next_round(manager_of, atlassian, atlassian_clock):
    """All tokens that would be within the buffer at the next round are refreshed in this one."""
    manager, every = manager_of(refresh_ahead_seconds=0), timedelta(minutes=5)
    await enrol(manager, atlassian, "one", "two", "three")
    atlassian_clock.advance(HOUR - every - timedelta(seconds=5))
    now = atlassian_clock.now()

    await keep_fresh(manager, atlassian_clock, every)

    refreshed = [(await manager.status(key)).last_refreshed_at for key in ("one", "two", "three")]
    assert refreshed == [now] * 3


async def test_a_cached_token_costs_no_read(manager, atlassian, atlassian_clock, store, caplog):
    """`keep_fresh` reads the record of a key only if its token is not in memory."""
    await enrol(manager, atlassian, "acme")
    store.unreadable = "acme"

    await keep_fresh(manager, atlassian_clock, timedelta(minutes=5))

    assert caplog.text == ""
