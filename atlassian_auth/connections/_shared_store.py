"""One store for many managers: closing one of them leaves the store open for the others."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from atlassian_auth.stores.base import Hold, Store, Stored

__all__ = ["SharedStore"]


class SharedStore(Store):
    """Another store, which this one does not close.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Do the same as the store, like the next four."""
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
        return await self._store.put(
            namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
        )

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        return await self._store.delete(namespace, key, expected=expected)

    async def keys(self, namespace: str) -> list[str]:
        return await self._store.keys(namespace)

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]:
        return self._store.lock(namespace, key, timeout_seconds=timeout_seconds)

    async def aclose(self) -> None:
        """Do nothing: `Connections.aclose` closes the store."""
