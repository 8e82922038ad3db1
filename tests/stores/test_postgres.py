"""PostgresStore keeps the contract on a real server, whatever happens to its connections."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.stores import ABSENT, EncryptedStore, PostgresStore, Stored, Target
from atlassian_auth.stores._postgres_connections import Unreachable
from atlassian_auth.stores.postgres import _PostgresServer
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract
from tests.stores.server_processes import ServerProcesses
from tests.stores.wrapped import WrappedStoreContract

psycopg = pytest.importorskip("psycopg")
KEY = EncryptedStore.generate_key()
FORMATS = Path(__file__).parents[1] / "records" / "formats"
TROUBLE_SECONDS = 0.2  # what a server that hangs may take of a test's time


@pytest.fixture
def table():
    return f"test_{secrets.token_hex(8)}"


@pytest.fixture
def raw(postgres_url, table):
    """Look at the server without the store, and leave nothing there."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection
        connection.execute(f"DROP TABLE IF EXISTS {table}")


@pytest.fixture
def role(raw, table):
    """A user without rights."""
    raw.execute(f"CREATE ROLE {table} LOGIN")
    raw.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield table
    raw.execute(f"DROP OWNED BY {table}")
    raw.execute(f"DROP ROLE {table}")


@pytest.fixture
async def opened():
    """Make stores that are closed when the test ends."""
    stores = []

    def opened(*arguments, **options):
        stores.append(PostgresStore(*arguments, **options))
        return stores[-1]

    yield opened
    for store in stores:
        await store.aclose()


class TestPostgresStore(ThreadSafeStoreContract):
    """PostgreSQL keeps every promise."""

    @pytest.fixture
    def store(self, clock, raw, postgres_url, table):
        return PostgresStore(postgres_url, table=table, clock=clock)

    @pytest.fixture
    def second(self, clock, postgres_url, table):
        return PostgresStore(postgres_url, table=table, clock=clock)

    async def test_records_that_are_over_leave_the_table(self, store, clock, raw, table):
        """A later `put` deletes expired records from the table."""
        await store.put("flows", "state", b"value", ttl_seconds=10)
        clock.advance(10)

        await store.put("tokens", "acme", b"value")

        rows = raw.execute(f"TABLE {table}").fetchall()
        assert [key for _, _, key, *_ in rows] == [b"acme"]


class TestEncryptedPostgresStore(WrappedStoreContract):
    """With ciphertext in it, PostgreSQL keeps every promise."""

    @pytest.fixture
    def store(self, clock, raw, postgres_url, table):
        return EncryptedStore(
            PostgresStore(postgres_url, table=table, clock=clock), KEY, clock=clock
        )

    @pytest.fixture
    def second(self, clock, postgres_url, table):
        return EncryptedStore(
            PostgresStore(postgres_url, table=table, clock=clock), KEY, clock=clock
        )


@pytest.fixture
async def store(opened, raw, postgres_url, table):
    return opened(postgres_url, table=table)


async def enter(store, key="acme"):
    async with store.lock("tokens", key, timeout_seconds=0):
        pass


class TestTable:
    """The store makes its table, or takes the one it finds."""

    async def test_made_by_many(self, opened, raw, postgres_url, table):
        """Many stores that open a new database together make one table, and none fails."""
        stores = [opened(postgres_url, table=table) for _ in range(8)]

        async with anyio.create_task_group() as tasks:
            for number, store in enumerate(stores):
                tasks.start_soon(store.put, "tokens", str(number), b"value")

        assert len(await stores[0].keys("tokens")) == 8

    async def test_a_schema(self, opened, raw, postgres_url, table):
        """A table may be in any schema."""
        raw.execute(f"CREATE SCHEMA {table}")
        store = opened(postgres_url, table=f"{table}.records")

        await store.put("tokens", "acme", b"value")

        assert len(raw.execute(f"TABLE {table}.records").fetchall()) == 1
        raw.execute(f"DROP SCHEMA {table} CASCADE")

    async def test_the_same_table_by_two_names(self, opened, store, postgres_url, table):
        """Locks belong to the table, whatever it is called."""
        other = opened(postgres_url, table=f"public.{table}")

        async with store.lock("tokens", "acme", timeout_seconds=0):
            with pytest.raises(TimeoutError):
                await enter(other)

    async def test_one_that_may_not_make_it(self, opened, raw, role, postgres_url):
        """If the user may not create tables, the error says what to do."""
        store = opened(f"{postgres_url}&user={role}", table=role, connections=1, locks=1)

        for _ in range(2):
            for call in (
                lambda: store.put("tokens", "acme", b"value"),
                lambda: enter(store),
            ):
                with pytest.raises(StoreError, match=r"InsufficientPrivilege.*create the table"):
                    await call()

    async def test_one_that_need_not_make_it(self, opened, store, raw, role, postgres_url):
        """If the table exists, the user needs only the rights to use it."""
        await store.keys("tokens")
        raw.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {role} TO {role}")
        other = opened(f"{postgres_url}&user={role}", table=role)

        version = await other.put("tokens", "acme", b"value")

        assert await other.delete("tokens", "acme", expected=version)

    async def test_another_table(self, store, raw, table):
        """A table of another program is an error that shows no value, and stays as it is."""
        raw.execute(f"CREATE TABLE {table} (name text)")

        for call in (
            lambda: store.put("tokens", "acme", b"secret-value"),
            lambda: store.get("tokens", "acme"),
        ):
            with pytest.raises(StoreError, match="name another") as raised:
                await call()
            assert "secret" not in str(raised.value)
            assert raised.value.__cause__ is raised.value.__context__ is None

    async def test_a_refusal_shows_no_value(self, store, raw, table):
        """The server's own text quotes the row it is about; the error does not."""
        await store.keys("tokens")
        raw.execute(f"ALTER TABLE {table} ADD CHECK (length(value) < 5)")

        with pytest.raises(StoreError, match="CheckViolation") as raised:
            await store.put("tokens", "acme", b"secret-value")
        assert "secret" not in repr(raised.value)
        assert raised.value.__context__ is None

    async def test_changed_and_changed_back(self, store):
        """A conflict is raised even if the record has changed back when the reason is looked up."""

        async def refuse(server):
            target = Target("tokens", "acme", now=0, expected=ABSENT)
            async with server._connections.lend() as connection:
                await server._refuse(connection, target)

        await store.keys("tokens")
        with pytest.raises(VersionConflict, match="at the same time"):
            await store._thread.run(refuse)


class TestConnections:
    """Connections are few, are looked at before use, and never wait for one another for ever."""

    async def test_a_hundred_locks(self, store):
        """A hundred tasks that each hold a lock, read and write all finish."""

        async def refresh(key):
            async with store.lock("tokens", key, timeout_seconds=60):
                stored = await store.get("tokens", key)
                assert stored is None
                await store.put("tokens", key, b"value", expected=0)

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(refresh, str(number))

        assert len(await store.keys("tokens")) == 100

    async def test_as_many_locks_as_said(self, opened, raw, postgres_url, table):
        """With all connections for locks in use another key has to wait; records need not."""
        store = opened(postgres_url, table=table, locks=2, connections=1)

        async with (
            store.lock("tokens", "1", timeout_seconds=0),
            store.lock("tokens", "2", timeout_seconds=0),
        ):
            with pytest.raises(TimeoutError):
                await enter(store, "3")
            await store.put("tokens", "3", b"value")
        await enter(store, "3")

    async def test_few_are_kept(self, opened, raw, postgres_url, table):
        """After a storm all but a few are closed, and all by `aclose`."""
        store = opened(f"{postgres_url}&application_name={table}", table=table)

        def count():
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            return raw.execute(query, [table]).fetchone()[0]

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(store.get, "tokens", str(number))

        assert 1 <= count() <= 4
        await store.aclose()
        while count():
            await anyio.lowlevel.checkpoint()

    async def test_ended_by_the_server(self, opened, raw, postgres_url, table):
        """Connections that the server has ended meanwhile are replaced."""
        store = opened(f"{postgres_url}&application_name={table}", table=table)
        version = await store.put("tokens", "acme", b"value")

        end_connections(raw, table)

        assert await store.get("tokens", "acme") == Stored(b"value", version)

    async def test_ended_in_use(self, store, raw):
        """A read whose connection ends is repeated over another connection."""
        version = await store.put("tokens", "acme", b"value")

        async with ended_in_use(store, raw):
            assert await store.get("tokens", "acme") == Stored(b"value", version)
        async with ended_in_use(store, raw):
            assert await store.keys("tokens") == ["acme"]

    async def test_a_lock_whose_connection_ended(self, store, raw):
        """A lock request whose connection ends is repeated over another connection."""
        await enter(store)
        async with ended_in_use(store, raw):
            await enter(store)

    async def test_a_write_ended_in_use(self, store, raw):
        """A change is not made twice: if its outcome is unknown, the error says so."""
        await store.put("tokens", "acme", b"value")

        async with ended_in_use(store, raw):
            with pytest.raises(StoreError, match="did not write"):
                await store.put("tokens", "acme", b"other")

    async def test_other_troubles_are_not_repeated(self, store):
        """A statement that the server refuses is not repeated."""
        attempts = []

        async def refused():
            attempts.append(1)
            raise psycopg.errors.QueryCanceled("statement timeout")

        async def ask(server):
            await server._run_explained("read", refused)

        with pytest.raises(StoreError, match="QueryCanceled"):
            await store._thread.run(ask)
        assert len(attempts) == 1

    @pytest.fixture
    def small_role(self, raw, table):
        """A user who may have six connections."""
        raw.execute(f"CREATE ROLE {table} LOGIN CONNECTION LIMIT 6")
        raw.execute(f"CREATE SCHEMA AUTHORIZATION {table}")
        yield table
        raw.execute(f"DROP OWNED BY {table}")
        raw.execute(f"DROP ROLE {table}")

    async def test_few_connections_allowed(self, opened, raw, small_role, postgres_url):
        """If the server gives few connections, forty keys share them."""
        url = f"{postgres_url}&user={small_role}"
        store = opened(url, table=f"{small_role}.records", timeout_seconds=60)

        async def refresh(key):
            async with store.lock("tokens", key, timeout_seconds=60) as hold:
                assert await store.get("tokens", key) is None
                assert await hold.confirm()
                await store.put("tokens", key, b"value", expected=0)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(refresh, str(number))

        assert len(await store.keys("tokens")) == 40

    async def test_two_connections_allowed(self, opened, raw, small_role, postgres_url):
        """Two are enough: one for a lock and one for the records."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 2")
        url = f"{postgres_url}&user={small_role}"
        store = opened(url, table=f"{small_role}.records", timeout_seconds=60)

        async def refresh(key):
            async with store.lock("tokens", key, timeout_seconds=60):
                await store.put("tokens", key, b"value", expected=0)

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(refresh, str(number))

        assert len(await store.keys("tokens")) == 5

    async def test_returned_while_another_is_refused(self, opened, raw, small_role, postgres_url):
        """A lock gets the connection that was returned while the server refused another one."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 2")
        store = opened(f"{postgres_url}&user={small_role}", table=f"{small_role}.records")

        async def take_again(server):
            connections = server._connections
            first = await connections.take_for_lock()
            again = asyncio.create_task(connections.take_for_lock())
            await asyncio.wait([again], timeout=0)  # it asks the server
            await connections.return_from_lock(first)
            second = await again
            await connections.return_from_lock(second)
            return second is first

        assert await store._thread.run(take_again)

    async def test_one_connection_allowed(self, opened, raw, small_role, postgres_url):
        """One connection is not enough, and the error quotes the server."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 1")
        url = f"{postgres_url}&user={small_role}"
        store = opened(url, table=f"{small_role}.records", timeout_seconds=TROUBLE_SECONDS)
        await store.put("tokens", "acme", b"value")

        with pytest.raises(StoreError, match="too many connections"):
            await enter(store)

    async def test_no_connection_allowed(self, opened, raw, small_role, postgres_url):
        """If the server gives no connection, all callers get the error at once: none waits for another."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 0")
        store = opened(f"{postgres_url}&user={small_role}", timeout_seconds=600)

        async def fail(call):
            with pytest.raises(StoreError, match="too many connections"):
                await call()

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(fail, lambda: store.get("tokens", "acme"))
                tasks.start_soon(fail, lambda: enter(store))

    async def test_one_refusal_is_for_all_who_wait(self, opened, raw, small_role, postgres_url):
        """Connections are opened one at a time, and the tasks that wait share a refusal."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 0")
        store = opened(f"{postgres_url}&user={small_role}")

        async def take_four(server):
            connections = server._connections
            attempts = (connections._take() for _ in range(4))
            errors = await asyncio.gather(*attempts, return_exceptions=True)
            return {type(error) for error in errors}, connections._failures

        assert await store._thread.run(take_four) == ({Unreachable}, 1)

    async def test_none_given_back(self, opened, raw, small_role, postgres_url):
        """A caller that waits too long for a connection gets the reason that the server gave."""
        raw.execute(f"ALTER ROLE {small_role} CONNECTION LIMIT 2")
        url = f"{postgres_url}&user={small_role}"
        store = opened(url, table=f"{small_role}.records", timeout_seconds=TROUBLE_SECONDS)

        async with store.lock("tokens", "1", timeout_seconds=0):

            async def take_twice(server):
                taken = await server._connections._take()
                try:
                    await server._connections._take()
                except Unreachable as error:
                    return str(error)
                finally:
                    await server._connections._return(taken, server._connections._records)

            told = await store._thread.run(take_twice)
            await store.put("tokens", "1", b"value")

        assert re.search(r"too many connections.* for 0.2 s", told)

    async def test_a_lock_ended_by_the_server(self, opened, raw, postgres_url, table, caplog):
        """A lock ends with its connection, and its holder logs a warning and goes on."""
        store = opened(f"{postgres_url}&application_name={table}", table=table)
        other = opened(postgres_url, table=table)

        async with store.lock("tokens", "acme", timeout_seconds=0):
            end_connections(raw, table)
            async with other.lock("tokens", "acme", timeout_seconds=60):
                pass

        assert "The lock of key 'acme' was not released" in caplog.text
        await enter(store)

    async def test_closed_with_a_lock_held(self, opened, store, postgres_url, table):
        """Closing the store ends its locks, and their holders leave without an error."""
        other = opened(postgres_url, table=table)

        async with store.lock("tokens", "acme", timeout_seconds=0):
            await store.aclose()
            async with other.lock("tokens", "acme", timeout_seconds=60):
                pass

    async def test_settings_against_forgotten_transactions(self, store, raw):
        """A lock outlives the time that the server allows a transaction to be idle."""

        async def settings(server):
            (connection,) = server._held.values()
            names = ["idle_in_transaction_session_timeout"]
            if connection.info.server_version >= 17_00_00:
                names.append("transaction_timeout")
            found = [await (await connection.execute(f"SHOW {n}")).fetchone() for n in names]
            return {value for (value,) in found}

        async with store.lock("tokens", "acme", timeout_seconds=0):
            assert await store._thread.run(settings) == {"0"}

    @pytest.mark.parametrize(("version", "number"), [("16.9", 1), ("17.0", 2)])
    async def test_newer_servers_have_another(self, version, number):
        """From PostgreSQL 17 on there is one more such setting."""
        begin = _PostgresServer._begin_statement(int(version.replace(".", "000")))

        assert begin.count(b"SET LOCAL") == number


class TestHold:
    """The holder of a lock can ask whether it still has it."""

    @pytest.fixture
    def store(self, opened, raw, postgres_url, table):
        return opened(f"{postgres_url}&application_name={table}", table=table)

    async def test_it_is_held(self, store):
        """A lock is held for any time while its connection lives."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm()
            assert await hold.confirm(600)

    async def test_ended_by_the_server(self, store, raw, table):
        """A lock whose connection was ended by the server stays lost."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            end_connections(raw, table)

            assert not await hold.confirm()
            assert not await hold.confirm()

    async def test_lost_to_another(self, store, raw, table, opened, postgres_url):
        """A lock that another process has is lost to the first."""
        other = opened(postgres_url, table=table)
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            end_connections(raw, table)
            async with other.lock("tokens", "acme", timeout_seconds=60) as others:
                assert not await hold.confirm()
                assert await others.confirm()

    async def test_after_the_end(self, store):
        """A lock is not held after its release, nor after the store was closed."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as released:
            pass
        async with store.lock("tokens", "acme", timeout_seconds=0) as closed:
            await store.aclose()
            assert not await closed.confirm()

        assert not await released.confirm()

    async def test_no_answer(self, opened, store, raw, postgres_url, table):
        """If the server does not answer in time, the lock counts as lost and the connection is closed."""
        await store.keys("tokens")
        hurried = opened(postgres_url, table=table, timeout_seconds=TROUBLE_SECONDS)

        async def stop(server):
            (connection,) = server._held.values()
            os.kill(connection.info.backend_pid, signal.SIGSTOP)
            return connection.info.backend_pid

        async with hurried.lock("tokens", "acme", timeout_seconds=0) as hold:
            stopped = await hurried._thread.run(stop)
            try:
                assert not await hold.confirm()
            finally:
                os.kill(stopped, signal.SIGCONT)


@asynccontextmanager
async def ended_in_use(store, raw):
    """End the connection that the store uses next, as soon as the body has sent something over it."""

    async def next_one(server):
        return server._connections._idle[-1]

    async def is_in_use(_):
        return connection.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE

    connection = await store._thread.run(next_one)
    backend = connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    raw.execute("SELECT pg_terminate_backend(%s)", [backend])
    async with anyio.create_task_group() as tasks:

        async def go_on():
            while not await store._thread.run(is_in_use):
                await anyio.lowlevel.checkpoint()
            os.kill(backend, signal.SIGCONT)

        tasks.start_soon(go_on)
        yield


async def test_behind_pgbouncer():
    """Behind PgBouncer, in its mode ``transaction``, many keys are locked, read and saved at once."""
    from tests.servers import PostgresCluster, pgbouncer, short_folder

    async def refresh(key):
        async with store.lock("tokens", key, timeout_seconds=60) as hold:
            assert await store.get("tokens", key) is None
            assert await hold.confirm()
            await store.put("tokens", key, b"value", expected=0)

    with short_folder() as folder:
        cluster = PostgresCluster(folder)
        with cluster.running(), pgbouncer(folder, pool_size=5) as url:
            store = PostgresStore(url, locks=4, timeout_seconds=60)
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(refresh, str(number))
            assert len(await store.keys("tokens")) == 40
            await store.aclose()


def end_connections(raw, name):
    """End all connections of this name, and return when they are gone."""
    query = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s"
    )
    assert all(done for (done,) in raw.execute(query, [name]).fetchall())


class TestTrouble:
    """Any fault of the server or the network is a StoreError that says what to do, without a secret."""

    async def test_no_server_there(self, opened, tmp_path):
        """The error for a missing server names its address, without the password."""
        store = opened(f"postgresql://user:secret@/tokens?host={tmp_path}")

        for call in (lambda: store.put("tokens", "acme", b"secret"), lambda: enter(store)):
            with pytest.raises(StoreError, match="can be reached") as raised:
                await call()
            assert f"PostgreSQL at {tmp_path}:5432/tokens did not connect" in str(raised.value)
            assert "secret" not in str(raised.value)
            assert raised.value.__cause__ is raised.value.__context__ is None

    async def test_no_such_database(self, opened, postgres_url):
        """The error quotes what the server says about the database or the user."""
        store = opened(f"{postgres_url}&dbname=nowhere")

        with pytest.raises(StoreError, match='database "nowhere" does not exist'):
            await store.get("tokens", "acme")

    async def test_no_answer(self, opened, store, raw, postgres_url, table):
        """A call times out waiting for an answer or a connection; a write may have been made."""
        await store.keys("tokens")
        hurried = opened(postgres_url, table=table, timeout_seconds=TROUBLE_SECONDS, connections=1)
        problems = []

        async def put():
            with pytest.raises(StoreError) as raised:
                await hurried.put("tokens", "acme", b"secret-value")
            problems.append(str(raised.value))

        with raw.transaction():
            raw.execute(f"LOCK TABLE {table}")
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(put)
            with pytest.raises(StoreError) as raised:
                await hurried.get("tokens", "acme")

        told = sorted("not known" in problem for problem in problems)
        assert told == [False, True]
        assert any("all 1 connections were in use" in problem for problem in problems)
        assert "not known" not in str(raised.value)
        assert "secret" not in str(problems)

    async def test_a_replica(self, store, raw, postgres_url, table, opened):
        """A server that takes no writes says so, and the error says where to go."""
        await store.keys("tokens")
        replica = opened(
            f"{postgres_url}&options=-cdefault_transaction_read_only%3Don", table=table
        )

        with pytest.raises(StoreError, match="replica: connect to the primary"):
            await replica.put("tokens", "acme", b"value")
        assert await replica.get("tokens", "acme") is None

    async def test_no_lock_where_nothing_can_be_saved(self, store, postgres_url, table, opened):
        """A server that cannot write gives no lock, so no token is refreshed that it could not save."""
        await store.keys("tokens")
        replica = opened(
            f"{postgres_url}&options=-cdefault_transaction_read_only%3Don", table=table
        )

        with pytest.raises(StoreError, match=r"did not lock.*replica: connect to the primary"):
            await enter(replica)
        async with store.lock(
            "tokens", "acme", timeout_seconds=60
        ):  # once the replica's session has ended
            pass

    async def test_no_lock_on_a_standby(self, opened):
        """A standby server gives no lock."""
        from tests.servers import PostgresCluster, short_folder

        with short_folder() as folder:
            cluster = PostgresCluster(folder)
            store = opened(cluster.url)
            with cluster.running():
                await store.put("tokens", "acme", b"value")
            (cluster.data / "standby.signal").touch()
            with cluster.running(ready="ready to accept read-only connections"):
                assert (await store.get("tokens", "acme")).value == b"value"
                with pytest.raises(StoreError, match=r"did not lock.*replica: connect"):
                    await enter(store)
                await store.aclose()

    @pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE"])
    async def test_no_lock_without_the_right_to_write(
        self, store, raw, role, postgres_url, opened, right
    ):
        """A user who may read, but not write, gets no lock."""
        await store.keys("tokens")
        raw.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {role} TO {role}")
        other = opened(f"{postgres_url}&user={role}", table=role)
        await enter(other)
        raw.execute(f"REVOKE {right} ON {role} FROM {role}")

        with pytest.raises(StoreError, match=r"did not lock.*Grant its user"):
            await enter(other)

    async def test_gone_with_a_lock_held(self, opened):
        """If the server has gone, a call under a lock raises at once, and waits for no connection."""
        from tests.servers import PostgresCluster, short_folder

        with short_folder() as folder:
            cluster = PostgresCluster(folder)
            store = opened(cluster.url, timeout_seconds=600)
            lock = store.lock("tokens", "acme", timeout_seconds=0)
            with cluster.running():
                hold = await lock.__aenter__()

            with pytest.raises(StoreError, match="can be reached"):
                await store.get("tokens", "acme")
            assert not await hold.confirm()
            with pytest.raises(StoreError, match="can be reached"):
                await store.get("tokens", "acme")
            await lock.__aexit__(None, None, None)

    async def test_restarted(self, opened):
        """After a restart of the server the next call works, and the records are there."""
        from tests.servers import PostgresCluster, short_folder

        with short_folder() as folder:
            cluster = PostgresCluster(folder)
            store = opened(cluster.url)
            with cluster.running():
                version = await store.put("tokens", "acme", b"value")
            with pytest.raises(StoreError):
                await store.get("tokens", "acme")

            with cluster.running():
                assert await store.get("tokens", "acme") == Stored(b"value", version)
                await store.aclose()


class TestProcesses(ServerProcesses):
    """Many processes, one PostgreSQL."""

    @pytest.fixture
    def made(self, raw, postgres_url, table):
        return f"PostgresStore({postgres_url!r}, table={table!r})"


class TestArguments:
    """A wrong argument is refused at once; the error names it and shows no password."""

    @pytest.mark.parametrize(
        "conninfo",
        [
            pytest.param("http://user:secret@host", id="scheme"),
            pytest.param("postgresql://user:sec%zzret@host", id="encoding"),
            pytest.param("host=there password='secret", id="quotes"),
            pytest.param("postgresql://user:secret@host/db?secret=1", id="option"),
        ],
    )
    def test_conninfo(self, conninfo):
        """A connection string must be one that libpq understands."""
        with pytest.raises(ConfigurationError, match="postgresql://") as raised:
            PostgresStore(conninfo)
        assert raised.value.argument == "conninfo"
        assert "secret" not in str(raised.value)
        assert raised.value.__cause__ is raised.value.__context__ is None

    @pytest.mark.parametrize("table", ["", "a b", "a;b", 'a"b', "a.b.c", "a.", "1a"])
    def test_table(self, table):
        """A table has a plain name."""
        with pytest.raises(ConfigurationError) as raised:
            PostgresStore("postgresql://localhost", table=table)
        assert raised.value.argument == "table"

    @pytest.mark.parametrize(
        "conninfo",
        [
            "postgresql://db.acme.com/tokens",
            "postgresql://10.0.0.1/tokens",
            "postgresql://localhost,db.acme.com/tokens",
            "postgresql://localhost/tokens?hostaddr=10.0.0.1",
            "postgresql://db.acme.com/tokens?sslmode=disable",
            "postgresql://db.acme.com/tokens?sslmode=require",
            "service=acme",
        ],
    )
    def test_an_insecure_network(self, conninfo):
        """A server on another computer needs verified TLS, or express permission."""
        match = r"sslmode=verify-full.*allow_insecure_network"
        with pytest.raises(ConfigurationError, match=match) as raised:
            PostgresStore(conninfo)
        assert raised.value.argument == "conninfo"

        PostgresStore(conninfo, allow_insecure_network=True)

    @pytest.mark.parametrize(
        "conninfo",
        [
            "postgresql://localhost/tokens",
            "postgresql://127.0.0.1,[::1]/tokens",
            "postgresql:///tokens?host=/run/postgresql",
            "dbname=tokens",
            "host=db.acme.com hostaddr=127.0.0.1",
            "postgresql://db.acme.com/tokens?sslmode=verify-full",
            "postgresql://db.acme.com/tokens?sslmode=verify-ca",
            "postgresql://db.acme.com/tokens?sslrootcert=system",
        ],
    )
    def test_a_secure_network(self, conninfo):
        """Loopback, sockets and verified TLS need no permission."""
        PostgresStore(conninfo)

    def test_the_network_of_the_environment(self, monkeypatch):
        """The environment variables of libpq count for the check of the network."""
        monkeypatch.setenv("PGHOST", "db.acme.com")
        with pytest.raises(ConfigurationError, match=r"db\.acme\.com"):
            PostgresStore("dbname=tokens")
        monkeypatch.setenv("PGSSLMODE", "verify-full")
        PostgresStore("dbname=tokens")

    @pytest.mark.parametrize("name", ["x" * 64, "x" * 64 + ".a", "ä" * 32])
    def test_a_long_table(self, name):
        """Of a longer name PostgreSQL would take the beginning, and so another store's table."""
        with pytest.raises(ConfigurationError, match="63 bytes") as raised:
            PostgresStore("postgresql://localhost", table=name)
        assert raised.value.argument == "table"

        for longest in ("x" * 63, "x" * 63 + "." + "y" * 63, "ä" * 31):
            PostgresStore("postgresql://localhost", table=longest)

    @pytest.mark.parametrize("argument", ["timeout_seconds", "connections", "locks"])
    def test_limits(self, argument):
        """A timeout or a number of connections that is zero is refused."""
        with pytest.raises(ConfigurationError) as raised:
            PostgresStore("postgresql://localhost", **{argument: 0})
        assert raised.value.argument == argument

    def test_without_the_package(self, monkeypatch):
        """Without psycopg the error names the extra."""
        monkeypatch.setitem(sys.modules, "psycopg", None)

        with pytest.raises(ConfigurationError, match=r"pip install 'atlassian-auth\[postgres\]'"):
            PostgresStore("postgresql://localhost")


async def test_what_an_earlier_release_has_stored(opened, raw, postgres_url, table):
    """The table of each earlier layout is read, with its versions and lifetimes."""
    raw.execute((FORMATS / "1" / "postgres.sql").read_text("utf-8").replace("your_table", table))
    store = opened(postgres_url, table=table)

    stored = await store.get("tokens", "acme")

    assert stored.value == (FORMATS / "1" / "tokens-refreshed.json").read_bytes()
    assert await store.put("tokens", "acme", b"x", expected=stored.version) > stored.version
    assert await store.keys("flows") == ["later"]
