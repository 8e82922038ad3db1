"""The stores: where credentials are kept.

Each store is imported when its name is first used, so a program does not load the others.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from atlassian_auth.stores.base import ABSENT, Hold, Store, Stored

if TYPE_CHECKING:
    from atlassian_auth.stores.checked import CheckedStore, Target
    from atlassian_auth.stores.encrypted import EncryptedStore
    from atlassian_auth.stores.file import FileStore
    from atlassian_auth.stores.keyring import KeyringStore
    from atlassian_auth.stores.memory import MemoryStore
    from atlassian_auth.stores.opening import open_store
    from atlassian_auth.stores.postgres import PostgresStore
    from atlassian_auth.stores.records import Loaded, Records
    from atlassian_auth.stores.redis import RedisStore
    from atlassian_auth.stores.sqlite import SQLiteStore

__all__ = [
    "ABSENT",
    "CheckedStore",
    "EncryptedStore",
    "FileStore",
    "Hold",
    "KeyringStore",
    "Loaded",
    "MemoryStore",
    "PostgresStore",
    "Records",
    "RedisStore",
    "SQLiteStore",
    "Store",
    "Stored",
    "Target",
    "open_store",
]

_MODULES = MappingProxyType(
    {
        "CheckedStore": "checked",
        "EncryptedStore": "encrypted",
        "FileStore": "file",
        "KeyringStore": "keyring",
        "Loaded": "records",
        "MemoryStore": "memory",
        "PostgresStore": "postgres",
        "Records": "records",
        "RedisStore": "redis",
        "SQLiteStore": "sqlite",
        "Target": "checked",
        "open_store": "opening",
    }
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
