"""Redis, for many hosts: one hash of records per namespace, and locks that are leases.

All keys of a store have the same hash tag, so a cluster keeps them in one slot. So a script can change a
record, its lifetime and the version counter in one step. The hash itself is the index of keys.

A version is the server's time in microseconds, and always higher than the counter. So no version is used
twice, neither after a deletion nor after a failover that lost the last changes of the counter.
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
from atlassian_auth.stores._server import LockRequest, ServerStore, check_limits, check_network
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import Target

__all__ = ["RedisClient", "RedisStore"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

# A script that makes a change stores a receipt. If the script runs again because its answer was lost, it
# returns the first result and changes nothing.
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
# If the owner asks again because an answer was lost, it already holds the lock.
_LOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return 1
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
# Never shorten the lease: `Hold.confirm` may have promised more time than the regular extension.
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

# By a part of the name or text of the error or its cause. The error of a script begins with "Error running".
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
        "ClusterDownError": "Check that all slots of the cluster are served.",
        "MISCONF": "It cannot write its snapshots: make room on its disk, and read its log.",
        "WRONGTYPE": _ANOTHER,
    }
)
_RECEIPT_SECONDS = 600  # far longer than a call and its repetition take
_ANSWER_AGE = 1 / 3  # the maximum age of an answer, as a part of the lease

_CHECK_SERVER = "Check that it can be reached, and read its log."
_UNKNOWN = (
    "It is not known whether the change was made: read the record before you change it again."
)


class RedisClient(Protocol):
    """The methods of ``redis.asyncio`` clients that the store uses, as in ``Redis`` and ``RedisCluster``."""

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any:
        """Run a script on the server of these keys."""
        ...

    def hget(self, name: str, key: str, /) -> Any:
        """Return one field of a hash."""
        ...

    def get_encoder(self) -> Any:
        """Return the encoder, which says whether answers are decoded."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class RedisStore(ServerStore):
    """Keeps records in Redis 5 or later, or a compatible server, for any number of hosts.

    Safe to use from any number of tasks, event loops, threads and processes, on asyncio and trio, also after
    a fork. A record that ``put`` has stored is as durable as the server is configured to be.

    A lock is a lease, which a task of this process extends while the lock is held. If the process dies,
    another process gets the lock when the lease ends. If the process is paused for longer than the lease, or
    the server loses the lease, another process may get the lock: then a warning is logged, and `Hold.confirm`
    returns False. A call whose connection was lost is repeated once; no change is made twice.

    Args:
        server: A URL, ``redis://…``, ``rediss://…`` or ``unix://…``, as in redis-py (connection options may
            follow the ``?``). Or a function that makes a client of ``redis.asyncio``, for Sentinel, a cluster
            or special options. It is called in the event loop that uses the client, and called again after
            ``aclose`` and after a fork.
        prefix: The beginning of all key names. Each prefix is a separate store.
        lease_seconds: How many seconds a lock stays taken after its holder has died. Default: 30.
        timeout_seconds: How many seconds to wait at most: to connect, for a free connection, and for an
            answer. Default: 10 for each. For a URL only: a client that a function makes has its own timeouts.
        connections: The largest number of connections. For a URL only.
        allow_insecure_network: Accept the URL of another computer without TLS, or with TLS that does not
            verify the certificate. Others on the network can then read and change the records, and the
            password; with `EncryptedStore` around this store, only the password.
        clock: Decides when a record has expired, when waiting for a lock times out, and when a lease is
            extended.

    Raises:
        ConfigurationError: if an argument cannot be used, or the packages of the extra ``redis`` are missing.
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
        _check_options(prefix, lease_seconds)
        check_limits(timeout_seconds, connections=connections)
        _import_redis()
        place, connect = "Redis", server
        if isinstance(connect, str):
            parts = _parse_server_url(connect)
            if not allow_insecure_network and not _is_verified(parts):
                cure = "Use rediss:// with verification on"
                check_network([parts.get("host", "")], argument="server", cure=cure)
            place = f"Redis at {parts.get('path') or _address(parts)}"
            connect = _connector(connect, parts, timeout_seconds, connections)
        names = _Names(prefix)

        def make() -> _RedisServer:
            return _RedisServer(place, connect, names, lease_seconds=lease_seconds, clock=clock)

        answer_age_seconds = lease_seconds * _ANSWER_AGE
        super().__init__(
            f"RedisStore {prefix}", make, clock=clock, answer_age_seconds=answer_age_seconds
        )


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

    def lock(self, request: LockRequest) -> str:
        return f"{self._tag}:lock:{len(request.namespace)}:{request.namespace}:{request.key}"


class _RedisServer:
    """The client of the server, used in one event loop."""

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
        self._leases: dict[LockRequest, _Lease] = {}
        self._unreleased: dict[str, str] = {}

    async def get(self, target: Target) -> Stored | None:
        name = self._names.records(target.namespace)
        found: bytes | None = await self._ask("read", lambda client: client.hget(name, target.key))
        if found is None:
            return None
        stored, expires_at = _parse_record(found)
        if stored is None:
            raise self._damaged(target)
        return stored if target.now < expires_at else None

    async def put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        names = (*self._tables(target.namespace), self._names.counter, self._names.receipt())
        arguments = (
            repr(target.now),
            target.key,
            _to_text(target.expected),
            _to_text(expires_at),
            value,
        )
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
        arguments = (repr(target.now), target.key, _to_text(target.expected), _RECEIPT_SECONDS)
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
                f"{self._place} has a record in {namespace!r} whose key is not text. {_ANOTHER}"
            )
        raise StoreError(message)

    async def acquire(self, request: LockRequest) -> bool:
        lease = self._leases.get(request) or self._new_lease(request)
        acquired = await self._ask(
            "lock",
            lambda client: self._eval(client, _LOCK, lease, _milliseconds(self._lease_seconds)),
        )
        if not acquired:
            del self._leases[request]
            return False
        lease.extending = asyncio.create_task(self._keep_extended(request, lease))
        return True

    async def confirm(self, request: LockRequest, seconds: float) -> bool:
        return await self._extend(self._leases[request], seconds)

    async def release(self, request: LockRequest) -> None:
        lease = self._leases.pop(request, None)
        if lease is not None:
            await lease.stop()
            try:
                await self._ask("unlock", lambda client: self._eval(client, _UNLOCK, lease))
            except StoreError:
                self._unreleased.setdefault(lease.name, lease.owner)
                raise

    async def aclose(self) -> None:
        for request in list(self._leases):
            with suppress(StoreError):  # the server ends the lock when the lease ends
                await self.release(request)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
            await _close_sentinels(client)

    def _new_lease(self, request: LockRequest) -> _Lease:
        """Return a lease: if this process could not release an earlier one of this key, that one again."""
        name = self._names.lock(request)
        # Remove it from the dictionary, because only one of two requests may be its owner.
        owner = self._unreleased.pop(name, None) or secrets.token_hex(16)
        lease = self._leases[request] = _Lease(name, owner)
        return lease

    def _damaged(self, target: Target) -> StoreError:
        return StoreError(
            f"{self._place} has no record of this store for key {target.key!r} in {target.namespace!r}, but "
            f"other data, which was left as it is. {_ANOTHER} Or delete that key and authorize it again."
        )

    def _tables(self, namespace: str) -> tuple[str, str]:
        return self._names.records(namespace), self._names.lifetimes(namespace)

    def _eval(self, client: RedisClient, script: str, lease: _Lease, *arguments: object) -> Any:
        return client.eval(script, 1, lease.name, lease.owner, *arguments)

    async def _keep_extended(self, request: LockRequest, lease: _Lease) -> None:
        """Extend the lease regularly until it is released or lost."""
        kept = True
        while kept:
            if not await lease.pause(self._clock, self._lease_seconds / 3):
                return
            with suppress(StoreError):  # there is time for two more attempts
                kept = await self._extend(lease, 0)
        logger.warning(
            "The lock of key %r was lost while it was held: this process was paused for longer than "
            "%g s (lease_seconds), or Redis lost the lease. Another process may hold the lock now. Of two "
            "processes that save, the second one finds a newer version and keeps it.",
            request.key,
            self._lease_seconds,
            extra={
                "namespace": request.namespace,
                "key": request.key,
                "lease_seconds": self._lease_seconds,
            },
        )

    async def _extend(self, lease: _Lease, seconds: float) -> bool:
        """Extend the lease to its usual time or to ``seconds``, and return whether it is still held."""
        # The time counts from the server's answer, so add the greatest age that an answer may have.
        needed = max(self._lease_seconds, seconds + self._lease_seconds * _ANSWER_AGE)
        if not lease.lost:
            kept = await self._ask(
                "lock", lambda client: self._eval(client, _EXTEND, lease, _milliseconds(needed))
            )
            lease.lost = not kept
        return not lease.lost

    async def _ask(self, action: str, question: Callable[[RedisClient], Awaitable[Any]]) -> Any:
        try:
            return await self._try_twice(question)
        except AtlassianAuthError:
            raise
        except Exception as error:  # noqa: BLE001 -- a client made by the user's function may raise any error
            problem = _explain(error, action)
        # Raised outside the except block, so that the client's error, which may quote a record, is not
        # attached.
        raise StoreError(f"{self._place} {problem}")

    async def _try_twice(self, question: Callable[[RedisClient], Awaitable[Any]]) -> Any:
        """Call, and repeat once if the connection was lost, as may happen after a long idle time.

        So every call that is made here must be safe to make twice.
        """
        client = self._open_client()
        try:
            return await question(client)
        except Exception as error:
            if not _connection_was_lost(error):
                raise
        # The other idle connections may be as old.
        pool = getattr(client, "connection_pool", None)
        if pool is not None:
            await pool.disconnect(inuse_connections=False)
        return await question(client)

    def _open_client(self) -> RedisClient:
        if self._client is None:
            client = self._connect()
            if client.get_encoder().decode_responses:
                message = (
                    "RedisStore needs a client that returns bytes: pass decode_responses=False."
                )
                raise ConfigurationError(message, argument="server")
            self._client = client
        return self._client


async def _close_sentinels(client: RedisClient) -> None:
    """Close the connections to the Sentinels, which the client of ``Sentinel.master_for`` leaves open."""
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
        """Wait for an extension that has begun, and then stop. A cancelled client may be left unusable."""
        self._wanted = False
        self._pause.cancel()
        if self.extending is not None:
            await asyncio.wait([self.extending])


def _check_options(prefix: str, lease_seconds: float) -> None:
    if not prefix or {"{", "}"} & {*prefix}:
        message = (
            f"prefix={prefix!r}; expected text without braces, which mark hash tags in clusters."
        )
        raise ConfigurationError(message, argument="prefix")
    if not (math.isfinite(lease_seconds) and lease_seconds >= 1):
        message = f"lease_seconds={lease_seconds}; expected 1 or more seconds."
        raise ConfigurationError(message, argument="lease_seconds")


def _import_redis() -> None:
    """Import all that will be needed, in the caller's thread: see `LoopThread`."""
    try:
        import_module("redis.asyncio")
        import_module("redis.exceptions")
        version("redis")  # each connection calls this, and it imports more modules
    except ImportError:
        message = "RedisStore needs redis: pip install 'atlassian-auth[redis]'"
        raise ConfigurationError(message, argument="server") from None


def _parse_server_url(url: str) -> dict[str, Any]:
    from redis.asyncio.connection import parse_url  # noqa: PLC0415 -- an extra

    try:
        parts = dict(parse_url(url))
    except ValueError:
        parts = {}
    if not parts.keys() & {"host", "path"}:
        message = (
            "This is not a URL of Redis. Expected redis://, rediss:// or unix://, such as "
            "rediss://user:password@host:6379/0, with special characters of the password percent-encoded."
        )
        raise ConfigurationError(message, argument="server")
    return parts


def _address(parts: dict[str, Any]) -> str:
    return f"{parts['host']}:{parts.get('port', 6379)}"


def _is_verified(parts: dict[str, Any]) -> bool:
    """Return whether the connection uses TLS and verifies the certificate and its name."""
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

    # redis-py 5 checks the name only if this option is set.
    tls = {"ssl_check_hostname": True} if _is_verified(parts) else {}
    pools: Any = BlockingConnectionPool

    def connect() -> RedisClient:
        pool = pools.from_url(
            url,
            max_connections=connections,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # With protocol 3, redis-py 8 does not check whether an idle connection was closed.
            protocol=2,
            # The store repeats calls itself.
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        return Redis.from_pool(pool)

    return connect


def _explain(error: BaseException, action: str) -> str:
    """Say what went wrong and what to do, without the server's text, which may quote the command."""
    from redis import exceptions  # noqa: PLC0415 -- was imported with the store

    causes = list(_causes(error))
    known = [advice for sign, advice in _ADVICE.items() if any(sign in cause for cause in causes)]
    kind = type(error).__name__
    if not isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return f"did not {action} ({kind}). {known[0] if known else _CHECK_SERVER}"
    if "connecting to" in str(error):
        action = "connect"  # no command was sent
    problem = f"did not {action} ({kind}: {str(error)[:200]})."
    if known:
        return f"{problem} {known[0]}"
    unknown = f" {_UNKNOWN}" if action == "write" else ""
    return f"{problem}{unknown} {_CHECK_SERVER}"


def _connection_was_lost(error: Exception) -> bool:
    """Return whether an open connection was lost. A timeout is not: another attempt would wait as long."""
    from redis import exceptions  # noqa: PLC0415 -- was imported with the store

    if isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError):
        return False
    known = type(error) is exceptions.ConnectionError or isinstance(error, OSError)
    return known and "connecting to" not in str(error)


def _causes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        error = error.__cause__


def _parse_record(found: bytes) -> tuple[Stored | None, float]:
    """Return a record and its expiry time. The record is None if this store cannot have written it."""
    try:
        version, expires_at, value = found.split(b":", 2)
        return Stored(value, int(version)), float(expires_at or math.inf)
    except ValueError:
        return None, 0


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _to_text(number: float | None) -> str:
    return "" if number is None else repr(number)
