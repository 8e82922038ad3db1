"""A fixed number of locks for any number of keys."""

from __future__ import annotations

import asyncio
import zlib

__all__ = ["StripedLock"]


class StripedLock:
    """Exclusive access by key with bounded memory: equal keys share a lock, other keys seldom do.

    Hold a stripe for a short decision only, never for an exchange: two keys on one stripe must not
    wait for each other's server.

    Args:
        stripes: How many locks there are.
    """

    def __init__(self, stripes: int) -> None:
        self._locks = tuple(asyncio.Lock() for _ in range(stripes))

    def of(self, key: str) -> asyncio.Lock:
        """Return the key's lock; the same key has the same lock in each process and release."""
        return self._locks[zlib.crc32(key.encode()) % len(self._locks)]

    async def passed(self) -> None:
        """Return when each decision that has begun is made; later ones may be under way."""
        for lock in self._locks:
            async with lock:
                pass
