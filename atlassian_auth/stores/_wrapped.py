"""A store that passes every call on to another one: the base of the wrappers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from atlassian_auth.stores.base import Hold, Store, Stored

__all__ = ["WrappedStore"]


class WrappedStore(Store):
    """Passes every call on to the inner store. A subclass overrides what it does differently.

    Args:
        store: The inner store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return the record of this key, or None; see `Store.get`."""
        return await self._store.get(namespace, key)

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value and return its version; see `Store.put`."""
        return await self._store.put(
            namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
        )

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record; see `Store.delete`."""
        return await self._store.delete(namespace, key, expected=expected)

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        return await self._store.keys(namespace)

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]:
        """Return a context that holds the key's lock; see `Store.lock`."""
        return self._store.lock(namespace, key, timeout_seconds=timeout_seconds)

    async def aclose(self) -> None:
        """Close the inner store."""
        await self._store.aclose()
