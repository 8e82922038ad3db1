"""What a store is: bytes by namespace and key, with versions and a lock across processes.

A store does not know what the bytes mean. Two rules make it safe to share: a version is never used twice for
one key, not even after a deletion; and ``put`` and ``delete`` compare it with the version that the caller
read.
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
    """A stored value and its version.

    Args:
        value: The bytes; may be secret.
        version: At least 1; grows with each change of the key.
    """

    value: bytes = field(repr=False)
    version: int


class Hold(Protocol):
    """A held lock, which `Store.lock` yields if the lock can be lost before it is released."""

    async def confirm(self, seconds: float = 0) -> bool:
        """Return whether the lock is still held.

        Args:
            seconds: For how many seconds from now on the lock must stay held, also if this process is paused.
                A lock that ends only with its process ignores this.

        Raises:
            StoreError: if the store does not answer.
        """
        ...


class Store(Protocol):
    """Bytes by namespace and key, with versions and a lock.

    A store opens on the first call, and again on the first call after ``aclose``. Each method raises
    `StoreError` if the store cannot be read or written; the records stay as they are.
    """

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return the record of this key, or None if there is none or it has expired."""
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
            namespace: The group of records, such as ``"tokens"``.
            key: The name of the record; any non-empty text.
            value: The bytes to store.
            expected: The version that the record must have now, `ABSENT` if it must not exist; None to
                overwrite any version.
            ttl_seconds: After this many seconds the record expires and counts as absent; None if it never
                does.

        Raises:
            VersionConflict: if the record is not at the version ``expected``.
        """
        ...

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one.

        Raises:
            VersionConflict: if ``expected`` is given and the record is not at that version.
        """
        ...

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        ...

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]:
        """Return a context that holds the key's exclusive lock, across tasks and processes.

        The lock ends with the process that holds it. It does not block ``get`` and ``put``. If the lock can
        be lost earlier (a lease that ends, a connection that is closed, a file that is removed), the context
        yields a `Hold`, which is asked before a refresh token is sent. Otherwise it may yield None.

        Args:
            namespace: The group of records.
            key: The name of the record; it need not exist.
            timeout_seconds: How many seconds to wait for the lock at most; 0 makes one attempt.

        Raises:
            TimeoutError: on entering, if another task or process held the lock for all of
                ``timeout_seconds``.
        """
        ...

    async def aclose(self) -> None:
        """Release files and connections."""
        ...
