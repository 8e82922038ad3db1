"""A store that remembers every durable write of a credential, and since when a lock is held.

It reads the stored bytes itself: what it says about the library is not said by the library.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import MemoryStore
from tests.harness.store import WatchedStore

# How many turns of the loop a point takes; others take one, as over a network. Another manager may have
# the lock before its last holder hears that it is free.
_TURNS = {"lock": 0, "locked": 0, "release": 0, "released": 8}


class DiskError(Exception):
    """What a client of some database raises."""


@dataclass(frozen=True)
class Write:
    """One durable state of one key; without tokens once it was deleted."""

    number: int
    key: str
    owner: int = 0
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: datetime | None = None
    exists: bool = True


class RememberingStore(WatchedStore):
    """A store in memory that several managers share, each through a `view` of its own."""

    def __init__(self, clock, moments=()):
        super().__init__(MemoryStore(clock=clock))
        self.moments = moments
        self.writes = []
        self.acknowledged = set()
        self.since = {}
        self.observers = []

    def fail(self, point, times):
        super().fail(point, times, StoreError, DiskError)

    def durable(self, key):
        """What the key holds on the disk now."""
        states = [write for write in self.writes if write.key == key]
        return states[-1] if states else Write(0, key, exists=False)

    def first_seen(self, access_token):
        """The number of the write that made an access token durable, or None."""
        numbers = (w.number for w in self.writes if w.access_token == access_token)
        return next(numbers, None)

    async def reach(self, point, namespace, key, value=None):
        if namespace != "tokens":
            return
        if point == "saved":
            self._note(self._describe(key, value))
        elif point == "deleted" and value:
            self._note(Write(len(self.writes) + 1, key, self.owner, exists=False))
        elif point == "locked":
            self.since[key] = len(self.moments) - 1
        written = len(self.writes)
        for _ in range(_TURNS.get(point, 1)):
            await asyncio.sleep(0)
        await super().reach("get" if point == "list" else point, namespace, key)
        if point == "saved":
            self.acknowledged.add(self.writes[written - 1])
        elif point == "got":
            self._acknowledge(key)

    def _acknowledge(self, key):
        """A manager that reads back what it wrote knows that its save succeeded."""
        write = self.durable(key)
        if write.owner == self.owner:
            self.acknowledged.add(write)

    def _note(self, write):
        self.writes.append(write)
        for observe in self.observers:
            observe(self.owner, write)

    def _describe(self, key, value):
        record = json.loads(value)["record"]
        number = len(self.writes) + 1
        token = record["token"]
        if token is None:
            return Write(number, key, self.owner, None, record["pasted_refresh_token"])
        expires_at = datetime.fromisoformat(token["expires_at"])
        return Write(
            number, key, self.owner, token["access_token"], token["refresh_token"], expires_at
        )
