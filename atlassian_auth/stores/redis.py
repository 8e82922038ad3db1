"""Redis, for a fleet: records in one hash per namespace, locks that are leases.

All keys of a store have one hash tag, so that a cluster keeps them in one slot: scripts then change a
record, its lifetime and the version counter at once, and the index of keys is the hash itself.

A version is the server's time in microseconds, and always above the counter. So none is given twice,
neither after a deletion nor when a failover has lost the counter's last steps.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Protocol

import anyio

from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError, StoreError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._served import Claim, ServedStore, check_limits, check_network
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import Target

__all__ = ["RedisClient", "RedisStore"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

# A script that changes something leaves a receipt: if it is run again because its answer was lost, it
# tells what it did, and changes nothing.
_PUT = """
local made = redis.call('GET', KEYS[4])
if made then
    return {ARGV[3] == '' and '0' or ARGV[3], made}
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])) do
    redis.call('HDEL', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
end
local found = redis.call('HGET', KEYS[1], ARGV[2])
local actual = found and (string.match(found, '^(%d+):[^:]*:') or '') or '0'
if ARGV[3] ~= '' and ARGV[3] ~= actual then
    return {actual, ''}
end
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
local version = string.format('%.0f', math.max(time[1] * 1000000 + time[2], last + 1))
redis.call('SET', KEYS[3], version)
redis.call('HSET', KEYS[1], ARGV[2], version .. ':' .. ARGV[4] .. ':' .. ARGV[5])
if ARGV[4] == '' then
    redis.call('ZREM', KEYS[2], ARGV[2])
else
    redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
end
redis.call('SET', KEYS[4], version, 'EX', ARGV[6])
return {actual, version}
"""
_DELETE = """
local made = redis.call('GET', KEYS[3])
if made then
    return made
end
local over = redis.call('ZSCORE', KEYS[2], ARGV[2])
local found = redis.call('HGET', KEYS[1], ARGV[2])
local alive = found and not (over and tonumber(over) <= tonumber(ARGV[1]))
local actual = alive and (string.match(found, '^(%d+):[^:]*:') or '') or '0'
if ARGV[3] == '' or ARGV[3] == actual then
    redis.call('HDEL', KEYS[1], ARGV[2])
    redis.call('ZREM', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], actual, 'EX', ARGV[4])
end
return actual
"""
_KEYS = """
return {redis.call('HKEYS', KEYS[1]), redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])}
"""
# Whoever asks again because an answer was lost has had the lock all the while.
_LOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return 1
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
# Never less than it has: what a `Hold` was promised outlives the usual extensions.
_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
"""
_UNLOCK = """
return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
"""

_ANOTHER = "Another program uses these keys: choose another prefix."

# By what the error, or what caused it, is called or says: a script's error begins with "Error running".
_ADVICE = MappingProxyType(
    {
        "AuthenticationError": "Correct the user name and the password.",
        "NoPermissionError": "Its user needs the commands that the documentation lists, for the keys "
        "of the store's prefix.",
        "OOM command": "Give it more memory.",
        "OutOfMemoryError": "Give it more memory.",
        "READONLY": "It is a replica: connect to the primary, or through Sentinel.",
        "ReadOnlyError": "It is a replica: connect to the primary, or through Sentinel.",
        "BusyLoadingError": "It is starting: try again later.",
        "ClusterDownError": "See that all slots of the cluster are served.",
        "MISCONF": "It cannot write its snapshots: make room on its disk, and see its log.",
        "WRONGTYPE": _ANOTHER,
    }
)
_RECEIPT_SECONDS = 600  # far longer than a question and its repetition take
_FRESH = 1 / 3  # of a lease: how old an answer may be

_SEE_LOG = "See that it can be reached and that its log shows no trouble."
_UNKNOWN = "Whether the change was made is not known: read the record before another change."


class RedisClient(Protocol):
    """What is used of ``redis.asyncio``'s clients: ``Redis`` and ``RedisCluster`` are such."""

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any:
        """Run a script on the server that has these keys."""
        ...

    def hget(self, name: str, key: str, /) -> Any:
        """Return one field of a hash."""
        ...

    def get_encoder(self) -> Any:
        """Tell whether answers are decoded."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class RedisStore(ServedStore):
    """Keeps records in Redis 5 or later, or what speaks its language, for any number of hosts.

    Safe to use from any number of tasks, event loops, threads and processes, on asyncio and trio, also
    after a fork. What ``put`` stored is as durable as the server is configured to be.

    A lock is a lease, which a task of this process extends while the lock is held. If the process dies,
    others get the lock when the lease ends. If the process stands still for longer than that, or the
    server forgets the lease, another process may get the lock: a warning is logged, and the `Hold` that
    the lock yields tells. A question whose connection was gone is repeated once; nothing is changed twice.

    Args:
        server: A URL, ``redis://…``, ``rediss://…`` or ``unix://…`` as redis-py knows them (options of a
            connection may follow the ``?``), or a function that makes a client of ``redis.asyncio``: for
            Sentinel, for a cluster, for anything else. It is called in the event loop that uses the
            client, again after ``aclose`` and after a fork.
        prefix: What the names of all keys have in common; another prefix is another store.
        lease_seconds: After this time without its holder a lock is free.
        timeout_seconds: How long connecting, waiting for a connection, and an answer may take. For a
            URL only: a client that a function makes has its own.
        connections: How many there are at the most; also for a URL only.
        allow_insecure_network: Accept a URL of another computer without TLS, or with TLS that does not
            check the certificate. Everyone on the way can then read and change what is stored, and
            the password; with `EncryptedStore` around this one, the password only.
        clock: Decides when a record's time is over, how long waiting for a lock takes, and when a lease
            is extended.

    Raises:
        ConfigurationError: if an argument cannot be used, or the packages of the extra `redis` are missing.
    """

    def __init__(
        self,
        server: str | Callable[[], RedisClient],
        *,
        prefix: str = "atlassian-auth",
        lease_seconds: float = 30,
        timeout_seconds: float = 10,
        connections: int = 10,
        allow_insecure_network: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        _check(prefix, lease_seconds)
        check_limits(timeout_seconds, connections=connections)
        _import_redis()
        place, connect = "Redis", server
        if isinstance(connect, str):
            parts = _parts(connect)
            if not allow_insecure_network and not _is_verified(parts):
                cure = "Use rediss:// and have it check"
                check_network([parts.get("host", "")], argument="server", cure=cure)
            place = f"Redis at {parts.get('path') or _address(parts)}"
            connect = _connector(connect, parts, timeout_seconds, connections)
        names = _Names(prefix)

        def make() -> _RedisServer:
            return _RedisServer(place, connect, names, lease_seconds=lease_seconds, clock=clock)

        fresh_seconds = lease_seconds * _FRESH
        super().__init__(f"RedisStore {prefix}", make, clock=clock, fresh_seconds=fresh_seconds)


class _Names:
    def __init__(self, prefix: str) -> None:
        self._tag = f"{{{prefix}}}"
        self.counter = f"{self._tag}:version"

    def records(self, namespace: str) -> str:
        return f"{self._tag}:records:{namespace}"

    def lifetimes(self, namespace: str) -> str:
        return f"{self._tag}:lifetimes:{namespace}"

    def receipt(self) -> str:
        return f"{self._tag}:receipt:{secrets.token_hex(16)}"

    def lock(self, claim: Claim) -> str:
        return f"{self._tag}:lock:{len(claim.namespace)}:{claim.namespace}:{claim.key}"


class _RedisServer:
    """Asks the server; lives in one event loop."""

    def __init__(
        self,
        place: str,
        connect: Callable[[], RedisClient],
        names: _Names,
        *,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self._place = place
        self._connect = connect
        self._names = names
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._client: RedisClient | None = None
        self._leases: dict[Claim, _Lease] = {}
        self._unreleased: dict[str, str] = {}

    async def get(self, target: Target) -> Stored | None:
        name = self._names.records(target.namespace)
        found: bytes | None = await self._ask("read", lambda client: client.hget(name, target.key))
        if found is None:
            return None
        stored, expires_at = _parse(found)
        if stored is None:
            raise self._damaged(target)
        return stored if target.now < expires_at else None

    async def put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        names = (*self._tables(target.namespace), self._names.counter, self._names.receipt())
        arguments = (repr(target.now), target.key, _text(target.expected), _text(expires_at), value)
        actual, version = await self._ask(
            "write",
            lambda client: client.eval(_PUT, 4, *names, *arguments, _RECEIPT_SECONDS),
        )
        if not actual and target.expected is not None:
            raise self._damaged(target)
        target.check(int(actual or 0))
        return int(version)

    async def delete(self, target: Target) -> bool:
        names = (*self._tables(target.namespace), self._names.receipt())
        arguments = (repr(target.now), target.key, _text(target.expected), _RECEIPT_SECONDS)
        actual = await self._ask(
            "write", lambda client: client.eval(_DELETE, 3, *names, *arguments)
        )
        if not actual:
            if target.expected is not None:
                raise self._damaged(target)
            return True
        target.check(int(actual))
        return int(actual) != ABSENT

    async def keys(self, namespace: str, now: float) -> list[str]:
        names = self._tables(namespace)
        present, over = await self._ask(
            "read", lambda client: client.eval(_KEYS, 2, *names, repr(now))
        )
        try:
            return [key.decode() for key in {*present} - {*over}]
        except UnicodeDecodeError:
            message = (
                f"{self._place} has a record in {namespace!r} whose key is no text. {_ANOTHER}"
            )
        raise StoreError(message)

    async def acquire(self, claim: Claim) -> bool:
        lease = self._leases.get(claim) or self._new_lease(claim)
        had = await self._ask(
            "lock",
            lambda client: self._eval(client, _LOCK, lease, _milliseconds(self._lease_seconds)),
        )
        if not had:
            del self._leases[claim]
            return False
        lease.extending = asyncio.create_task(self._extend(claim, lease))
        return True

    async def confirm(self, claim: Claim, seconds: float) -> bool:
        return await self._prolong(self._leases[claim], seconds)

    async def release(self, claim: Claim) -> None:
        lease = self._leases.pop(claim, None)
        if lease is not None:
            await lease.stop()
            try:
                await self._ask("unlock", lambda client: self._eval(client, _UNLOCK, lease))
            except StoreError:
                self._unreleased.setdefault(lease.name, lease.owner)
                raise

    async def aclose(self) -> None:
        for claim in list(self._leases):
            with suppress(StoreError):  # it ends with its lease then
                await self.release(claim)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
            await _close_sentinels(client)

    def _new_lease(self, claim: Claim) -> _Lease:
        """Return a lease; the one that this process could not give back, if there is such a one."""
        name = self._names.lock(claim)
        # Taken away from there: of two claims only one may be its owner.
        owner = self._unreleased.pop(name, None) or secrets.token_hex(16)
        lease = self._leases[claim] = _Lease(name, owner)
        return lease

    def _damaged(self, target: Target) -> StoreError:
        return StoreError(
            f"{self._place} holds no record of this store for key {target.key!r} in {target.namespace!r}, "
            f"but something else, which was left as it is. {_ANOTHER} Or delete that key and authorize it "
            "again."
        )

    def _tables(self, namespace: str) -> tuple[str, str]:
        return self._names.records(namespace), self._names.lifetimes(namespace)

    def _eval(self, client: RedisClient, script: str, lease: _Lease, *arguments: object) -> Any:
        return client.eval(script, 1, lease.name, lease.owner, *arguments)

    async def _extend(self, claim: Claim, lease: _Lease) -> None:
        """Keep the lease from ending until it is lost."""
        kept = True
        while kept:
            if not await lease.pause(self._clock, self._lease_seconds / 3):
                return
            with suppress(StoreError):  # there are two more attempts before it ends
                kept = await self._prolong(lease, 0)
        logger.warning(
            "The lock of key %r was lost while it was held: this process stood still for longer than "
            "%g s (lease_seconds), or Redis lost it. Another process may have it now; whichever saves "
            "second finds a newer version and keeps that.",
            claim.key,
            self._lease_seconds,
        )

    async def _prolong(self, lease: _Lease, seconds: float) -> bool:
        """Have the lease last for the usual time or for ``seconds``; return whether it is not lost."""
        # The answer may be as old as an answer may be; the time is counted from it.
        needed = max(self._lease_seconds, seconds + self._lease_seconds * _FRESH)
        if not lease.lost:
            kept = await self._ask(
                "lock", lambda client: self._eval(client, _EXTEND, lease, _milliseconds(needed))
            )
            lease.lost = not kept
        return not lease.lost

    async def _ask(self, action: str, question: Callable[[RedisClient], Awaitable[Any]]) -> Any:
        try:
            return await self._repeated(question)
        except AtlassianAuthError:
            raise
        except Exception as error:  # noqa: BLE001 -- a client of somebody's own raises anything
            problem = _explain(error, action)
        # Outside the except block: what the client raises may quote what it was given.
        raise StoreError(f"{self._place} {problem}")

    async def _repeated(self, question: Callable[[RedisClient], Awaitable[Any]]) -> Any:
        """Ask, and once more if the connection was gone, as one is that was idle for too long.

        Whatever is asked here may be asked twice.
        """
        client = self._opened()
        try:
            return await question(client)
        except Exception as error:
            if not _was_cut(error):
                raise
        # The other idle ones may be as old.
        pool = getattr(client, "connection_pool", None)
        if pool is not None:
            await pool.disconnect(inuse_connections=False)
        return await question(client)

    def _opened(self) -> RedisClient:
        if self._client is None:
            client = self._connect()
            if client.get_encoder().decode_responses:
                message = "RedisStore needs a client that leaves bytes as they are: decode_responses=False."
                raise ConfigurationError(message, argument="server")
            self._client = client
        return self._client


async def _close_sentinels(client: RedisClient) -> None:
    """Close the connections by which ``Sentinel.master_for`` found the primary: the client does not."""
    pool = getattr(client, "connection_pool", None)
    manager = getattr(pool, "sentinel_manager", None)
    for sentinel in getattr(manager, "sentinels", ()):
        await sentinel.aclose()


class _Lease:
    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.owner = owner
        self.lost: bool = False
        self.extending: asyncio.Task[None] | None = None
        self._pause = anyio.CancelScope()
        self._wanted = True

    async def pause(self, clock: Clock, seconds: float) -> bool:
        """Sleep, and return whether the lease is still wanted."""
        if self._wanted:
            with anyio.CancelScope() as self._pause:
                await clock.sleep(seconds)
        return self._wanted

    async def stop(self) -> None:
        """Extend it no more, after what is under way: a client may not survive being cancelled."""
        self._wanted = False
        self._pause.cancel()
        if self.extending is not None:
            await asyncio.wait([self.extending])


def _check(prefix: str, lease_seconds: float) -> None:
    if not prefix or {"{", "}"} & {*prefix}:
        message = (
            f"prefix={prefix!r}; expected text without braces, which have a meaning in clusters."
        )
        raise ConfigurationError(message, argument="prefix")
    if not (math.isfinite(lease_seconds) and lease_seconds >= 1):
        message = f"lease_seconds={lease_seconds}; expected seconds from 1 on."
        raise ConfigurationError(message, argument="lease_seconds")


def _import_redis() -> None:
    """Import what will be needed, in the caller's thread: see `LoopThread`."""
    try:
        import_module("redis.asyncio")
        import_module("redis.exceptions")
        version("redis")  # which each connection asks for, and which imports more
    except ImportError:
        message = "RedisStore needs redis: pip install 'atlassian-auth[redis]'"
        raise ConfigurationError(message, argument="server") from None


def _parts(url: str) -> dict[str, Any]:
    from redis.asyncio.connection import parse_url  # noqa: PLC0415 -- an extra

    try:
        parts = dict(parse_url(url))
    except ValueError:
        parts = {}
    if not parts.keys() & {"host", "path"}:
        message = (
            "This is no URL of Redis. Expected redis://, rediss:// or unix://, as "
            "rediss://user:password@host:6379/0, with odd characters of a password percent-encoded."
        )
        raise ConfigurationError(message, argument="server")
    return parts


def _address(parts: dict[str, Any]) -> str:
    return f"{parts['host']}:{parts.get('port', 6379)}"


def _is_verified(parts: dict[str, Any]) -> bool:
    """Return whether the connection is TLS, and checks the certificate and its name."""
    from redis.asyncio.connection import SSLConnection  # noqa: PLC0415 -- an extra

    is_checked = str(parts.get("ssl_cert_reqs", "required")).lower() in {"required", "optional"}
    is_named = parts.get("ssl_check_hostname", True) is True
    return parts.get("connection_class") is SSLConnection and is_checked and is_named


def _connector(
    url: str, parts: dict[str, Any], timeout_seconds: float, connections: int
) -> Callable[[], RedisClient]:
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 -- an extra
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    # redis-py 5 does not look at the name unless it is told to.
    tls = {"ssl_check_hostname": True} if _is_verified(parts) else {}
    pools: Any = BlockingConnectionPool

    def connect() -> RedisClient:
        pool = pools.from_url(
            url,
            max_connections=connections,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # Under the third version redis-py 8 does not look whether an idle connection was closed.
            protocol=2,
            # The store itself asks again, and knows when.
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        return Redis.from_pool(pool)

    return connect


def _explain(error: BaseException, action: str) -> str:
    """Return what went wrong and what to do, without what the server quoted of the command."""
    from redis import exceptions  # noqa: PLC0415 -- was imported with the store

    causes = list(_causes(error))
    known = [advice for sign, advice in _ADVICE.items() if any(sign in cause for cause in causes)]
    kind = type(error).__name__
    if not isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return f"did not {action} ({kind}). {known[0] if known else _SEE_LOG}"
    if "connecting to" in str(error):
        action = "connect"  # nothing was asked
    told = f"did not {action} ({kind}: {str(error)[:200]})."
    if known:
        return f"{told} {known[0]}"
    return f"{told} {_UNKNOWN} {_SEE_LOG}" if action == "write" else f"{told} {_SEE_LOG}"


def _was_cut(error: Exception) -> bool:
    """Return whether a connection that had been there was gone; no server was waited for."""
    from redis import exceptions  # noqa: PLC0415 -- was imported with the store

    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return False
    known = type(error) is exceptions.ConnectionError or isinstance(error, OSError)
    return known and "connecting to" not in str(error)


def _causes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        error = error.__cause__


def _parse(found: bytes) -> tuple[Stored | None, float]:
    """Return a record and when its time is over; None for what no store has written."""
    try:
        version, expires_at, value = found.split(b":", 2)
        return Stored(value, int(version)), float(expires_at or math.inf)
    except ValueError:
        return None, 0


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _text(number: float | None) -> str:
    return "" if number is None else repr(number)
