"""A fixed number of locks for any number of keys."""

from __future__ import annotations

import asyncio
import zlib

__all__ = ["StripedLock"]


class StripedLock:
    """Exclusive access by key with bounded memory: equal keys share a lock, different keys seldom do.

    Hold a lock for a short decision only, never for an exchange: two keys with the same lock must not wait
    for each other's server.

    Args:
        stripes: How many locks there are.
    """

    def __init__(self, stripes: int) -> None:
        self._locks = tuple(asyncio.Lock() for _ in range(stripes))

    def of(self, key: str) -> asyncio.Lock:
        """Return the key's lock: the same one of the tuple in each process and release."""
        return self._locks[zlib.crc32(key.encode()) % len(self._locks)]

    async def wait_for_holders(self) -> None:
        """Return when each task that holds a lock now, or waits for one, has released it."""
        for lock in self._locks:
            async with lock:
                pass
