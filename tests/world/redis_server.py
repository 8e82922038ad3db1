"""Redis drops connections, fails over, is full, and evicts what it should keep."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

from redis import Redis, RedisError

from tests.servers import redis_on_socket, short_folder
from tests.world.ground import until
from tests.world.mishaps import Mishap, at_points
from tests.world.scene import PRODUCTS, Scene, runs

CHAPTER = "Redis"
_ON_REDIS = {"products": PRODUCTS, "stores": ("redis",)}


class OwnRedis(Mishap):
    """A Redis that only this run uses."""

    options: tuple[str, ...] = ()

    def prepare(self):
        folder = self.ground.use(short_folder())
        self.ground.on(self.ground.use(redis_on_socket(folder, *self.options)))
        self.server = self.ground.use(Redis.from_url(self.ground.place.store))


class ConnectionsKilled(OwnRedis):
    """An administrator, or a balancer, ends all connections."""

    def begin(self):
        self.server.client_kill_filter(_type="normal", skipme=True)


class IdleConnectionsEnded(OwnRedis):
    """The server ends what is idle for a second, and the refresh pauses for longer."""

    options = ("--timeout", "1")

    def begin(self):
        until(self._is_alone, "idle connections are not ended")

    def _is_alone(self):
        with Redis.from_url(self.ground.place.store) as client:
            return len(client.client_list()) == 1


class Full(OwnRedis):
    """Memory is full, and nothing may be evicted."""

    listed = ("store",)

    def begin(self):
        self.server.config_set("maxmemory", 1)

    def end(self):
        self.server.config_set("maxmemory", 0)


class Evicting(OwnRedis):
    """Memory is short, and ``maxmemory-policy`` lets Redis evict any key: it evicts all of them."""

    listed = ("store", "authorization_required")
    options = ("--maxmemory-policy", "allkeys-random")

    def begin(self):
        self.server.config_set("maxmemory", 1)
        until(self._is_empty, "nothing is evicted")

    def _is_empty(self):
        with suppress(RedisError):
            self.server.set("another", "x")
        return not self.server.dbsize()

    def end(self):
        self.server.config_set("maxmemory", 0)


class Failover(Mishap):
    """The primary dies, and its replica, which has every save, takes over at the same address."""

    listed = ("store",)

    def prepare(self):
        use, port = self.ground.use, _free_port()
        self._address = use(short_folder()) / "address"
        self._primary = use(ExitStack())
        primary = self._primary.enter_context(redis_on_socket(use(short_folder()), "--port", port))
        self._replica_url = use(
            redis_on_socket(use(short_folder()), "--replicaof", "127.0.0.1", port)
        )
        self.primary = use(Redis.from_url(primary))
        self.replica = use(Redis.from_url(self._replica_url))
        until(self._is_connected, "the replica has no primary")
        self._turn(primary)
        self.ground.on(f"unix://{self._address}")

    def begin(self):
        assert self.primary.wait(1, 60_000) == 1
        self.promote()

    def promote(self):
        self._primary.close()
        self.replica.replicaof("NO", "ONE")
        self._turn(self._replica_url)

    def _is_connected(self):
        return self.replica.info("replication")["master_link_status"] == "up"

    def _turn(self, url):
        new = self._address.with_name("new")
        new.symlink_to(url.removeprefix("unix://"))
        new.replace(self._address)


class FailoverThatForgets(Failover):
    """The replica takes over without the last refresh; the process that made it goes on."""

    def holder(self):
        holder = super().holder()
        self.primary.wait(1, 60_000)
        self.replica.replicaof("NO", "ONE")
        return holder


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def refresh_after_a_failover(ground, number):
    """The replica takes over without the last refresh; then the process refreshes again."""
    mishap = FailoverThatForgets(ground)
    mishap.prepare()
    holder = mishap.holder()
    ground.check(holder.ask("token"))
    mishap.promote()
    ground.check(holder.ask("refresh"))
    holder.end()


SCENES = (
    at_points(
        CHAPTER, "all connections are killed (`CLIENT KILL`)", ConnectionsKilled, **_ON_REDIS
    ),
    at_points(
        CHAPTER, "idle connections are ended (`timeout 1`)", IdleConnectionsEnded, **_ON_REDIS
    ),
    at_points(
        CHAPTER,
        "the server is full (`noeviction`)",
        Full,
        may="`StoreError`; a token when there is room",
        **_ON_REDIS,
    ),
    at_points(
        CHAPTER,
        "all keys are evicted (`allkeys-random`)",
        Evicting,
        may="the record is gone, and the consent with it: choose `noeviction`",
        may_be_lost=True,
        **_ON_REDIS,
    ),
    at_points(
        CHAPTER,
        "failover to a replica that has all that was saved",
        Failover,
        may="`StoreError` of the call that it happens to",
        **_ON_REDIS,
    ),
    Scene(
        CHAPTER,
        "failover to a replica that has not heard of the last save; the process lives on and refreshes",
        refresh_after_a_failover,
        runs(product=PRODUCTS, store=("redis",), number=range(3)),
    ),
)
