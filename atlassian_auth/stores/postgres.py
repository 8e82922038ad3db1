"""PostgreSQL, for a fleet: one table of records, and locks that end with their connection.

A lock is an advisory lock of a transaction: it works through a pooler that lends connections by
transaction (PgBouncer), and the server frees it as soon as the connection ends, however that happens.
Locks have connections apart from those that read and write, so that who holds one can do both.
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
from atlassian_auth.stores._postgres_connections import Connections, Overdue, Unreachable
from atlassian_auth.stores._served import Claim, ServedStore, check_limits, check_network
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.checked import Target

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

    _Connection = AsyncConnection[Any]

__all__ = ["PostgresStore"]

T = TypeVar("T")

# Names are bytes: text could not hold a NUL, and would be compared as the database's collation likes.
# The digest is the primary key, because an index entry may have no more than 2,704 bytes. The other
# constraint is there for its index.
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
_ALONE = "SELECT pg_advisory_xact_lock(%s)"

_ALIVE = "(expires_at IS NULL OR expires_at > %(now)s)"
_GET = f"SELECT value, version FROM {{table}} WHERE name = %(name)s AND {_ALIVE}"  # noqa: S608
_VERSION = f"SELECT version FROM {{table}} WHERE name = %(name)s AND {_ALIVE}"  # noqa: S608
_KEYS = f"SELECT key FROM {{table}} WHERE namespace = %(namespace)s AND {_ALIVE}"  # noqa: S608
_BURY = """
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
    WHERE name = %(name)s AND version = %(expected)s AND {_ALIVE}
    RETURNING version
"""  # noqa: S608
_DELETE = f"""
    DELETE FROM {{table}}
    WHERE name = %(name)s AND {_ALIVE} AND (%(expected)s::bigint IS NULL OR version = %(expected)s)
    RETURNING version
"""  # noqa: S608

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
_LONGEST_NAME = 63

# What operators set against forgotten transactions would end the lock of a slow exchange.
_BEGIN = b"BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"
_BEGIN_SINCE_17 = _BEGIN + b"; SET LOCAL transaction_timeout = 0"
# Who could not save what is refreshed under the lock does not get it. A table that is gone gives NULL.
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

# https://www.postgresql.org/docs/current/libpq-connect.html: a server whose host is gone is noticed after
# about a minute; the server has settings of the same names for a client whose host is gone.
_DEFAULTS = MappingProxyType(
    {
        "application_name": "atlassian-auth",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
    }
)

_SEE_LOG = "See that it can be reached and that its log shows no trouble"
_UNKNOWN = " Whether the change was made is not known: read the record before another change."
_CUT = ("08", "57P")  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = MappingProxyType(
    {
        "42501": "Grant its user SELECT, INSERT, UPDATE and DELETE on the table; and CREATE on the "
        "schema, or create the table beforehand as the documentation shows",
        "42": "The table is gone, or is not this store's: restore it, or name another",
        "53": "It is out of connections, memory or disk: give it more",
        "57": "It is starting, stopping, or was told to end this: try again later",
        "25006": "It is a replica: connect to the primary (target_session_attrs=read-write)",
    }
)


class PostgresStore(ServedStore):
    """Keeps records in a table of PostgreSQL 12 or later, for any number of hosts.

    Safe to use from any number of tasks, event loops, threads and processes, on asyncio and trio, also
    after a fork. What ``put`` stored is as durable as a commit is on that server. Nothing needs a session
    of its own, so that PgBouncer in its mode ``transaction`` can stand between.

    A lock is given only where what is refreshed under it can be saved. It is free as soon as the
    connection of its holder has ended: at once if the process dies, and if its host does, when the server
    notices (``tcp_keepalives_idle`` and its siblings are settings of the server).

    Args:
        conninfo: A URL, ``postgresql://…``, or another connection string of libpq, with any of its options.
        table: Where the records are kept; made if there is none. ``schema.table`` works.
        timeout_seconds: How long connecting, waiting for a connection, and an answer may take.
        connections: How many read and write at the most.
        locks: How many keys are locked at the same time at the most; each takes a connection.
        allow_insecure_network: Accept a server on another computer without ``sslmode=verify-full`` or
            ``verify-ca``. Everyone on the way can then read and change what is stored, and perhaps
            the password; with `EncryptedStore` around this one, the password only.
        clock: Decides when a record's time is over and how long waiting for a lock takes.

    Raises:
        ConfigurationError: if an argument cannot be used, or the packages of the extra `postgres` are
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
        parameters = _parameters(conninfo, timeout_seconds)
        quoted = _quoted(table)
        if not allow_insecure_network and not _is_verified(parameters):
            cure = "Use sslmode=verify-full"
            check_network(_hosts(parameters), argument="conninfo", cure=cure)

        def make() -> _PostgresServer:
            lent = Connections(
                parameters, records=connections, locks=locks, timeout_seconds=timeout_seconds
            )
            return _PostgresServer(_place(parameters), quoted, lent)

        super().__init__(f"PostgresStore {table}", make, clock=clock, fresh_seconds=timeout_seconds)


class _PostgresServer:
    """Asks the server; lives in one event loop."""

    def __init__(self, place: str, table: str, connections: Connections) -> None:
        self._place = place
        self._table = table
        self._connections = connections
        self._number: int | None = None
        self._held: dict[Claim, AsyncConnection[Any]] = {}

    async def get(self, target: Target) -> Stored | None:
        fields = _fields(target)
        row = await self._ask("read", lambda connection: self._one(connection, _GET, fields))
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
            await self._execute(connection, _BURY, fields)
            change = _UPDATE if target.expected else _INSERT
            row: tuple[int] | None = await self._one(connection, change, fields)
            if row is None:
                await self._refuse(connection, target)
            return row[0]

        return await self._ask("write", put)

    async def delete(self, target: Target) -> bool:
        async def delete(connection: _Connection) -> bool:
            row = await self._one(connection, _DELETE, _fields(target))
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

    async def acquire(self, claim: Claim) -> bool:
        return await self._safely("lock", lambda: self._lock(claim))

    async def confirm(self, claim: Claim, seconds: float) -> bool:  # noqa: ARG002 -- no lease
        """Return whether the lock's transaction goes on; it does as long as its connection."""
        connection = self._held[claim]
        # Whatever goes wrong in a transaction ends it, and the lock with it.
        with suppress(Exception), self._connections.cutting_off(connection):
            await connection.execute("SELECT 1")
            return True
        return False

    async def release(self, claim: Claim) -> None:
        connection = self._held.pop(claim, None)
        if connection is not None:
            await self._safely("unlock", lambda: self._unlock(connection))

    async def aclose(self) -> None:
        while self._held:
            _, connection = self._held.popitem()
            await connection.close()
        await self._connections.aclose()

    # -- locks ------------------------------------------------------------------------------------

    async def _lock(self, claim: Claim) -> bool:
        connection = await self._connections.take_for_lock()
        if connection is None:
            return False
        try:
            with self._connections.cutting_off(connection):
                had = await self._lock_with(connection, claim)
        except BaseException:
            await self._connections.give_back_of_lock(connection)
            raise
        if had:
            self._held[claim] = connection
        else:
            await self._unlock(connection)
        return had

    async def _lock_with(self, connection: _Connection, claim: Claim) -> bool:
        number = await self._table_number(connection)
        lock = _lock_number(f"{number}:{len(claim.namespace)}:{claim.namespace}{claim.key}")
        await connection.execute(self._begin(connection.info.server_version))
        fields = {"lock": lock, "table": number}
        row = await (await connection.execute(_LOCK, fields)).fetchone()
        had, is_read_only, may_write = row or (False, False, True)
        if is_read_only or not may_write:
            state = "25006" if is_read_only else "42501"
            message = f"{self._place} did not lock: nothing could be saved. {_ADVICE[state]}."
            raise StoreError(message)
        return had is True

    @staticmethod
    def _begin(server_version: int) -> bytes:
        return _BEGIN_SINCE_17 if server_version >= 17_00_00 else _BEGIN

    async def _unlock(self, connection: _Connection) -> None:
        try:
            with self._connections.cutting_off(connection):
                await connection.execute("ROLLBACK")
        finally:
            await self._connections.give_back_of_lock(connection)

    # -- the table --------------------------------------------------------------------------------

    async def _table_number(self, connection: _Connection) -> int:
        """Return the number by which the server knows the table, which is made if there is none."""
        if self._number is None:
            self._number = await self._find_table(connection) or await self._create(connection)
        return self._number

    async def _find_table(self, connection: _Connection) -> int:
        row = await (await connection.execute(_FIND, [self._table])).fetchone()
        return (row and row[0]) or 0

    async def _create(self, connection: _Connection) -> int:
        # IF NOT EXISTS alone would not do: of two who create at the same time one gets an error.
        async with connection.transaction():
            await connection.execute(_ALONE, [_lock_number(self._table)])
            await connection.execute(_CREATE.format(table=self._table).encode())
            return await self._find_table(connection)

    # -- questions --------------------------------------------------------------------------------

    async def _execute(
        self, connection: _Connection, statement: str, fields: dict[str, Any]
    ) -> AsyncCursor[Any]:
        return await connection.execute(statement.format(table=self._table).encode(), fields)

    async def _one(self, connection: _Connection, statement: str, fields: dict[str, Any]) -> Any:
        return await (await self._execute(connection, statement, fields)).fetchone()

    async def _refuse(self, connection: _Connection, target: Target) -> NoReturn:
        row = await self._one(connection, _VERSION, _fields(target))
        target.check(row[0] if row else ABSENT)
        message = f"Key {target.key!r} in {target.namespace!r} was changed at the same time. Read it again."
        raise VersionConflict(message)

    async def _ask(self, action: str, question: Callable[[_Connection], Awaitable[T]]) -> T:
        async def ask() -> T:
            async with self._connections.lend() as connection:
                await self._table_number(connection)
                return await question(connection)

        return await self._safely(action, ask)

    async def _safely(self, action: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await (work() if action == "write" else _repeated(work))
        except StoreError:
            raise
        except Overdue:
            unknown = _UNKNOWN if action == "write" else ""
            problem = f"the answer took too long.{unknown} {_SEE_LOG}"
        except Unreachable as error:
            action = "connect"  # nothing was asked
            problem = f"{error}. See that it can be reached, with this user and password"
        except Exception as error:  # noqa: BLE001 -- psycopg raises what Python does, too
            problem = _explain(error, action)
        # Outside the except block: an error of the server may quote the row that it is about.
        raise StoreError(f"{self._place} did not {action}: {problem}.")


def _parameters(conninfo: str, timeout_seconds: float) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 -- an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError:
        message = "PostgresStore needs psycopg: pip install 'atlassian-auth[postgres]'"
        raise ConfigurationError(message, argument="conninfo") from None
    given: dict[str, Any] | None = None
    with suppress(ProgrammingError):  # quotes what it was given
        given = conninfo_to_dict(conninfo)
    if given is None:
        message = (
            "This is no connection string of PostgreSQL. Expected "
            "postgresql://user:password@host:5432/database?sslmode=verify-full, with odd characters of a "
            "password percent-encoded, or another form that libpq knows."
        )
        raise ConfigurationError(message, argument="conninfo")
    ours = {
        "autocommit": True,
        "prepare_threshold": None,
    }  # PgBouncer may not know prepared statements
    return {**_DEFAULTS, "connect_timeout": math.ceil(timeout_seconds), **given, **ours}


def _effective(parameters: dict[str, Any], name: str) -> str:
    """Return an option as libpq will have it, also if it comes from its environment; or nothing."""
    from psycopg.pq import Conninfo  # noqa: PLC0415 -- an extra

    usual = {option.keyword.decode(): option.val for option in Conninfo.get_defaults()}
    return str(parameters.get(name) or (usual[name] or b"").decode())


def _is_verified(parameters: dict[str, Any]) -> bool:
    """Return whether the connection is TLS and checks the certificate: ``require`` does not."""
    if _effective(parameters, "sslrootcert") == "system":
        return True  # libpq refuses weaker modes then
    return _effective(parameters, "sslmode") in {"verify-ca", "verify-full"}


def _hosts(parameters: dict[str, Any]) -> list[str]:
    names = (_effective(parameters, name) for name in ("hostaddr", "host", "service"))
    return next((hosts for hosts in names if hosts), "").split(",")


def _quoted(table: str) -> str:
    names = re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)?", table) and table.split(".")
    if not names or any(len(name.encode()) > _LONGEST_NAME for name in names):
        message = (
            f"table={table!r}; expected the name of a table, or schema.table, of at most "
            f"{_LONGEST_NAME} bytes each: PostgreSQL would cut off the rest."
        )
        raise ConfigurationError(message, argument="table")
    return ".".join(f'"{name}"' for name in table.split("."))


def _place(parameters: dict[str, Any]) -> str:
    names = (("host", "its default host"), ("port", "5432"), ("dbname", ""))
    host, port, database = (parameters.get(name, default) for name, default in names)
    return f"PostgreSQL at {host}:{port}/{database}"


def _explain(error: Exception, action: str) -> str:
    """Return what went wrong and what to do, without the server's text, which may quote a record."""
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        advice = next((_ADVICE[part] for part in (state, state[:2]) if part in _ADVICE), _SEE_LOG)
        return f"{type(error).__name__}. {advice}"
    unknown = _UNKNOWN if action == "write" else ""
    return f"{type(error).__name__}, the connection was lost.{unknown} {_SEE_LOG}"


async def _repeated(work: Callable[[], Awaitable[T]]) -> T:
    """Do it, and once more if its connection was gone; for what may be done twice."""
    from psycopg import OperationalError  # noqa: PLC0415 -- was imported with the store

    try:
        return await work()
    except OperationalError as error:
        if not (error.sqlstate or _CUT[0]).startswith(_CUT):
            raise
    return await work()


def _fields(target: Target) -> dict[str, Any]:
    name = _digest(*target.name)
    return {"name": name, "expected": target.expected, "now": target.now}


def _digest(namespace: str, key: str) -> bytes:
    return hashlib.sha256(f"{len(namespace)}:{namespace}{key}".encode()).digest()


def _lock_number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)
