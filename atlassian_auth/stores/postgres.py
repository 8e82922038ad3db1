"""PostgreSQL, for many hosts: one table of records, and locks that end with their connection.

A lock is an advisory lock of a transaction. So it works through a pooler that assigns connections by
transaction (PgBouncer), and the server frees it as soon as the connection ends for any reason. Locks use
other connections than reads and writes, so that the holder of a lock can always read and write.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._postgres_connections import (
    AnswerTimeout,
    PostgresConnections,
    Unreachable,
)
from atlassian_auth.stores._server import LockRequest, ServerStore, check_limits, check_network
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import Target

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

    _Connection = AsyncConnection[Any]

__all__ = ["PostgresStore"]

T = TypeVar("T")

# Names are bytes: text cannot contain a NUL, and is compared by the database's collation. The digest is the
# primary key, because an index entry may have at most 2,704 bytes. The second constraint provides an index.
_CREATE = """
    CREATE TABLE IF NOT EXISTS {table} (
        name bytea PRIMARY KEY,
        namespace bytea NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        version bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
        expires_at double precision,
        UNIQUE (expires_at, name)
    )
"""
_FIND = "SELECT to_regclass(%s)::oid::bigint"
_LOCK_CREATION = "SELECT pg_advisory_xact_lock(%s)"

_NOT_EXPIRED = "(expires_at IS NULL OR expires_at > %(now)s)"
_GET = f"SELECT value, version FROM {{table}} WHERE name = %(name)s AND {_NOT_EXPIRED}"  # noqa: S608
_VERSION = f"SELECT version FROM {{table}} WHERE name = %(name)s AND {_NOT_EXPIRED}"  # noqa: S608
_KEYS = f"SELECT key FROM {{table}} WHERE namespace = %(namespace)s AND {_NOT_EXPIRED}"  # noqa: S608
_DELETE_EXPIRED = """
    DELETE FROM {table} WHERE name IN (
        SELECT name FROM {table} WHERE expires_at <= %(now)s FOR UPDATE SKIP LOCKED
    )
"""
_INSERT = """
    INSERT INTO {table} AS present (name, namespace, key, value, expires_at)
    VALUES (%(name)s, %(namespace)s, %(key)s, %(value)s, %(expires_at)s)
    ON CONFLICT (name) DO UPDATE
    SET value = excluded.value, expires_at = excluded.expires_at, version = DEFAULT
    WHERE %(expected)s::bigint IS NULL OR present.expires_at <= %(now)s
    RETURNING version
"""
_UPDATE = f"""
    UPDATE {{table}} SET value = %(value)s, expires_at = %(expires_at)s, version = DEFAULT
    WHERE name = %(name)s AND version = %(expected)s AND {_NOT_EXPIRED}
    RETURNING version
"""  # noqa: S608
_DELETE = f"""
    DELETE FROM {{table}}
    WHERE name = %(name)s AND {_NOT_EXPIRED} AND (%(expected)s::bigint IS NULL OR version = %(expected)s)
    RETURNING version
"""  # noqa: S608

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
_LONGEST_NAME = 63

# Operators set these timeouts against forgotten transactions. They would end the lock of a slow exchange.
_BEGIN = b"BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"
_BEGIN_SINCE_17 = _BEGIN + b"; SET LOCAL transaction_timeout = 0"
# A process that could not save a refreshed token does not get the lock. For a table that was dropped the
# privileges are NULL.
_LOCK = """
    SELECT pg_try_advisory_xact_lock(%(lock)s),
        current_setting('transaction_read_only')::boolean,
        coalesce(
            has_any_column_privilege(%(table)s::oid, 'INSERT')
            AND has_any_column_privilege(%(table)s::oid, 'UPDATE')
            AND has_table_privilege(%(table)s::oid, 'DELETE'),
            true
        )
"""

# With these a client notices the loss of the server's host after about a minute
# (https://www.postgresql.org/docs/current/libpq-connect.html). The server has settings of the same names for
# the loss of a client's host.
_DEFAULTS = MappingProxyType(
    {
        "application_name": "atlassian-auth",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
    }
)

_CHECK_SERVER = "Check that it can be reached, and read its log"
_UNKNOWN = (
    " It is not known whether the change was made: read the record before you change it again."
)
_CONNECTION_LOST = ("08", "57P")  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = MappingProxyType(
    {
        "42501": "Grant its user SELECT, INSERT, UPDATE and DELETE on the table; and CREATE on the "
        "schema, or create the table beforehand as the documentation shows",
        "42": "The table was dropped, or is not this store's: restore it, or name another",
        "53": "It has no more connections, memory or disk: give it more",
        "57": "It is starting, stopping, or has cancelled the statement: try again later",
        "25006": "It is a replica: connect to the primary (target_session_attrs=read-write)",
    }
)


class PostgresStore(ServerStore):
    """Keeps records in a table of PostgreSQL 12 or later, for any number of hosts.

    Safe to use from any number of tasks, event loops, threads and processes, on asyncio and trio, also after
    a fork. A record that ``put`` has stored is as durable as a commit on that server. No feature needs a
    session, so PgBouncer works in its mode ``transaction``.

    The store gives a lock only where the refreshed token can be saved. The lock is free as soon as the
    connection of its holder has ended: at once if the process dies; if its host dies, when the server notices
    (set by ``tcp_keepalives_idle`` and the similar settings of the server).

    Args:
        conninfo: A URL, ``postgresql://…``, or another connection string of libpq, with any of its options.
        table: The table of the records, also as ``schema.table``. It is created if it does not exist.
        timeout_seconds: How many seconds to wait at most: to connect, for a free connection, and for an
            answer. Default: 10 for each.
        connections: The largest number of connections that read and write.
        locks: The largest number of keys that are locked at the same time; each lock uses a connection.
        allow_insecure_network: Accept a server on another computer without ``sslmode=verify-full`` or
            ``verify-ca``. Others on the network can then read and change the records, and perhaps the
            password; with `EncryptedStore` around this store, only the password.
        clock: Decides when a record has expired and when waiting for a lock times out.

    Raises:
        ConfigurationError: if an argument cannot be used, or the packages of the extra ``postgres`` are
            missing.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        table: str = "atlassian_auth_records",
        timeout_seconds: float = 10,
        connections: int = 4,
        locks: int = 16,
        allow_insecure_network: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        check_limits(timeout_seconds, connections=connections, locks=locks)
        parameters = _parse_conninfo(conninfo, timeout_seconds)
        quoted = _quote(table)
        if not allow_insecure_network and not _is_verified(parameters):
            cure = "Use sslmode=verify-full"
            check_network(_hosts(parameters), argument="conninfo", cure=cure)

        def make() -> _PostgresServer:
            lent = PostgresConnections(
                parameters, records=connections, locks=locks, timeout_seconds=timeout_seconds
            )
            return _PostgresServer(_describe_server(parameters), quoted, lent)

        super().__init__(
            f"PostgresStore {table}", make, clock=clock, answer_age_seconds=timeout_seconds
        )


class _PostgresServer:
    """The client of the server, used in one event loop."""

    def __init__(self, place: str, table: str, connections: PostgresConnections) -> None:
        self._place = place
        self._table = table
        self._connections = connections
        self._table_oid: int | None = None
        self._held: dict[LockRequest, AsyncConnection[Any]] = {}

    async def get(self, target: Target) -> Stored | None:
        fields = _fields(target)
        row = await self._ask("read", lambda connection: self._fetch_one(connection, _GET, fields))
        return row and Stored(*row)

    async def put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        fields = {
            **_fields(target),
            "namespace": target.namespace.encode(),
            "key": target.key.encode(),
            "value": value,
            "expires_at": expires_at,
        }

        async def put(connection: _Connection) -> int:
            await self._execute(connection, _DELETE_EXPIRED, fields)
            change = _UPDATE if target.expected else _INSERT
            row: tuple[int] | None = await self._fetch_one(connection, change, fields)
            if row is None:
                await self._refuse(connection, target)
            return row[0]

        return await self._ask("write", put)

    async def delete(self, target: Target) -> bool:
        async def delete(connection: _Connection) -> bool:
            row = await self._fetch_one(connection, _DELETE, _fields(target))
            if row is None and target.expected is not None:
                await self._refuse(connection, target)
            return row is not None

        return await self._ask("write", delete)

    async def keys(self, namespace: str, now: float) -> list[str]:
        fields = {"namespace": namespace.encode(), "now": now}

        async def keys(connection: _Connection) -> list[str]:
            rows = await (await self._execute(connection, _KEYS, fields)).fetchall()
            return [key.decode() for (key,) in rows]

        return await self._ask("read", keys)

    async def acquire(self, request: LockRequest) -> bool:
        return await self._run_explained("lock", lambda: self._lock(request))

    async def confirm(self, request: LockRequest, seconds: float) -> bool:  # noqa: ARG002 -- no lease
        """Return whether the lock's transaction is still open: it is, as long as its connection is."""
        connection = self._held[request]
        # Any error ends the transaction, and with it the lock.
        with suppress(Exception), self._connections.limit_time(connection):
            await connection.execute("SELECT 1")
            return True
        return False

    async def release(self, request: LockRequest) -> None:
        connection = self._held.pop(request, None)
        if connection is not None:
            await self._run_explained("unlock", lambda: self._unlock(connection))

    async def aclose(self) -> None:
        while self._held:
            _, connection = self._held.popitem()
            await connection.close()
        await self._connections.aclose()

    # -- locks ------------------------------------------------------------------------------------

    async def _lock(self, request: LockRequest) -> bool:
        connection = await self._connections.take_for_lock()
        if connection is None:
            return False
        try:
            with self._connections.limit_time(connection):
                acquired = await self._lock_with(connection, request)
        except BaseException:
            await self._connections.return_from_lock(connection)
            raise
        if acquired:
            self._held[request] = connection
        else:
            await self._unlock(connection)
        return acquired

    async def _lock_with(self, connection: _Connection, request: LockRequest) -> bool:
        number = await self._ensure_table(connection)
        lock = _lock_id(f"{number}:{len(request.namespace)}:{request.namespace}{request.key}")
        await connection.execute(self._begin_statement(connection.info.server_version))
        fields = {"lock": lock, "table": number}
        row = await (await connection.execute(_LOCK, fields)).fetchone()
        acquired, is_read_only, may_write = row or (False, False, True)
        if is_read_only or not may_write:
            state = "25006" if is_read_only else "42501"
            message = (
                f"{self._place} did not lock: no token could be saved there. {_ADVICE[state]}."
            )
            raise StoreError(message)
        return acquired is True

    @staticmethod
    def _begin_statement(server_version: int) -> bytes:
        return _BEGIN_SINCE_17 if server_version >= 17_00_00 else _BEGIN

    async def _unlock(self, connection: _Connection) -> None:
        try:
            with self._connections.limit_time(connection):
                await connection.execute("ROLLBACK")
        finally:
            await self._connections.return_from_lock(connection)

    # -- the table --------------------------------------------------------------------------------

    async def _ensure_table(self, connection: _Connection) -> int:
        """Return the table's object id, and create the table if it does not exist."""
        if self._table_oid is None:
            self._table_oid = await self._find_table(connection) or await self._create(connection)
        return self._table_oid

    async def _find_table(self, connection: _Connection) -> int:
        row = await (await connection.execute(_FIND, [self._table])).fetchone()
        return (row and row[0]) or 0

    async def _create(self, connection: _Connection) -> int:
        # IF NOT EXISTS is not enough: of two processes that create the table at the same time, one would
        # fail.
        async with connection.transaction():
            await connection.execute(_LOCK_CREATION, [_lock_id(self._table)])
            await connection.execute(_CREATE.format(table=self._table).encode())
            return await self._find_table(connection)

    # -- statements -------------------------------------------------------------------------------

    async def _execute(
        self, connection: _Connection, statement: str, fields: dict[str, Any]
    ) -> AsyncCursor[Any]:
        return await connection.execute(statement.format(table=self._table).encode(), fields)

    async def _fetch_one(
        self, connection: _Connection, statement: str, fields: dict[str, Any]
    ) -> Any:
        return await (await self._execute(connection, statement, fields)).fetchone()

    async def _refuse(self, connection: _Connection, target: Target) -> NoReturn:
        row = await self._fetch_one(connection, _VERSION, _fields(target))
        target.check(row[0] if row else ABSENT)
        message = f"Key {target.key!r} in {target.namespace!r} was changed at the same time. Read it again."
        raise VersionConflict(message)

    async def _ask(self, action: str, question: Callable[[_Connection], Awaitable[T]]) -> T:
        async def ask() -> T:
            async with self._connections.lend() as connection:
                await self._ensure_table(connection)
                return await question(connection)

        return await self._run_explained(action, ask)

    async def _run_explained(self, action: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await (work() if action == "write" else _try_twice(work))
        except StoreError:
            raise
        except AnswerTimeout:
            unknown = _UNKNOWN if action == "write" else ""
            problem = f"the answer took too long.{unknown} {_CHECK_SERVER}"
        except Unreachable as error:
            action = "connect"  # no statement was sent
            problem = f"{error}. Check that it can be reached, and the user and password"
        except Exception as error:  # noqa: BLE001 -- psycopg also raises errors of Python
            problem = _explain(error, action)
        # Raised outside the except block, so that the server's error, which may quote a record, is not
        # attached.
        raise StoreError(f"{self._place} did not {action}: {problem}.")


def _parse_conninfo(conninfo: str, timeout_seconds: float) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 -- an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError:
        message = "PostgresStore needs psycopg: pip install 'atlassian-auth[postgres]'"
        raise ConfigurationError(message, argument="conninfo") from None
    given: dict[str, Any] | None = None
    with suppress(ProgrammingError):  # its text repeats the connection string
        given = conninfo_to_dict(conninfo)
    if given is None:
        message = (
            "This is not a connection string of PostgreSQL. Expected "
            "postgresql://user:password@host:5432/database?sslmode=verify-full, with special characters of "
            "the password percent-encoded, or another form that libpq accepts."
        )
        raise ConfigurationError(message, argument="conninfo")
    ours = {
        "autocommit": True,
        "prepare_threshold": None,
    }  # PgBouncer may not know prepared statements
    return {**_DEFAULTS, "connect_timeout": math.ceil(timeout_seconds), **given, **ours}


def _effective_option(parameters: dict[str, Any], name: str) -> str:
    """Return an option as libpq will use it, also from its environment; empty if it is not set."""
    from psycopg.pq import Conninfo  # noqa: PLC0415 -- an extra

    usual = {option.keyword.decode(): option.val for option in Conninfo.get_defaults()}
    return str(parameters.get(name) or (usual[name] or b"").decode())


def _is_verified(parameters: dict[str, Any]) -> bool:
    """Return whether the connection uses TLS and verifies the certificate: ``require`` does not."""
    if _effective_option(parameters, "sslrootcert") == "system":
        return True  # libpq then refuses weaker modes
    return _effective_option(parameters, "sslmode") in {"verify-ca", "verify-full"}


def _hosts(parameters: dict[str, Any]) -> list[str]:
    names = (_effective_option(parameters, name) for name in ("hostaddr", "host", "service"))
    return next((hosts for hosts in names if hosts), "").split(",")


def _quote(table: str) -> str:
    names = re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)?", table) and table.split(".")
    if not names or any(len(name.encode()) > _LONGEST_NAME for name in names):
        message = (
            f"table={table!r}; expected the name of a table, or schema.table. Each name may have at most "
            f"{_LONGEST_NAME} bytes, because PostgreSQL ignores the rest."
        )
        raise ConfigurationError(message, argument="table")
    return ".".join(f'"{name}"' for name in table.split("."))


def _describe_server(parameters: dict[str, Any]) -> str:
    names = (("host", "its default host"), ("port", "5432"), ("dbname", ""))
    host, port, database = (parameters.get(name, default) for name, default in names)
    return f"PostgreSQL at {host}:{port}/{database}"


def _explain(error: Exception, action: str) -> str:
    """Say what went wrong and what to do, without the server's text, which may quote a record."""
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        advice = next(
            (_ADVICE[part] for part in (state, state[:2]) if part in _ADVICE), _CHECK_SERVER
        )
        return f"{type(error).__name__}. {advice}"
    unknown = _UNKNOWN if action == "write" else ""
    return f"{type(error).__name__}, the connection was lost.{unknown} {_CHECK_SERVER}"


async def _try_twice(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, and repeat it once if its connection was lost. Only for work that may be done twice."""
    from psycopg import OperationalError  # noqa: PLC0415 -- was imported with the store

    try:
        return await work()
    except OperationalError as error:
        if not (error.sqlstate or _CONNECTION_LOST[0]).startswith(_CONNECTION_LOST):
            raise
    return await work()


def _fields(target: Target) -> dict[str, Any]:
    name = _digest(*target.name)
    return {"name": name, "expected": target.expected, "now": target.now}


def _digest(namespace: str, key: str) -> bytes:
    return hashlib.sha256(f"{len(namespace)}:{namespace}{key}".encode()).digest()


def _lock_id(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)
