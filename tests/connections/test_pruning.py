"""Pruning: what cannot be used any more is deleted, on a schedule, once for all processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from atlassian_auth import AuthorizationRequired, ConfigurationError, Settings
from atlassian_auth.connections._pruning import next_time
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import ManualClock
from tests.connections.conftest import EVERY_STORE

DAY = timedelta(days=1)
SKEW = timedelta(seconds=60)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)  # a Thursday


@pytest.fixture
def dead(connections, connected, atlassian):
    """The id of a token that the provider has refused."""

    async def kill():
        token = await connections.tokens.get(connected)
        atlassian.revoke_grant(token.refresh_token)
        with pytest.raises(AuthorizationRequired):
            await connections.handler.refresh(connected)
        return connected

    return anyio.run(kill)


@pytest.mark.parametrize(
    ("settings", "period"),
    [(Settings(), 30 * DAY + SKEW), (Settings(prune_after=DAY, max_clock_skew_seconds=1), DAY)],
)
async def test_a_dead_token_is_deleted_in_time(
    connections_of, dead, consent, config, atlassian_clock, settings, period
):
    """Seed 001, 1.6 and 1.31: 30 days and the clock skew after it was refused, or as ``prune_after`` says."""
    connections = connections_of(settings=settings)
    if period == DAY:
        period += timedelta(seconds=1)
    await consent(config)
    atlassian_clock.advance(period - timedelta(seconds=1))

    assert await connections.prune() == ()
    atlassian_clock.advance(1)
    assert await connections.prune() == (dead,)
    assert len(await connections.tokens.list()) == 1


@EVERY_STORE
async def test_tokens_of_a_deleted_configuration_are_deleted(
    connections, config, connected, atlassian_clock
):
    """Seed 001, 1.31: they are kept for ``prune_after``, in case it was a mistake."""
    await connections.configs.delete(config.id)
    atlassian_clock.advance(30 * DAY - timedelta(seconds=1))

    assert await connections.prune() == ()
    atlassian_clock.advance(1)
    assert await connections.prune() == (connected,)
    assert await connections.tokens.list() == ()


@EVERY_STORE
async def test_other_keys_of_the_store_are_left_alone(connections, config, store, connected):
    """A store may be shared with managers that know nothing of connections."""
    await store.put("tokens", "acme", b"not ours")

    assert await connections.prune() == ()
    assert await connections.tokens.list() == (connected,)
    assert await store.get("tokens", "acme") is not None


async def run_job(*all_connections, until):
    """Run the jobs until the clock has reached a time."""
    async with anyio.create_task_group() as tasks:
        for connections in all_connections:
            tasks.start_soon(connections.prune_job)
        await until()
        tasks.cancel_scope.cancel()


@pytest.mark.every_loop
@pytest.mark.parametrize(
    ("settings", "minutes"),
    [(Settings(), 11 * 60), (Settings(prune_schedule="0 30 14 ? * THU"), 150)],
)
async def test_the_job_follows_the_schedule(connections_of, dead, store, config, settings, minutes):
    """Seed 001, 1.7: at 23:00 UTC each day, or as ``prune_schedule`` says; not before."""
    clock = ManualClock(NOON + 42 * DAY, autojump=False)  # a Thursday too
    connections = connections_of(clock=clock, settings=settings)

    async def until():
        await anyio.wait_all_tasks_blocked()
        clock.advance(timedelta(minutes=minutes) - timedelta(seconds=1))
        await anyio.wait_all_tasks_blocked()
        assert await connections.tokens.list() == (dead,)
        clock.advance(1)
        while await connections.tokens.list():
            await anyio.lowlevel.checkpoint()

    await run_job(connections, until=until)


class _Counting(MemoryStore):
    """A store that counts how often its credentials are listed for pruning."""

    listed = 0

    async def keys(self, namespace):
        self.listed += namespace == "client_configs"
        return await super().keys(namespace)


async def test_one_process_prunes(connections_of):
    """Seed 001, 1.7: of several processes on one store, one prunes at each time of the schedule."""
    clock = ManualClock(NOON, autojump=False)
    store = _Counting(clock=clock)
    nodes = [connections_of(on=store, clock=clock) for _ in range(3)]

    async def until():
        for day in (1, 2):
            await anyio.wait_all_tasks_blocked()
            clock.advance(DAY)
            while store.listed < day:
                await anyio.lowlevel.checkpoint()
            for node in nodes:  # each had its turn in the runner
                await node.tokens.list()

    await run_job(*nodes, until=until)

    assert store.listed == 2


class _Failing(MemoryStore):
    """A store that cannot be locked."""

    def __init__(self, clock, error):
        super().__init__(clock=clock)
        self.error, self.tried = error, 0

    def lock(self, namespace, key, *, timeout_seconds):
        self.tried += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "logged"),
    [(OSError("down"), "could not be pruned"), (TimeoutError(), "Another process prunes")],
)
async def test_a_job_goes_on_after_a_failure(
    connections_of, atlassian_clock, caplog, error, logged
):
    """A store that is down, or a lock that another process holds, is tried again at the next time."""
    caplog.set_level("DEBUG", logger="atlassian_auth")
    store = _Failing(atlassian_clock, error)

    async def until():
        while store.tried < 2:
            await anyio.lowlevel.checkpoint()

    await run_job(connections_of(on=store), until=until)

    assert logged in caplog.text


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 23 * * ?", datetime(2026, 1, 1, 23, tzinfo=UTC)),
        ("30 5 * * * ?", datetime(2026, 1, 1, 12, 5, 30, tzinfo=UTC)),
        ("0 0 3 ? * SUN", datetime(2026, 1, 4, 3, tzinfo=UTC)),
        ("0 0 3 1 FEB ?", datetime(2026, 2, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_six_fields_are_those_of_quartz(schedule, expected):
    """Seed 001, 1.7: the first field is the second, the last the day of the week."""
    assert next_time(schedule, NOON) == expected


@pytest.mark.parametrize(
    "wrong", ["", "0 23 * * *", "0 0 25 * * ?", "0 0 23 ? * 1", "a b c d e f", "0 0 0 31 2 ?"]
)
async def test_what_is_no_schedule_is_refused(connections_of, wrong):
    """The job raises at once; a number is no day of the week, because Quartz and cron differ in it."""
    connections = connections_of(settings=Settings(prune_schedule=wrong))

    with pytest.raises(ConfigurationError, match="must have six fields") as caught:
        await connections.prune_job()

    assert caught.value.argument == "prune_schedule"


async def test_a_missing_package_names_its_extra(connections, monkeypatch):
    """Without croniter the job says what to install; all else works without it."""
    monkeypatch.setitem(__import__("sys").modules, "croniter", None)

    with pytest.raises(ConfigurationError, match=r"atlassian-auth\[connections\]"):
        await connections.prune_job()
