"""RedisStore keeps the contract on real servers: alone, in a cluster, behind Sentinel, over TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import logging
import re
import secrets
import socket
import ssl
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.stores import EncryptedStore, RedisStore, Stored
from atlassian_auth.stores._server import LockRequest
from atlassian_auth.stores.redis import (
    _DELETE,
    _EXTEND,
    _LOCK,
    _PUT,
    _connection_was_lost,
    _Lease,
    _Names,
    _RedisServer,
)
from atlassian_auth.testing import ManualClock
from atlassian_auth.testing.store_contract import StoreContract, ThreadSafeStoreContract
from tests.stores.server_processes import ServerProcesses
from tests.stores.wrapped import WrappedStoreContract

redis = pytest.importorskip("redis")
KEY = EncryptedStore.generate_key()
FORMATS = Path(__file__).parents[1] / "records" / "formats"


@pytest.fixture
def servers():
    """The module that starts them; it is a plugin."""
    import tests.servers

    return tests.servers


@pytest.fixture
def prefix():
    return f"test-{secrets.token_hex(8)}"


@pytest.fixture
def raw(redis_url, prefix):
    """Look at the server without the store, and leave nothing there."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        names = list(client.scan_iter(f"{{{prefix}}}:*"))
        if names:
            client.delete(*names)


@pytest.fixture
def folder(servers):
    """A folder for a server of the test's own."""
    with servers.short_folder() as folder:
        yield folder


@pytest.fixture
def own(servers, folder):
    """Start a server of the test's own, with options, and return its URL."""
    with ExitStack() as started:
        yield lambda *options: started.enter_context(servers.redis_on_socket(folder, *options))


@pytest.fixture
async def opened():
    """Make stores that are closed when the test ends."""
    stores = []

    def opened(*arguments, **options):
        stores.append(RedisStore(*arguments, **options))
        return stores[-1]

    yield opened
    for store in stores:
        await store.aclose()


@pytest.mark.every_loop
class TestRedisStore(ThreadSafeStoreContract):
    """Redis keeps every promise."""

    @pytest.fixture
    def store(self, clock, raw, redis_url, prefix):
        return RedisStore(redis_url, prefix=prefix, clock=clock)

    @pytest.fixture
    def second(self, clock, redis_url, prefix):
        return RedisStore(redis_url, prefix=prefix, clock=clock)

    async def test_records_that_are_over_leave_the_server(self, store, clock, raw, prefix):
        """A later `put` deletes expired records from the server."""
        await store.put("flows", "state", b"value", ttl_seconds=10)
        clock.advance(10)

        await store.put("flows", "other", b"value")

        assert raw.hkeys(f"{{{prefix}}}:records:flows") == [b"other"]
        assert not raw.exists(f"{{{prefix}}}:lifetimes:flows")


class TestEncryptedRedisStore(WrappedStoreContract):
    """With ciphertext in it, Redis keeps every promise."""

    @pytest.fixture
    def store(self, clock, raw, redis_url, prefix):
        return EncryptedStore(RedisStore(redis_url, prefix=prefix, clock=clock), KEY, clock=clock)

    @pytest.fixture
    def second(self, clock, redis_url, prefix):
        return EncryptedStore(RedisStore(redis_url, prefix=prefix, clock=clock), KEY, clock=clock)


@pytest.fixture
async def store(opened, raw, redis_url, prefix):
    return opened(redis_url, prefix=prefix)


class TestVersions:
    """No version is given twice, whatever the server forgets."""

    async def test_after_the_counter_is_lost(self, store, raw, prefix):
        """After a failover that lost the counter and the record, versions still grow."""
        old = await store.put("tokens", "acme", b"value")
        raw.delete(f"{{{prefix}}}:version", f"{{{prefix}}}:records:tokens")

        assert await store.put("tokens", "acme", b"value") > old

    async def test_after_the_time_was_set_back(self, store, raw, prefix):
        """While the server's time is behind, the counter counts."""
        ahead = 9_000_000_000_000_000
        raw.set(f"{{{prefix}}}:version", ahead)

        assert await store.put("tokens", "acme", b"1") == ahead + 1
        assert await store.put("tokens", "acme", b"2", expected=ahead + 1) == ahead + 2


class TestLease:
    """A lock is a lease that is extended while it is held."""

    async def test_one_that_was_given_up_is_not_extended(self, clock):
        """A lease that was given up before its first extension is never extended, and Redis is not asked."""
        server = _RedisServer("", None, _Names("x"), lease_seconds=30, clock=clock)
        lease = _Lease("x", "owner")
        await lease.stop()

        assert await server._keep_extended(LockRequest("tokens", "acme"), lease) is None

    @pytest.fixture
    def clock(self):
        return ManualClock(autojump=False)

    @pytest.fixture
    def held(self, opened, raw, redis_url, prefix, clock):
        """The store, and the name of the lock of its only key."""
        store = opened(redis_url, prefix=prefix, clock=clock, lease_seconds=30)
        return store, f"{{{prefix}}}:lock:6:tokens:acme"

    async def test_it_ends_by_itself(self, held, raw):
        """A lease ends by itself: Redis deletes it after its time."""
        store, name = held

        async with store.lock("tokens", "acme", timeout_seconds=0):
            assert 0 < raw.pttl(name) <= 30_000

        assert not raw.exists(name)

    async def test_it_is_extended(self, held, raw, clock):
        """After a third of its time it begins anew."""
        store, name = held

        async with store.lock("tokens", "acme", timeout_seconds=0):
            raw.pexpire(name, 20_000)
            while raw.pttl(name) <= 20_000:
                clock.advance(1)
                await anyio.lowlevel.checkpoint()

    async def test_lost(self, held, raw, clock, caplog, opened, redis_url, prefix):
        """A lost lease is a warning in the log, and is not taken from its new owner."""
        store, name = held
        lost = Listener("was lost while it was held")
        other = opened(redis_url, prefix=prefix)

        with lost.listening():
            async with store.lock("tokens", "acme", timeout_seconds=0):
                await next_alarm(clock)
                raw.delete(name)
                async with other.lock("tokens", "acme", timeout_seconds=0):
                    clock.advance(10)
                    await anyio.to_thread.run_sync(lost.heard.wait)
                    owner = raw.get(name)
                    assert owner
                    clock.advance(30)
                    assert raw.get(name) == owner

    async def test_not_released(self, own, opened, caplog):
        """A lock that cannot be released is a warning, and no error of the work under it."""
        server = own("--requirepass", "secret-word")
        store = opened(f"{server}?password=secret-word")

        with redis.Redis.from_url(f"{server}?password=secret-word") as client:
            async with store.lock("tokens", "acme", timeout_seconds=0):
                await store.put("tokens", "acme", b"value")
                client.execute_command("ACL SETUSER default -eval")
            client.execute_command("ACL SETUSER default +eval")

        assert "The lock of key 'acme' was not released" in caplog.text
        assert "secret-word" not in caplog.text

    async def test_an_answer_that_was_lost(self, opened, raw, redis_url, prefix):
        """If the answer to a lock request is lost, the lock that Redis gave is released."""

        class Lossy(redis.asyncio.Redis):
            async def eval(self, script, *arguments):
                answer = await super().eval(script, *arguments)
                if script == _LOCK:
                    raise redis.ConnectionError("the answer was lost")
                return answer

        store = opened(lambda: Lossy.from_url(redis_url), prefix=prefix)

        with pytest.raises(StoreError, match="did not lock"):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("the caller got no lock")
        assert not raw.exists(f"{{{prefix}}}:lock:6:tokens:acme")

    async def test_one_that_could_not_be_given_back(self, own, opened):
        """A process can retake at once a lock that it could not release; other processes wait."""
        server = own("--requirepass", "secret-word") + "?password=secret-word"
        store, other = opened(server, lease_seconds=600), opened(server, lease_seconds=600)

        with redis.Redis.from_url(server) as client:
            async with store.lock("tokens", "acme", timeout_seconds=0):
                client.execute_command("ACL SETUSER default -eval")
            client.execute_command("ACL SETUSER default +eval")

        with pytest.raises(TimeoutError):
            async with other.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("it is held by the process that could not give it back")
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm()
            with pytest.raises(TimeoutError):
                async with store.lock("tokens", "acme", timeout_seconds=0):
                    pytest.fail("two are inside")
        async with other.lock("tokens", "acme", timeout_seconds=0):
            pass

    async def test_one_that_others_held_meanwhile(self, own, opened):
        """A lock that ended before its process came back belongs to the process that took it since."""
        server = own("--requirepass", "secret-word") + "?password=secret-word"
        store, other = opened(server), opened(server)

        with redis.Redis.from_url(server) as client:
            async with store.lock("tokens", "acme", timeout_seconds=0):
                client.execute_command("ACL SETUSER default -eval")
            client.execute_command("ACL SETUSER default +eval")
            client.delete("{atlassian-auth}:lock:6:tokens:acme")

        async with other.lock("tokens", "acme", timeout_seconds=0):
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with store.lock("tokens", "acme", timeout_seconds=0):
                        pytest.fail("two are inside")

    async def test_closed_with_a_lock_held(self, held, raw):
        """Closing the store ends its locks, and the next lock of the key is not affected."""
        store, name = held

        async with store.lock("tokens", "acme", timeout_seconds=0):
            await store.aclose()
            assert not raw.exists(name)

    async def test_closed_when_the_server_is_gone(self, servers, folder, opened):
        """Closing works without the server, too."""
        with servers.redis_on_socket(folder) as server:
            store = opened(server)
            lock = store.lock("tokens", "acme", timeout_seconds=0)
            await lock.__aenter__()

        await store.aclose()
        await lock.__aexit__(None, None, None)

    async def test_the_server_is_away_for_a_while(self, servers, folder, opened, clock):
        """A failed extension is tried again, and a lease that has ended by then is a warning in the log."""
        lost = Listener("was lost while it was held")
        store = opened(f"unix://{folder}/redis.sock", clock=clock)
        with servers.redis_on_socket(folder):
            lock = store.lock("tokens", "acme", timeout_seconds=0)
            await lock.__aenter__()
        first = await next_alarm(clock)
        clock.advance(10)
        await next_alarm(clock, after=first)

        with servers.redis_on_socket(folder), lost.listening():
            clock.advance(10)
            await anyio.to_thread.run_sync(lost.heard.wait)
            await lock.__aexit__(None, None, None)


class LateClock(ManualClock):
    """A clock whose time may move on without waking those who sleep."""

    late = 0

    def time(self):
        return super().time() + self.late


class TestHold:
    """The holder of a lock can ask whether it still has it."""

    @pytest.fixture
    def clock(self):
        return ManualClock(autojump=False)

    @pytest.fixture
    def store(self, opened, raw, redis_url, prefix, clock):
        return opened(redis_url, prefix=prefix, clock=clock, lease_seconds=30)

    @pytest.fixture
    def name(self, prefix):
        return f"{{{prefix}}}:lock:6:tokens:acme"

    async def test_it_is_held_and_prolonged(self, store, raw, name):
        """A lock that is held begins its time anew."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            raw.pexpire(name, 5_000)

            assert await hold.confirm()

            assert 5_000 < raw.pttl(name) <= 30_000

    async def test_for_longer_than_a_lease(self, store, raw, name, clock):
        """A lock that was confirmed for longer is not shortened by later extensions."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm(600)
            assert 600_000 < raw.pttl(name) <= 610_000

            assert await hold.confirm(1)
            await store._thread.run(extend_all)

            assert 600_000 < raw.pttl(name) <= 610_000

    async def test_for_less_than_a_lease(self, store, raw, name):
        """The usual time is the least."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm(20)
            assert 20_000 < raw.pttl(name) <= 30_000
            assert await hold.confirm(25)
            assert 30_000 < raw.pttl(name) <= 35_000

    async def test_without_end(self, store, raw, name):
        """A lease that has lost its end gets one."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            raw.persist(name)

            assert await hold.confirm()

            assert 0 < raw.pttl(name) <= 30_000

    async def test_deleted(self, store, raw, name):
        """A lock whose key was deleted is not held, even if it could be taken again."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            raw.delete(name)

            assert not await hold.confirm()
            assert not raw.exists(name)

    async def test_ended(self, store, raw, name):
        """A lease that has ended is lost."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            raw.pexpire(name, 1)
            while raw.exists(name):
                await anyio.lowlevel.checkpoint()

            assert not await hold.confirm()

    async def test_lost_for_good(self, store, raw, name):
        """A lost lock stays lost, even if its key comes back."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            owner = raw.get(name)
            raw.delete(name)
            assert not await hold.confirm()
            raw.set(name, owner)

            assert not await hold.confirm()
            assert raw.pttl(name) == -1

    async def test_lost_to_another(self, store, raw, name, opened, redis_url, prefix):
        """A lock that another process has is that one's, and so is its time."""
        other = opened(redis_url, prefix=prefix, lease_seconds=60)
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            raw.delete(name)
            async with other.lock("tokens", "acme", timeout_seconds=0) as others:
                raw.pexpire(name, 10_000)

                assert not await hold.confirm(600)
                assert raw.pttl(name) <= 10_000
                assert await others.confirm()

    async def test_lost_as_the_extension_found(self, store, raw, name, clock):
        """A loss that the extension noticed is a loss, also if the server has the lease back."""
        lost = Listener("was lost while it was held")
        with lost.listening():
            async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
                owner = raw.get(name)
                await next_alarm(clock)
                raw.delete(name)
                clock.advance(10)
                await anyio.to_thread.run_sync(lost.heard.wait)
                raw.set(name, owner)

                assert not await hold.confirm()

    async def test_after_the_end(self, store):
        """A lock is not held after its release, nor after the store was closed."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as released:
            pass
        async with store.lock("tokens", "acme", timeout_seconds=0) as closed:
            await store.aclose()
            assert not await closed.confirm()

        assert not await released.confirm()

    async def test_after_its_connection_was_killed(self, opened, own):
        """A lease outlives connections."""
        server = own()
        store = opened(server)
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            kill_connections(server)

            assert await hold.confirm()

    async def test_without_the_server(self, servers, folder, opened):
        """If the server cannot be reached, `confirm` raises."""
        with servers.redis_on_socket(folder) as server:
            store = opened(server)
            lock = store.lock("tokens", "acme", timeout_seconds=0)
            hold = await lock.__aenter__()

        with pytest.raises(StoreError, match="can be reached"):
            await hold.confirm()
        await lock.__aexit__(None, None, None)

    @pytest.fixture
    def slow(self, opened, raw, redis_url, prefix, name):
        """Make a store whose answers are as late as said, and whose lock is gone after the first."""
        client = redis.asyncio.Redis

        def slow(*delays, lost=False):
            clock, delays = LateClock(autojump=False), list(delays)

            class Slow(client):
                async def eval(self, script, *arguments):
                    answer = await super().eval(script, *arguments)
                    if script == _EXTEND:
                        clock.late += delays.pop(0)
                        if lost:
                            raw.delete(name)
                    return answer

            def connect():
                return Slow.from_url(redis_url)

            return opened(connect, prefix=prefix, clock=clock, lease_seconds=30), delays

        return slow

    @pytest.mark.parametrize("late", [10.001, -10.001])
    async def test_a_late_answer_proves_nothing(self, slow, late):
        """An answer older than a third of the lease is not believed; the next one is."""
        store, delays = slow(late, 0, lost=True)

        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert not await hold.confirm()
        assert delays == []

    async def test_an_answer_in_time(self, slow):
        """An answer that took a third of the lease is believed."""
        store, delays = slow(9.999, 0)

        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm()
        assert delays == [0]

    async def test_answers_that_are_always_late(self, slow):
        """A server that is too slow for the lease is an error, not a question without end."""
        store, delays = slow(11, 11, 11, 0)

        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            with pytest.raises(StoreError, match="took longer than 10 s"):
                await hold.confirm()
        assert delays == [0]


def kill_connections(server):
    """End all connections to a server but this one's, and return when they are gone."""
    with redis.Redis.from_url(server) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        while len(client.client_list()) > 1:
            client.wait(1, 1)  # the server's own pause


async def next_alarm(clock, after=None):
    """Wait until the task that extends the lease sleeps by the clock."""
    while not clock._alarms - {after}:
        await anyio.lowlevel.checkpoint()
    (alarm,) = clock._alarms
    return alarm


class Listener(logging.Handler):
    """Waits for a line in the log."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.heard = threading.Event()

    def emit(self, record):
        if self.text in record.getMessage():
            self.heard.set()

    def listening(self):
        logger = logging.getLogger("atlassian_auth")
        logger.addHandler(self)
        stack = ExitStack()
        stack.callback(logger.removeHandler, self)
        return stack


class TestProcesses(ServerProcesses):
    """Many processes, one Redis."""

    @pytest.fixture
    def made(self, raw, redis_url, prefix):
        return f"RedisStore({redis_url!r}, prefix={prefix!r}, lease_seconds=1)"


async def extend_all(server):
    """Extend all leases now, which their tasks do every ten seconds."""
    for lease in server._leases.values():
        assert await server._eval(server._client, _EXTEND, lease, 30_000)


def write_and_read(store):
    return {
        "read": lambda: store.get("tokens", "acme"),
        "write": lambda: store.put("tokens", "acme", b"secret-value"),
    }


class TestTrouble:
    """Any fault of the server or the network is a StoreError that says what to do, without a secret."""

    @pytest.fixture
    def trouble(self, opened):
        """Return what reading and writing raise."""

        async def trouble(server, **options):
            store = opened(server, **options)
            texts = {}
            for name, call in write_and_read(store).items():
                with pytest.raises(StoreError) as raised:
                    await call()
                texts[name] = str(raised.value)
                assert raised.value.__cause__ is raised.value.__context__ is None
                assert "secret" not in f"{raised.value!r}"
                assert re.search(f"did not ({name}|connect)", texts[name])
            return texts

        return trouble

    async def test_no_server_there(self, trouble, folder):
        """The error for a missing server names its address, without the password."""
        texts = await trouble(f"unix://user:secret@{folder}/none.sock")

        assert f"Redis at {folder}/none.sock did not connect" in texts["write"]
        assert "can be reached" in texts["write"]
        assert "not known" not in texts["write"]

    async def test_wrong_password(self, trouble, own):
        """The error for a wrong password says so."""
        server = own("--requirepass", "secret-word")

        texts = await trouble(f"{server}?password=secret-guess")

        assert "Correct the user name and the password" in texts["write"]

    async def test_no_password(self, trouble, own):
        """The error for a missing password says so."""
        texts = await trouble(own("--requirepass", "secret-word"))

        assert "Correct the user name and the password" in texts["read"]

    async def test_too_few_rights(self, trouble, own):
        """If the user lacks a right, the error says where the needed rights are listed."""
        server = own("--user", "little", "on", ">secret-word", "~*", "+ping")

        texts = await trouble(server.replace("unix://", "unix://little:secret-word@"))

        assert "documentation lists" in texts["write"]

    async def test_rights_enough(self, own, opened):
        """The rights that the documentation lists are enough."""
        page = Path(__file__).parents[2] / "docs" / "stores.md"
        rights = re.search(r"ACL SETUSER tokens (.*?)```", page.read_text("utf-8"), re.DOTALL)[1]
        server = own("--user", "tokens", *rights.split(), "--user", "default", "off")
        store = opened(server.replace("unix://", "unix://tokens:its-password@"))

        version = await store.put("tokens", "acme", b"value", ttl_seconds=60)
        async with store.lock("tokens", "acme", timeout_seconds=0):
            version = await store.put("tokens", "acme", b"value", expected=version)
            await store._thread.run(extend_all)
        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert await store.keys("tokens") == ["acme"]
        await store.put("tokens", "acme", b"value", ttl_seconds=0)
        await store.put("tokens", "other", b"value")
        assert await store.delete("tokens", "other")

    async def test_out_of_memory(self, own, opened):
        """A full server refuses a new record, and the error says so."""
        store = opened(own("--maxmemory", "1"))

        with pytest.raises(StoreError, match="Give it more memory"):
            await store.put("tokens", "acme", b"secret-value")
        assert await store.get("tokens", "acme") is None

    async def test_deleted_when_out_of_memory(self, own, opened):
        """A full server still forgets."""
        server = own()
        store = opened(server)
        await store.put("tokens", "acme", b"secret-value")
        with redis.Redis.from_url(server) as client:
            client.config_set("maxmemory", "1")

        assert await store.delete("tokens", "acme")

    async def test_no_lock_where_nothing_can_be_saved(self, own, opened):
        """If Redis can save nothing, it gives no lock, so no token is refreshed that it could not save."""
        store = opened(server := own())
        with redis.Redis.from_url(server) as client:
            for name, value in (("maxmemory", "1"), ("min-replicas-to-write", "1")):
                usual = client.config_get(name)[name]
                client.config_set(name, value)
                with pytest.raises(StoreError, match="did not lock"):
                    async with store.lock("tokens", "acme", timeout_seconds=0):
                        pytest.fail("nothing could be saved")
                client.config_set(name, usual)

        async with store.lock("tokens", "acme", timeout_seconds=0):
            pass

    async def test_a_replica(self, own, opened):
        """A replica takes no writes and gives no locks, and the error says where to go."""
        store = opened(own("--replicaof", "127.0.0.1", "1"))

        with pytest.raises(StoreError, match="replica: connect to the primary"):
            await store.put("tokens", "acme", b"secret-value")
        with pytest.raises(StoreError, match="replica: connect to the primary"):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("nothing could be saved")
        assert await store.get("tokens", "acme") is None

    async def test_no_answer(self, trouble):
        """A server that hangs is not waited for for ever, and a write may have been made."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]

            texts = await trouble(f"redis://user:secret@127.0.0.1:{port}", timeout_seconds=0.1)

        assert f"127.0.0.1:{port}" in texts["read"]
        assert "not known" in texts["write"]
        assert "not known" not in texts["read"]

    async def test_something_else_there(self, store, raw, prefix):
        """A key of another kind in the store's place is an error, and stays."""
        raw.set(f"{{{prefix}}}:records:tokens", "another program's")

        for call in write_and_read(store).values():
            with pytest.raises(StoreError, match="choose another prefix"):
                await call()

    async def test_all_connections_in_use(self, opened, redis_url, raw, prefix):
        """More callers than connections wait for one another."""
        store = opened(redis_url, prefix=prefix, connections=2)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(store.put, "tokens", str(number), b"value")

        assert len(await store.keys("tokens")) == 20

    async def test_restarted(self, servers, folder, opened):
        """After the server was away, the next call works."""
        with servers.redis_on_socket(folder) as server:
            store = opened(server)
            await store.put("tokens", "acme", b"value")
        with pytest.raises(StoreError):
            await store.get("tokens", "acme")

        with servers.redis_on_socket(folder):
            assert await store.get("tokens", "acme") is None


@pytest.fixture
def tcp(servers, folder):
    """The URL of a server on a port: over a socket in a folder, clients make connections of another kind."""
    port = free_port()
    with servers.redis_server("--port", port, "--dir", folder):
        yield f"redis://127.0.0.1:{port}"


class TestDroppedConnections:
    """A connection that the server has dropped causes no error."""

    @pytest.fixture(params=["url", "client", "third version"])
    def store(self, request, opened, tcp):
        def connect():
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            return redis.asyncio.Redis.from_url(tcp, retry=Retry(NoBackoff(), 0))

        kinds = {"url": tcp, "client": connect, "third version": f"{tcp}?protocol=3"}
        return opened(kinds[request.param])

    async def test_every_call(self, store, tcp):
        """Whatever is called after the server dropped all connections is done, once."""
        version = await store.put("tokens", "acme", b"1", expected=0)
        kill_connections(tcp)
        assert await store.get("tokens", "acme") == Stored(b"1", version)
        kill_connections(tcp)
        version = await store.put("tokens", "acme", b"2", expected=version)
        kill_connections(tcp)
        assert await store.keys("tokens") == ["acme"]
        kill_connections(tcp)
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            kill_connections(tcp)
            assert await hold.confirm()
            kill_connections(tcp)
        async with store.lock("tokens", "acme", timeout_seconds=0):
            kill_connections(tcp)
            assert await store.delete("tokens", "acme", expected=version)
        kill_connections(tcp)
        assert await store.get("tokens", "acme") is None

    async def test_many_at_once(self, store, tcp):
        """Many calls at once work after the server has dropped many connections."""

        async def put_all(value):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(store.put, "tokens", str(number), value)

        await put_all(b"1")
        kill_connections(tcp)
        await put_all(b"2")

        assert len(await store.keys("tokens")) == 20

    @pytest.fixture
    def lossy(self, opened, tcp):
        """Make a store that loses the first answer to a script, or all of them."""

        def lossy(script, *, always=False):
            lost = []

            class Lossy(redis.asyncio.Redis):
                async def eval(self, asked, *arguments):
                    answer = await super().eval(asked, *arguments)
                    if asked == script and (always or not lost):
                        lost.append(answer)
                        raise redis.ConnectionError("the answer was lost")
                    return answer

            return opened(lambda: Lossy.from_url(tcp)), lost

        return lossy

    @pytest.mark.parametrize("expected", [0, None])
    async def test_a_put_whose_answer_was_lost(self, lossy, expected):
        """A change whose answer was lost is not made twice, and `put` returns its version."""
        store, lost = lossy(_PUT)

        version = await store.put("tokens", "acme", b"value", expected=expected)

        assert lost == [[b"0", b"%d" % version]]
        assert await store.get("tokens", "acme") == Stored(b"value", version)

    async def test_a_delete_whose_answer_was_lost(self, lossy):
        """A delete whose answer was lost returns True, so a login is used exactly once."""
        store, lost = lossy(_DELETE)
        version = await store.put("flows", "state", b"value")

        assert await store.delete("flows", "state", expected=version)

        assert lost == [b"%d" % version]
        assert not await store.delete("flows", "state")

    async def test_a_conflict_whose_answer_was_lost(self, lossy, opened, tcp):
        """A conflict is a conflict the second time, too."""
        version = await opened(tcp).put("tokens", "acme", b"1")
        store, lost = lossy(_PUT)

        with pytest.raises(VersionConflict):
            await store.put("tokens", "acme", b"2", expected=version - 1)
        assert len(lost) == 1

    async def test_answers_that_are_always_lost(self, lossy):
        """A call is repeated once; if that fails too, the error says that the outcome is unknown."""
        store, lost = lossy(_PUT, always=True)

        with pytest.raises(StoreError, match="not known"):
            await store.put("tokens", "acme", b"value")
        assert len(lost) == 2

    async def test_receipts_end(self, store, tcp):
        """The receipt of a change expires after ten minutes."""
        await store.put("tokens", "acme", b"value")
        await store.delete("tokens", "acme")

        with redis.Redis.from_url(tcp) as client:
            receipts = list(client.scan_iter("*:receipt:*"))
            assert len(receipts) == 2
            assert all(0 < client.ttl(receipt) <= 600 for receipt in receipts)

    async def test_a_server_that_is_slow_is_asked_once(self, opened):
        """A call that timed out waiting for an answer is not repeated."""
        connected = []
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            store = opened(f"redis://127.0.0.1:{port}", timeout_seconds=0.1)
            with pytest.raises(StoreError, match="TimeoutError"):
                await store.get("tokens", "acme")
            silent.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    connected.append(silent.accept()[0])
        for connection in connected:
            connection.close()

        assert len(connected) == 1

    @pytest.mark.parametrize(
        ("error", "is_cut"),
        [
            (redis.ConnectionError("Connection closed by server."), True),
            (ConnectionResetError(), True),
            (redis.ConnectionError("Error 111 connecting to host:6379."), False),
            (redis.TimeoutError("Timeout reading from socket"), False),
            (TimeoutError(), False),
            (redis.BusyLoadingError("loading"), False),
            (redis.AuthenticationError("wrong"), False),
            (redis.ResponseError("wrong"), False),
        ],
    )
    def test_what_is_repeated(self, error, is_cut):
        """A call is repeated only after a lost connection, not after a timeout or a refusal."""
        assert _connection_was_lost(error) is is_cut

    def test_connections_in_use(self):
        """A call that timed out waiting for a free connection is not repeated."""
        error = redis.ConnectionError("No connection available.")
        error.__cause__ = TimeoutError()

        assert not _connection_was_lost(error)

    async def test_a_client_without_a_pool(self, opened, tcp):
        """A client that shows no pool, as a cluster's, is asked again as it is."""
        failing = [redis.ConnectionError("Connection closed by server.")]

        class Plain:
            def __init__(self):
                self._client = redis.asyncio.Redis.from_url(tcp)
                self.get_encoder = self._client.get_encoder
                self.aclose = self._client.aclose

            async def hget(self, name, key):
                if failing:
                    raise failing.pop()
                return await self._client.hget(name, key)

        store = opened(Plain)

        assert await store.get("tokens", "acme") is None
        await store.aclose()


class TestDamaged:
    """A value that no store has written is an error that says so, and stays as it is."""

    @pytest.mark.parametrize(
        "entry", [b"", b"value", b"x::value", b"1:x:value", b"1:value", b":1.0:value"]
    )
    async def test_records(self, store, raw, prefix, entry):
        """Reading one, or changing it by a version, is refused."""
        name = f"{{{prefix}}}:records:tokens"
        raw.hset(name, "acme", entry)

        with pytest.raises(StoreError, match="other data, which was left as it is"):
            await store.get("tokens", "acme")
        for call in (store.put, store.delete):
            arguments = (b"new",) if call == store.put else ()
            with pytest.raises(StoreError):
                await call("tokens", "acme", *arguments, expected=0)
        assert raw.hget(name, "acme") == entry

    async def test_replaced(self, store, raw, prefix):
        """A damaged record can be replaced or deleted by a call that accepts any version."""
        name = f"{{{prefix}}}:records:tokens"
        raw.hset(name, "acme", b"value")
        raw.hset(name, "other", b"value")

        version = await store.put("tokens", "acme", b"new")

        assert await store.get("tokens", "acme") == Stored(b"new", version)
        assert await store.delete("tokens", "other")
        assert await store.keys("tokens") == ["acme"]

    async def test_keys(self, store, raw, prefix):
        """A key that is no text is another program's."""
        raw.hset(f"{{{prefix}}}:records:tokens", b"\xff", b"1::value")

        with pytest.raises(StoreError, match="choose another prefix"):
            await store.keys("tokens")


class TestFactory:
    """A function that makes a client serves where a URL does not."""

    async def test_bytes_only(self, opened, redis_url):
        """A client that decodes answers is refused, because it would change values."""
        store = opened(lambda: redis.asyncio.Redis.from_url(redis_url, decode_responses=True))

        with pytest.raises(ConfigurationError, match="decode_responses=False") as raised:
            await store.get("tokens", "acme")
        assert raised.value.argument == "server"

    async def test_a_client_for_each_life(self, opened, raw, redis_url, prefix):
        """The function is called in the store's thread, and again after closing."""
        threads = []

        def connect():
            threads.append(threading.current_thread())
            return redis.asyncio.Redis.from_url(redis_url)

        store = opened(connect, prefix=prefix)
        version = await store.put("tokens", "acme", b"value")
        await store.aclose()

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert len(set(threads)) == 2
        assert threading.current_thread() not in threads

    async def test_one_that_fails(self, opened):
        """An error of the function is a StoreError without its text."""

        def connect():
            raise LookupError("secret")

        store = opened(connect)

        with pytest.raises(StoreError, match="LookupError") as raised:
            await store.get("tokens", "acme")
        assert "secret" not in str(raised.value)


def free_port():
    """Return a port that is free, as is the one for the cluster's bus; no client is given one so low."""
    while True:
        port = 10_000 + secrets.randbelow(12_000)
        with suppress(OSError), listen(port), listen(port + 10_000):
            return port


def listen(port):
    return socket.create_server(("127.0.0.1", port))


@pytest.fixture(scope="module")
def cluster_url():
    """A cluster of one node, which has all slots."""
    from tests.servers import redis_server, short_folder

    port = free_port()
    options = ("--cluster-enabled", "yes", "--port", port, "--dir")
    with short_folder() as folder, redis_server(*options, folder):
        with redis.Redis(port=port) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                client.wait(1, 50)  # the server's own pause
        yield f"redis://127.0.0.1:{port}"


class TestCluster(StoreContract):
    """In a cluster all keys of a store are in one slot, and every promise is kept."""

    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def store(self, clock, cluster_url, prefix):
        return self.make(clock, cluster_url, prefix)

    @pytest.fixture
    def second(self, clock, cluster_url, prefix):
        return self.make(clock, cluster_url, prefix)

    @staticmethod
    def make(clock, url, prefix):
        from redis.asyncio import RedisCluster

        return RedisStore(lambda: RedisCluster.from_url(url), prefix=prefix, clock=clock)


async def test_sentinel(servers, folder, opened):
    """Behind Sentinel the store finds the primary."""
    from redis.asyncio import Sentinel

    primary, port = free_port(), free_port()
    configuration = folder / "sentinel.conf"
    configuration.write_text(f"sentinel monitor tokens 127.0.0.1 {primary} 1\n", "utf-8")
    with (
        servers.redis_server("--port", primary, "--dir", folder),
        servers.served(
            [servers.find_redis(), configuration, "--sentinel", "--port", port, "--dir", folder],
            ready="+monitor",
        ),
    ):
        store = opened(lambda: Sentinel([("127.0.0.1", port)]).master_for("tokens"))

        version = await store.put("tokens", "acme", b"value")

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        with redis.Redis(port=primary) as client:
            assert client.hlen("{atlassian-auth}:records:tokens") == 1
        await store.aclose()


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for this computer, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + dt.timedelta(days=365 * 50))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Tunnel:
    """Speaks TLS outside and hands on what it says to a socket inside, one connection at a time."""

    def __init__(self, certificate, inside):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._inside = inside
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                self._hand_on(plain)

    def _hand_on(self, plain):
        try:
            with (
                self._context.wrap_socket(plain, server_side=True) as outside,
                socket.socket(socket.AF_UNIX) as inside,
            ):
                inside.connect(self._inside)
                back = threading.Thread(target=self._copy, args=(inside, outside))
                back.start()
                self._copy(outside, inside)
                inside.shutdown(socket.SHUT_RDWR)
                back.join()
        except OSError:
            return

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            return


class TestTLS:
    """With ``rediss://`` the connection is TLS, and the server's certificate is verified."""

    @pytest.fixture
    def tunnel(self, certificate, own):
        with Tunnel(certificate, own().removeprefix("unix://")) as tunnel:
            yield tunnel

    async def test_trusted(self, tunnel, certificate, opened):
        """With the right authority it works."""
        url = f"rediss://127.0.0.1:{tunnel.port}?ssl_ca_certs={certificate}"
        store = opened(url, connections=1)

        version = await store.put("tokens", "acme", b"value")

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        await store.aclose()

    async def test_another_name(self, tunnel, certificate, opened):
        """A certificate for another name is another server's."""
        store = opened(f"rediss://localhost:{tunnel.port}?ssl_ca_certs={certificate}")

        with pytest.raises(StoreError, match=r"(?i)certificate"):
            await store.get("tokens", "acme")

    async def test_not_checked(self, tunnel, opened):
        """On this computer the certificate need not be checked."""
        store = opened(
            f"rediss://127.0.0.1:{tunnel.port}?ssl_cert_reqs=none&ssl_check_hostname=false"
        )

        assert await store.get("tokens", "acme") is None
        await store.aclose()

    async def test_not_trusted(self, tunnel, opened):
        """Without it nothing is sent, and the error says why."""
        store = opened(f"rediss://127.0.0.1:{tunnel.port}")

        with pytest.raises(StoreError, match=r"(?i)certificate"):
            await store.get("tokens", "acme")


class TestArguments:
    """A wrong argument is refused at once; the error names it and shows no password."""

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("", id="empty"),
            pytest.param("http://user:secret@host", id="scheme"),
            pytest.param("redis://", id="no host"),
            pytest.param("redis://user:secret@host:port", id="port"),
            pytest.param("redis://user:sec/ret@host", id="slash in the password"),
            pytest.param("redis://user:secret@host?db=secret", id="option"),
        ],
    )
    def test_url(self, url):
        """A URL must be one of Redis, with a host or a path."""
        with pytest.raises(ConfigurationError, match="redis://") as raised:
            RedisStore(url)
        assert raised.value.argument == "server"
        assert "secret" not in str(raised.value)
        assert raised.value.__cause__ is None

    @pytest.mark.parametrize("prefix", ["", "{", "a}b"])
    def test_prefix(self, prefix):
        """Braces would put the keys of one store into several slots of a cluster."""
        with pytest.raises(ConfigurationError) as raised:
            RedisStore("redis://localhost", prefix=prefix)
        assert raised.value.argument == "prefix"

    @pytest.mark.parametrize("seconds", [0.999, float("inf"), float("nan")])
    def test_lease_seconds(self, seconds):
        """A lease must last at least a second, and be finite."""
        RedisStore("redis://localhost", lease_seconds=1)
        with pytest.raises(ConfigurationError) as raised:
            RedisStore("redis://localhost", lease_seconds=seconds)
        assert raised.value.argument == "lease_seconds"

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_timeout_seconds(self, seconds):
        """A timeout must be positive and finite."""
        with pytest.raises(ConfigurationError) as raised:
            RedisStore("redis://localhost", timeout_seconds=seconds)
        assert raised.value.argument == "timeout_seconds"

    def test_connections(self):
        """The number of connections must be positive."""
        with pytest.raises(ConfigurationError) as raised:
            RedisStore("redis://localhost", connections=0)
        assert raised.value.argument == "connections"

    @pytest.mark.parametrize(
        "url",
        [
            "redis://redis.acme.com",
            "redis://10.0.0.1:6379/0",
            "redis://[2001:db8::1]",
            "redis://localhost.acme.com",
            "rediss://redis.acme.com?ssl_cert_reqs=none",
            "rediss://redis.acme.com?ssl_check_hostname=false",
        ],
    )
    def test_an_insecure_network(self, url):
        """A server on another computer needs verified TLS, or express permission."""
        with pytest.raises(
            ConfigurationError, match=r"rediss://.*allow_insecure_network"
        ) as raised:
            RedisStore(url)
        assert raised.value.argument == "server"

        RedisStore(url, allow_insecure_network=True)

    @pytest.mark.parametrize(
        "url",
        [
            "redis://localhost",
            "redis://127.0.0.2:6379/0",
            "redis://[::1]",
            "unix:///run/redis.sock",
            "rediss://redis.acme.com",
            "rediss://redis.acme.com?ssl_cert_reqs=required&ssl_check_hostname=true",
            "rediss://redis.acme.com?ssl_cert_reqs=optional",
        ],
    )
    def test_a_secure_network(self, url):
        """Loopback, sockets and verified TLS need no permission."""
        RedisStore(url)

    def test_without_the_package(self, monkeypatch):
        """Without redis-py the error names the extra."""
        monkeypatch.setitem(sys.modules, "redis.asyncio", None)

        with pytest.raises(ConfigurationError, match=r"pip install 'atlassian-auth\[redis\]'"):
            RedisStore("redis://localhost")


async def test_what_an_earlier_release_has_stored(opened, raw, redis_url, prefix):
    """The keys of each earlier layout are read, with their versions and lifetimes."""
    saved = json.loads((FORMATS / "1" / "redis.json").read_text("utf-8"))
    for command, name, *arguments in saved:
        raw.execute_command(command, name.replace("your-prefix", prefix), *arguments)
    store = opened(redis_url, prefix=prefix)

    stored = await store.get("tokens", "acme")

    assert stored.value == (FORMATS / "1" / "tokens-refreshed.json").read_bytes()
    assert await store.put("tokens", "acme", b"x", expected=stored.version) > stored.version
    assert await store.keys("flows") == ["later"]
