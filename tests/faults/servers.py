"""Troubles with real servers: Redis and PostgreSQL go away, come back, and forget."""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache

import pytest

from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import PostgresStore, RedisStore
from tests.faults.endpoint import CLOUD, DATA_CENTER, LOST
from tests.faults.stage import HOUR, ask_for_token, ask_to_refresh, real_time
from tests.faults.trouble import Seen, Trouble, alike, apart
from tests.harness.world import KEY
from tests.model.recording import describe
from tests.servers import PostgresCluster, redis_on_socket, short_folder

RUNNING = ExitStack()
"""What is still running; to be closed when no more trouble is played."""

_numbers = itertools.count(1)


class Switch:
    """A server that can be turned off and on."""

    def remember(self):
        """Keep what it holds until it is on again."""

    def __init__(self, run):
        self._run = run
        self._running = ExitStack()
        self.on()

    def on(self):
        self._running.enter_context(self._run())

    def off(self):
        self._running.close()


# -- Redis ----------------------------------------------------------------------------------------


class Redis(Switch):
    """A Redis that writes its records to the disk on request, and reads them when it starts."""

    def __init__(self, folder):
        self.url = f"unix://{folder / 'redis.sock'}"
        super().__init__(lambda: redis_on_socket(folder))

    def remember(self):
        with self._connect() as client:
            client.save()

    def let_leases_run_out(self):
        with self._connect() as client:
            for lock in client.keys("*:lock:*"):
                client.pexpire(lock, 1)

    @contextmanager
    def _connect(self):
        import redis

        with redis.Redis.from_url(self.url) as client:
            yield client


@cache
def redis():
    pytest.importorskip("redis", reason="no client for Redis")
    server = Redis(RUNNING.enter_context(short_folder()))
    RUNNING.callback(server.off)
    return server


@asynccontextmanager
async def on_redis(product, _load):
    server, prefix = redis(), f"cell-{next(_numbers)}"

    def new_store(clock):
        return RedisStore(server.url, prefix=prefix, clock=clock)

    async with real_time(product, new_store) as stage:
        stage.server = server
        yield stage


async def stored(stage):
    """Return what the store holds now."""
    store = stage.new_store()
    found = await store.get("tokens", KEY)
    await store.aclose()
    return describe(found.value)


def last_save_lost(*, restart):
    """Return a trouble's course: the server dies, and its successor has never heard of the last save.

    Args:
        restart: Whether all processes that knew what was saved end, too.
    """

    @asynccontextmanager
    async def lasts(stage):
        stage.server.remember()
        remembered = await stored(stage)
        yield
        stage.server.off()
        # A refresh may be in progress. All that the server loses, its lock too, is lost before it answers.
        stage.happened("lock taken away")
        stage.happened("restored", remembered)
        stage.server.on()
        if restart:
            await stage.restart()
        stage.ask_with = ask_to_refresh

    return lasts


# -- PostgreSQL -----------------------------------------------------------------------------------


class Postgres(Switch):
    """A PostgreSQL, which remembers in any case."""

    def __init__(self, folder):
        cluster = PostgresCluster(folder)
        self.url = cluster.url
        super().__init__(cluster.running)

    def refuse_writes(self, *, refuse):
        """Let it read only, as a standby or a server without room does, or write again."""
        import psycopg

        mode = "on" if refuse else "off"
        writing = {"options": "-cdefault_transaction_read_only=off", "autocommit": True}
        with psycopg.connect(self.url, **writing) as connection:
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {mode}")
            connection.execute("SELECT pg_reload_conf()")
        shown = None
        while shown != (mode,):
            with psycopg.connect(self.url) as connection:
                shown = connection.execute("SHOW default_transaction_read_only").fetchone()


@cache
def postgres():
    if sys.platform == "win32":
        pytest.skip("the PostgreSQL of the tests needs a Unix socket")
    pytest.importorskip("psycopg", reason="no client for PostgreSQL")
    server = Postgres(RUNNING.enter_context(short_folder()))
    RUNNING.callback(server.off)
    return server


@asynccontextmanager
async def on_postgres(product, _load):
    server, table = postgres(), f"cell_{next(_numbers)}"

    def new_store(clock):
        return PostgresStore(server.url, table=table, clock=clock)

    async with real_time(product, new_store) as stage:
        stage.server = server
        yield stage


# -- courses --------------------------------------------------------------------------------------


@asynccontextmanager
async def down(stage):
    stage.server.remember()
    stage.server.off()
    try:
        yield
    finally:
        stage.server.on()


@asynccontextmanager
async def reading_only(stage):
    stage.server.refuse_writes(refuse=True)
    try:
        yield
    finally:
        stage.server.refuse_writes(refuse=False)


async def restarted(stage):
    stage.happened("lock taken away")
    stage.server.off()
    stage.server.on()


async def lease_over(stage):
    stage.happened("lock taken away")
    stage.server.let_leases_run_out()


def in_mid_exchange(mishap):
    """Return a trouble's course: it happens to the holder of the lock while the answer is under way.

    The others of a fleet ask afterwards, and have the lock, or learn that they cannot, before the
    holder has its answer.
    """

    @asynccontextmanager
    async def lasts(stage):
        happened = SharedFuture()

        async def ask_one_after_the_other(_, manager):
            if manager is not stage.managers[0]:
                await happened.wait()
            return await ask_for_token(stage, manager)

        async def happen():
            await gate.arrived()
            await mishap(stage)
            happened.set_result(None)
            if len(stage.managers) > 1:
                await stage.news.wait()
            gate.open()

        gate, stage.news = stage.atlassian.hold("token"), SharedFuture()
        stage.ask_with = ask_one_after_the_other
        happening = asyncio.ensure_future(happen())
        try:
            yield
            await happening
        finally:
            happening.cancel()
            gate.open()
        stage.ask_with = ask_for_token

    return lasts


_CAS = "The process that saves second finds a newer version, and uses it."
_REFUSED = (
    "Another manager presents the used refresh token and is refused. The new pair "
    "is used as soon as it is saved."
)

TROUBLES = (
    Trouble(
        name="Redis is down",
        promise="No request is sent.",
        stage=on_redis,
        lasts=down,
        seen=alike("store", "store", 0),
        words=("redis.sock",),
    ),
    Trouble(
        name="The lease of the lock in Redis expires during an exchange",
        promise=_CAS,
        products=CLOUD,
        stage=on_redis,
        lasts=in_mid_exchange(lease_over),
        seen=alike("token", "ready", 1, fleet=2),
    ),
    Trouble(
        name="The lease of the lock in Redis expires during an exchange",
        promise=_REFUSED,
        products=DATA_CENTER,
        stage=on_redis,
        lasts=in_mid_exchange(lease_over),
        seen=apart(Seen(("token",), "ready", 1), Seen((LOST, "token"), "ready", 2)),
        excused=True,
    ),
    Trouble(
        name="Redis fails over and loses the last save",
        promise="A process that has the newer pair saves it again before its next request, "
        "however much later.",
        stage=on_redis,
        lasts=last_save_lost(restart=False),
        seen=alike("token", "ready", 1, fleet=1),
        passed_seconds=HOUR,
    ),
    Trouble(
        name="Redis loses the last save, and all processes start anew within 10 minutes",
        promise="The server accepts the older refresh token again within the leeway.",
        products=CLOUD,
        stage=on_redis,
        lasts=last_save_lost(restart=True),
        seen=alike("token", "ready", 1, fleet=1),
    ),
    Trouble(
        name="Redis loses the last save, and all processes start anew an hour later",
        promise="The consent is lost: no process has its refresh token. The error says what to "
        "do. Let replicas confirm each write.",
        stage=on_redis,
        lasts=last_save_lost(restart=True),
        seen=alike("token", "ready", 1, fleet=1, afterwards=LOST),
        passed_seconds=HOUR,
        excused=True,
    ),
    Trouble(
        name="PostgreSQL is down",
        promise="No request is sent.",
        stage=on_postgres,
        lasts=down,
        seen=alike("store", "store", 0),
        words=("did not",),
    ),
    Trouble(
        name="PostgreSQL reads and does not write",
        promise="No request is sent, because a store that cannot save gives no lock.",
        stage=on_postgres,
        lasts=reading_only,
        seen=alike("store", "ready", 0),
        words=("did not lock",),
    ),
    Trouble(
        name="PostgreSQL restarts during an exchange",
        promise=f"The pair is saved over a new connection. {_CAS}",
        products=CLOUD,
        stage=on_postgres,
        lasts=in_mid_exchange(restarted),
        seen=alike("token", "ready", 1, fleet=2),
    ),
    Trouble(
        name="PostgreSQL restarts during an exchange",
        promise=f"The pair is saved over a new connection. {_REFUSED}",
        products=DATA_CENTER,
        stage=on_postgres,
        lasts=in_mid_exchange(restarted),
        seen=apart(Seen(("token",), "ready", 1), Seen((LOST, "token"), "ready", 2)),
        excused=True,
    ),
)
