"""What a store is: bytes by namespace and key, with versions and a lock across processes.

A store knows nothing of tokens. Two rules make it safe to share: a version number is never used
twice for one key, not even after a deletion, and ``put`` and ``delete`` compare it with the one the
caller read.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from atlassian_auth.protocol.confidential import Confidential

__all__ = ["ABSENT", "Hold", "Store", "Stored"]

ABSENT = 0
"""As an expected version: the key must not exist."""


@dataclass(frozen=True, slots=True)
class Stored(Confidential):
    """A value as it was read, and the version it had.

    Args:
        value: The bytes; may be secret.
        version: At least 1; grows with each change of the key.
    """

    value: bytes = field(repr=False)
    version: int


class Hold(Protocol):
    """A lock that is held: what a `Store.lock` yields whose lock can be lost while it is held."""

    async def confirm(self, seconds: float = 0) -> bool:
        """Return whether the lock is still held.

        Args:
            seconds: It stays held for so long from now on, also if this process stands still. A lock that
                ends only with its process needs no telling.

        Raises:
            StoreError: if that cannot be found out.
        """
        ...


class Store(Protocol):
    """Bytes, kept by namespace and key, versioned, with a lock.

    Opened lazily, on the first call; may be used again after ``aclose``. Each method raises
    `StoreError` if the store cannot be read or written, and leaves what it holds as it is.
    """

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return what is stored under the key, or None if nothing is or its time has run out."""
        ...

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value durably and return its new version.

        Args:
            namespace: The family of records, such as ``"tokens"``.
            key: The name of the record; any non-empty text.
            value: The bytes to keep.
            expected: The version the key must have now (`ABSENT`: none); None to overwrite whatever
                is there.
            ttl_seconds: After this time the record counts as absent; None keeps it for good.

        Raises:
            VersionConflict: if the key is at another version than ``expected``.
        """
        ...

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one.

        Raises:
            VersionConflict: if ``expected`` is given and the key is at another version, or absent.
        """
        ...

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        ...

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]:
        """Return a context that holds the key's exclusive lock, across tasks and processes.

        The lock ends with the process that holds it. It does not hinder ``get`` and ``put``. If it can be
        lost earlier (a lease, a connection, a file that is removed), the context yields a `Hold`, which is
        asked before a refresh token is presented; otherwise it may yield None.

        Raises:
            TimeoutError: on entering, if others held the lock for all of ``timeout_seconds``.
        """
        ...

    async def aclose(self) -> None:
        """Release files and connections."""
        ...
