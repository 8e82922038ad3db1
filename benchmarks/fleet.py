"""A manager with many cached credentials, all read from a store that itself keeps nothing.

So the measured memory is the manager's alone, without that of a store in memory.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from atlassian_auth import TokenManager
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.stores import MemoryStore
from atlassian_auth.stores.base import Stored
from benchmarks.scene import ACCESS_TOKEN, REFRESH_TOKEN, SCOPES, grant

# Enough to overlap, and few enough not to overload the loop.
_AT_ONCE = 500


class Shelf(MemoryStore):
    """Has the same fresh record under any key, the key's name in its tokens."""

    def __init__(self, template: Stored) -> None:
        super().__init__()
        self._template = template

    async def get(self, namespace: str, key: str) -> Stored | None:  # noqa: ARG002
        return Stored(self._template.value.replace(b"<key>", key.encode()), 1)


async def manager_of(count: int) -> TokenManager:
    """Return a manager with ``count`` credentials."""
    manager = TokenManager(grant(), store=Shelf(await _template()))
    keys = names(count)
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*map(manager.token, keys[start : start + _AT_ONCE]))
    return manager


def names(count: int) -> list[str]:
    """Return the keys of a fleet of this size."""
    return [f"tenant-{number:06}" for number in range(count)]


async def _template() -> Stored:
    now = datetime.now(UTC)
    token = TokenPair(
        f"{ACCESS_TOKEN}<key>", now, now + timedelta(hours=10), f"{REFRESH_TOKEN}<key>", SCOPES
    )
    store = MemoryStore()
    record = TokenRecord(
        configuration=grant().configuration, token=token, status_since=now, authorized_at=now
    )
    await Records(store, "tokens", TokenRecord).put("template", record)
    stored = await store.get("tokens", "template")
    assert stored is not None
    return stored
