"""Where tokens are kept: one small interface over bytes, and its siblings.

Each is imported when it is first asked for, so that none costs anything where another is used.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from atlassian_auth.stores.base import ABSENT, Store, Stored

if TYPE_CHECKING:
    from atlassian_auth.stores.memory import MemoryStore
    from atlassian_auth.stores.sqlite import SQLiteStore

__all__ = ["ABSENT", "MemoryStore", "SQLiteStore", "Store", "Stored"]

_HOMES = MappingProxyType({"MemoryStore": "memory", "SQLiteStore": "sqlite"})


def __getattr__(name: str) -> type[Store]:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    store: type[Store] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = store
    return store
