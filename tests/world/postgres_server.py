"""PostgreSQL ends connections, becomes read-only, fails over, and gives few connections."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg

from tests.servers import PostgresCluster, pgbouncer, short_folder
from tests.world.ground import until
from tests.world.mishaps import Mishap, at_points
from tests.world.scene import PRODUCTS, Scene, runs

CHAPTER = "PostgreSQL"
_ON_POSTGRES = {"products": PRODUCTS, "stores": ("postgres",)}
_KEYS = 40


class OwnDatabase(Mishap):
    """A database that only this run uses, on the server that all share."""

    def prepare(self):
        self._name = f"d{self.ground.key}"
        url = self.ground.place.store
        self.server = self.ground.use(psycopg.connect(url, autocommit=True))
        self.server.execute(f"CREATE DATABASE {self._name}")
        self.ground.on(url.replace("/postgres?", f"/{self._name}?"))


class BackendsTerminated(OwnDatabase):
    """An administrator ends all connections (``pg_terminate_backend``)."""

    def begin(self):
        query = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s"
        assert all(done for (done,) in self.server.execute(query, [self._name]).fetchall())


class ReadOnly(OwnDatabase):
    """The database becomes read-only (``default_transaction_read_only``)."""

    listed = ("store",)

    def begin(self):
        self._set("on")

    def end(self):
        self._set("off")

    def _set(self, mode):
        self.server.execute(
            f"ALTER DATABASE {self._name} SET default_transaction_read_only = {mode}"
        )
        # An open connection keeps the mode that it began with.
        query = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s"
        self.server.execute(query, [self._name])


class Failover(Mishap):
    """The primary dies, and a synchronous standby is promoted; the connection string names both."""

    listed = ("store",)

    def prepare(self):
        use = self.ground.use
        folders = [use(short_folder()) for _ in range(2)]
        cluster = PostgresCluster(folders[0])
        standby = cluster.copy(folders[1])
        with (standby.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={folders[0]} user=postgres'\n")
        (standby.data / "standby.signal").touch()
        self._primary = use(ExitStack())
        self._primary.enter_context(cluster.running(synchronous_standby_names="*"))
        use(standby.running(ready="ready to accept read-only connections"))
        self._standby = use(psycopg.connect(standby.url, autocommit=True))
        with psycopg.connect(cluster.url, autocommit=True) as server:
            until(lambda: self._is_synchronous(server), "the standby does not follow")
        hosts = ",".join(str(folder) for folder in folders)
        self.ground.on(
            f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write"
        )

    def begin(self):
        self._primary.close()
        self._standby.execute("SELECT pg_promote()")

    @staticmethod
    def _is_synchronous(server):
        query = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        return server.execute(query).fetchone()


def few_connections(ground, limit):
    """The role may have few connections, and many keys are due at once."""
    url = ground.place.store
    role = f"r{ground.key}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN SUPERUSER CONNECTION LIMIT {limit}")
        server.execute(f"ALTER ROLE {role} NOSUPERUSER")
        server.execute(f"CREATE DATABASE d{ground.key} OWNER {role}")
    ground.on(url.replace("postgres@/postgres?", f"{role}@/d{ground.key}?"))
    refresh_many(ground)


def behind_pgbouncer(ground, pool):
    """Transactions share a pool of connections, and many keys are due at once."""
    folder = ground.use(short_folder())
    cluster = PostgresCluster(folder)
    ground.use(cluster.running())
    ground.on(ground.use(pgbouncer(folder, pool_size=pool)))
    refresh_many(ground)


def refresh_many(ground):
    holder = ground.holder()
    keys = [f"{ground.key}-{number}" for number in range(_KEYS)]
    for key in keys:
        ground.check(holder.ask("add", key, ground.issue(key)))
    for answer in holder.ask("tokens", keys)[1].items():
        ground.check(answer)
    holder.end()


SCENES = (
    at_points(
        CHAPTER,
        "all connections are ended (`pg_terminate_backend`)",
        BackendsTerminated,
        **_ON_POSTGRES,
    ),
    at_points(
        CHAPTER,
        "the server reads and does not write any more",
        ReadOnly,
        may="`StoreError`; a token when it writes again",
        **_ON_POSTGRES,
    ),
    at_points(
        CHAPTER,
        "failover to a synchronous standby",
        Failover,
        points=("before lock", "read", "sent", "before save", "saved"),
        may="`StoreError` of the call that it happens to",
        sampled=False,
        heavy=True,
        **_ON_POSTGRES,
    ),
    Scene(
        CHAPTER,
        f"the role may have 6 connections, or 2; {_KEYS} keys are due at once",
        few_connections,
        runs(product=PRODUCTS, store=("postgres",), limit=(6, 2)),
    ),
    Scene(
        CHAPTER,
        f"PgBouncer, mode `transaction`, a pool of 20; {_KEYS} keys are due at once",
        behind_pgbouncer,
        runs(product=PRODUCTS, store=("postgres",), pool=(20,)),
        heavy=True,
    ),
)
