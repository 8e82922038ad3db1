"""The common base of all stores: it checks names, lifetimes and versions, and reads the clock."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores.base import Hold, Store, Stored
from atlassian_auth.stores.rules import check_names, check_version, expiry

__all__ = ["CheckedStore", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """The record that a call reads or changes.

    Args:
        namespace: The group of records.
        key: The name of the record.
        now: When the call was made, in POSIX seconds by the store's clock. A record that has expired by then
            counts as absent.
        expected: The version that the record must have now, `ABSENT` if it must not exist; None for any
            version.
    """

    namespace: str
    key: str
    now: float
    expected: int | None = None

    @property
    def name(self) -> tuple[str, str]:
        """The namespace and the key."""
        return self.namespace, self.key

    def check(self, actual: int) -> None:
        """Check that the record may be changed.

        Args:
            actual: The version that the record has, `ABSENT` if it does not exist.

        Raises:
            VersionConflict: if the record is not at the expected version.
        """
        check_version(*self.name, expected=self.expected, actual=actual)


class CheckedStore(Store):
    """A base class for stores. A subclass writes six short methods.

    The methods of `Store` are defined here. They refuse invalid arguments, and then call the methods of the
    subclass. These get valid names, and times in POSIX seconds by ``clock``, which is read once a call:

    - ``_get(target)`` returns the record, or None;
    - ``_put(target, value, expires_at)`` checks the version with `Target.check`, stores the value, and
      returns the new version, which this key has never had;
    - ``_delete(target)`` checks the version, removes the record, and returns whether there was one;
    - ``_keys(namespace, now)`` returns the keys in any order;
    - ``_lock(namespace, key, timeout_seconds)`` returns a context that holds the key's lock, and measures its
      time limit itself;
    - ``aclose()`` releases files and connections.

    Checking the version and changing the record must be one atomic step across processes.

    Args:
        clock: Tells the time of each call, in POSIX seconds: it decides when a record has expired. By default
            it is the computer's clock, and not that of a server. A test passes a `ManualClock`.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return the record of this key, or None; see `Store.get`."""
        return await self._get(self._target(namespace, key))

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value and return its new version; see `Store.put`."""
        target = self._target(namespace, key, expected)
        return await self._put(target, value, expiry(target.now, ttl_seconds))

    async def delete(self, namespace: str, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        return await self._delete(self._target(namespace, key, expected))

    async def keys(self, namespace: str) -> list[str]:
        """Return the namespace's keys, sorted."""
        check_names(namespace=namespace)
        return sorted(await self._keys(namespace, self._clock.time()))

    def lock(
        self, namespace: str, key: str, *, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]:
        """Return a context that holds the key's lock; see `Store.lock`."""
        check_names(namespace=namespace, key=key)
        return self._lock(namespace, key, timeout_seconds)

    def _target(self, namespace: str, key: str, expected: int | None = None) -> Target:
        check_names(namespace=namespace, key=key)
        return Target(namespace, key, self._clock.time(), expected)

    @abstractmethod
    async def _get(self, target: Target) -> Stored | None: ...

    @abstractmethod
    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int: ...

    @abstractmethod
    async def _delete(self, target: Target) -> bool: ...

    @abstractmethod
    async def _keys(self, namespace: str, now: float) -> list[str]: ...

    @abstractmethod
    def _lock(
        self, namespace: str, key: str, timeout_seconds: float
    ) -> AbstractAsyncContextManager[Hold | None]: ...
