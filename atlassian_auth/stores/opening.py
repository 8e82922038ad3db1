"""Stores by URL or path, so that a setting or a command-line option can choose the store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores.base import Store

__all__ = ["AnyStore", "checked_store", "open_store"]

AnyStore = Store | str | os.PathLike[str]
"""A store, or what `open_store` accepts: the URL of a store, or the path of a SQLite file."""

# At least two letters: one letter is a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

_METHODS = ("get", "put", "delete", "keys", "lock", "aclose")

_FORMS = MappingProxyType(
    {
        "memory": "memory:",
        "sqlite": "sqlite:///relative/tokens.db or sqlite:////absolute/tokens.db",
        "file": "file:///absolute/folder",
        "keyring": "keyring:service",
        "redis": "redis://localhost:6379/0",
        "rediss": "rediss://user:password@host:6379/0",
        "unix": "unix://user:password@/path/to/redis.sock",
        "postgresql": "postgresql://user:password@host:5432/database?sslmode=verify-full",
        "postgres": "postgres://user:password@host:5432/database",
    }
)


class _ServerOpener(Protocol):
    def __call__(self, url: str, *, allow_insecure_network: bool, clock: Clock) -> Store: ...


_INSECURE = "allow_insecure_network=true"


def checked_store(store: object, *, argument: str = "store", clock: Clock = SYSTEM_CLOCK) -> Store:
    """Return the store; if it is a URL or a path, the store that `open_store` makes of it.

    Args:
        store: An `AnyStore`.
        argument: The name of the caller's argument, for the error.
        clock: Given to a store that is opened.

    Raises:
        ConfigurationError: if it is anything else, such as the class of a store; or as `open_store`.
    """
    if isinstance(store, str | os.PathLike):
        return open_store(cast("str | os.PathLike[str]", store), clock=clock)
    if not isinstance(store, type) and all(hasattr(store, name) for name in _METHODS):
        return cast("Store", store)
    expected = (
        'a store such as SQLiteStore("tokens.db"), the URL of one, or the path of a SQLite file'
    )
    raise ConfigurationError.wrong_type(argument, expected, store)


def open_store(
    url: str | os.PathLike[str],
    *,
    allow_insecure_network: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Store:
    """Return the store that a URL or a path names, with its default options. It opens on first use.

    The path of a file, such as ``tokens.db`` or a ``pathlib.Path``, means a `SQLiteStore`. The URLs are
    ``memory:``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``file:///folder``,
    ``keyring:service``, ``redis://…``, ``rediss://…``, ``unix://…`` (a socket of Redis) and
    ``postgresql://…``. In a URL's path, write ``?``, ``#`` and ``%`` as ``%3F``, ``%23`` and ``%25``.

    Args:
        url: A URL or a path. A URL may contain a password; no error repeats it.
        allow_insecure_network: An option of `RedisStore` and `PostgresStore`. In their URLs
            ``allow_insecure_network=true`` means the same.
        clock: The clock of the store.

    Raises:
        ConfigurationError: if no store has such a URL, if a package that the store needs is missing, or if
            tokens would cross a network without verified TLS.
    """
    if not isinstance(url, str) or _is_path(url):
        return _open_path(url, clock)
    parts = _split(url)
    if parts.scheme in _SERVER_OPENERS:
        plain = _without_permission(url)
        allowed = allow_insecure_network or plain != url
        return _SERVER_OPENERS[parts.scheme](plain, allow_insecure_network=allowed, clock=clock)
    return _LOCAL_OPENERS[parts.scheme](parts, clock)


def _is_path(text: str) -> bool:
    # "memory" is probably a URL without its colon, and not a file of this name.
    return bool(text) and not _URL.match(text) and text.lower() not in _FORMS


def _without_permission(url: str) -> str:
    place, _, query = url.partition("?")
    options = [option for option in query.split("&") if option not in {"", _INSECURE}]
    return f"{place}?{'&'.join(options)}" if options else place


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in _FORMS:
        forms = ", ".join(form for scheme, form in _FORMS.items() if scheme != "postgres")
        message = (
            f"This is not the URL of a store. Expected one of: {forms}; or the path of a SQLite file."
            f"{_hint(parts.scheme)}"
        )
        raise ConfigurationError(message, argument="url")
    return parts


def _hint(scheme: str) -> str:
    # SQLAlchemy's URLs name a driver: postgresql+psycopg://.
    plain, plus, _ = scheme.partition("+")
    return f" Write {plain}:// without the driver." if plus and plain in _FORMS else ""


def _check(parts: SplitResult, *, valid: bool) -> None:
    if not valid or parts.query or parts.fragment:
        message = f"This URL of a store has a part missing or one too many. Expected {_FORMS[parts.scheme]}."
        raise ConfigurationError(message, argument="url")


def _open_memory(parts: SplitResult, clock: Clock) -> Store:
    from atlassian_auth.stores.memory import MemoryStore  # noqa: PLC0415 -- only the store in use is imported

    _check(parts, valid=not parts.netloc and not parts.path)
    return MemoryStore(clock=clock)


def _open_sqlite(parts: SplitResult, clock: Clock) -> Store:
    _check(parts, valid=not parts.netloc and len(parts.path) > 1)
    return _open_path(unquote(parts.path[1:]), clock)


def _open_path(path: object, clock: Clock) -> Store:
    from atlassian_auth.stores.sqlite import SQLiteStore  # noqa: PLC0415 -- as above

    if not isinstance(path, str | os.PathLike):
        raise ConfigurationError.wrong_type(
            "url", "the URL of a store, or the path of a SQLite file", path
        )
    return SQLiteStore(cast("str | os.PathLike[str]", path), clock=clock)


def _open_file(parts: SplitResult, clock: Clock) -> Store:
    from urllib.request import url2pathname  # noqa: PLC0415 -- knows the drives of Windows

    from atlassian_auth.stores.file import FileStore  # noqa: PLC0415 -- as above

    rooted = parts.path.startswith("/") and len(parts.path) > 1
    _check(parts, valid=parts.netloc in {"", "localhost"} and rooted)
    return FileStore(url2pathname(parts.path), clock=clock)


def _open_keyring(parts: SplitResult, clock: Clock) -> Store:
    from atlassian_auth.stores.keyring import KeyringStore  # noqa: PLC0415 -- as above

    _check(parts, valid=not parts.netloc and bool(parts.path))
    return KeyringStore(unquote(parts.path), clock=clock)


def _open_redis(url: str, *, allow_insecure_network: bool, clock: Clock) -> Store:
    from atlassian_auth.stores.redis import RedisStore  # noqa: PLC0415 -- as above

    return RedisStore(url, allow_insecure_network=allow_insecure_network, clock=clock)


def _open_postgres(url: str, *, allow_insecure_network: bool, clock: Clock) -> Store:
    from atlassian_auth.stores.postgres import PostgresStore  # noqa: PLC0415 -- as above

    return PostgresStore(url, allow_insecure_network=allow_insecure_network, clock=clock)


_LOCAL_OPENERS: MappingProxyType[str, Callable[[SplitResult, Clock], Store]] = MappingProxyType(
    {
        "memory": _open_memory,
        "sqlite": _open_sqlite,
        "file": _open_file,
        "keyring": _open_keyring,
    }
)
_SERVER_OPENERS: MappingProxyType[str, _ServerOpener] = MappingProxyType(
    {
        "redis": _open_redis,
        "rediss": _open_redis,
        "unix": _open_redis,
        "postgresql": _open_postgres,
        "postgres": _open_postgres,
    }
)
