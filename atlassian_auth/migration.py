"""Credentials on their way to another store: whatever is killed when, one of the two can use each.

The rule of this file: a credential is made unusable in its old store before it gets into the new one. What
was marked so knows where it was going, and running the transfer again takes it there.
"""

from __future__ import annotations

import functools
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self, TypeVar

from atlassian_auth._records.records import IN_TRANSIT, Records, TokenRecord
from atlassian_auth._runtime.future import start
from atlassian_auth._runtime.runner import SHARED_RUNNER
from atlassian_auth.exceptions import ConfigurationError, StoreError, TransientError
from atlassian_auth.ports import Runner
from atlassian_auth.stores.base import ABSENT, Store, Stored
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.rules import check_names

__all__ = ["Transfer", "Transferred"]

T = TypeVar("T")

_CREDENTIALS = "tokens"
_ARRIVALS = "arrivals"

# No release reads a record of this schema as a credential.
_MARK = f'{{"schema": "{IN_TRANSIT}", '.encode()
_PROBE_SECONDS = 60


class Transferred(StrEnum):
    """What became of a credential that was to be moved."""

    MOVED = "moved"
    """It is in the target, and no longer in the source."""
    FINISHED = "finished"
    """The same; an earlier transfer had been interrupted."""
    PRESENT = "present"
    """The source does not have it, and the target does: it was moved before."""


@dataclass(frozen=True, slots=True)
class _Transit:
    """A credential that has left the source.

    Args:
        name: Of this one move; the store it goes to knows it.
        replaces: The version the key had there when it left.
        value: The credential.
    """

    name: str
    replaces: int
    value: bytes = field(repr=False)

    def encoded(self) -> bytes:
        members = {"name": self.name, "replaces": self.replaces}
        return _MARK + json.dumps(members | {"record": b64encode(self.value).decode()})[1:].encode()

    @classmethod
    def read(cls, value: bytes) -> Self | None:
        """Return what is on its way, or None if this is something else.

        Raises:
            StoreError: if it is damaged.
        """
        if not value.startswith(_MARK):
            return None
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            members = json.loads(value)
            return cls(members["name"], members["replaces"], b64decode(members["record"]))
        # Outside the try: errors of json quote what they read.
        message = (
            "What the source holds for this key is marked as on its way to another store, and is damaged. It "
            "was left as it is: restore a backup, or forget the key and authorize again."
        )
        raise StoreError(message)


class Transfer:
    """Moves credentials from one store to another, one at a time, also while services use them.

    A service with the old store goes on with the access token it has; from the next refresh on it raises
    `AuthorizationRequired`. Give it the new one. Logins that have not come back yet are not moved.

    A move that was killed leaves the credential where it was, where it is going, or in the source marked as
    on its way, where nobody can use it; moving it again, with the same target, finishes it.

    Args:
        source: Where credentials are: a store, or what `open_store` takes.
        target: Where they are to be; another store.
        overwrite: Replace what the target has under the same key.
        lock_timeout_seconds: How long to wait for a refresh of a credential that is under way.
        runner: Where moves run, out of reach of their callers' cancellation.
        random_bytes: Returns so many bytes that nobody else gets.
    """

    def __init__(
        self,
        source: AnyStore,
        target: AnyStore,
        *,
        overwrite: bool = False,
        lock_timeout_seconds: float = 60,
        runner: Runner = SHARED_RUNNER,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._source = checked_store(source, argument="source")
        self._target = checked_store(target, argument="target")
        self._overwrite = overwrite
        self._lock_timeout_seconds = lock_timeout_seconds
        self._runner = runner
        self._random_bytes = random_bytes

    async def keys(self) -> list[str]:
        """Return the keys of the source, sorted; those on their way are among them.

        Raises:
            StoreError: if it cannot be read.
        """
        return await self._perform(functools.partial(self._source.keys, _CREDENTIALS))

    async def move(self, key: str) -> Transferred:
        """Move one credential. A caller that is cancelled leaves the move undisturbed.

        Raises:
            ConfigurationError: if neither store has it, both have one, it is on its way to a third store,
                or both stores are the same one. Nothing has changed then.
            TransientError: if somebody else holds its lock for too long. Nothing has changed then.
            StoreError: if a store cannot be used. Move it again then.
        """
        check_names(key=key)
        return await self._perform(functools.partial(self._move, key))

    async def aclose(self) -> None:
        """Close both stores."""
        await self._perform(self._source.aclose)
        await self._perform(self._target.aclose)

    async def _perform(self, work: Callable[[], Awaitable[T]]) -> T:
        return await start(self._runner, work).wait()

    # -- in the runner -------------------------------------------------------------------------

    async def _move(self, key: str) -> Transferred:
        await self._check_apart()
        async with self._lock(self._source, key), self._lock(self._target, key):
            stored = await self._source.get(_CREDENTIALS, key)
            if stored is None:
                return await self._moved_before(key)
            transit = _Transit.read(stored.value)
            if transit is None:
                await self._depart(key, stored)
                return Transferred.MOVED
            await self._go_on(key, transit, stored.version)
            return Transferred.FINISHED

    async def _moved_before(self, key: str) -> Transferred:
        await self._target.delete(_ARRIVALS, key)
        if await self._target.get(_CREDENTIALS, key) is None:
            message = (
                f"There is no key {key!r} to be moved, neither in the source nor in the target."
            )
            raise ConfigurationError(message, argument="key")
        return Transferred.PRESENT

    async def _depart(self, key: str, stored: Stored) -> None:
        """Announce the credential to the target, take it out of use in the source, and let it arrive."""
        there = await self._target.get(_CREDENTIALS, key)
        if there is not None and not self._overwrite:
            message = (
                f"The target has a key {key!r} already, so nothing was changed. See which of the two is the "
                "good one: forget the other, or say overwrite to replace the target's."
            )
            raise ConfigurationError(message, argument="overwrite")
        name = self._random_bytes(16).hex()
        await self._target.put(_ARRIVALS, key, name.encode())
        transit = _Transit(name, there.version if there else ABSENT, stored.value)
        version = await self._source.put(
            _CREDENTIALS, key, transit.encoded(), expected=stored.version
        )
        await self._arrive(key, transit, version)

    async def _go_on(self, key: str, transit: _Transit, version: int) -> None:
        announced = await self._target.get(_ARRIVALS, key)
        if announced is not None and announced.value == transit.name.encode():
            await self._arrive(key, transit, version)
        elif self._overwrite:
            await self._depart(key, Stored(transit.value, version))
        else:
            message = (
                f"Key {key!r} is on its way to another store than this one: an earlier transfer was "
                "interrupted. Repeat that one to finish it; if that store is gone for good, say overwrite."
            )
            raise ConfigurationError(message, argument="target")

    async def _arrive(self, key: str, transit: _Transit, version: int) -> None:
        there = await self._target.get(_CREDENTIALS, key)
        if (there.version if there else ABSENT) == transit.replaces:
            await self._target.put(_CREDENTIALS, key, transit.value, expected=transit.replaces)
        # Otherwise it is there already, and may have been refreshed since: what is on its way is older.
        await self._source.delete(_CREDENTIALS, key, expected=version)
        await self._target.delete(_ARRIVALS, key)

    async def _check_apart(self) -> None:
        # Two URLs can lead to one store, whose lock would then wait for itself.
        probe = self._random_bytes(16).hex()
        await self._target.put(_ARRIVALS, probe, b"probe", ttl_seconds=_PROBE_SECONDS)
        try:
            met = await self._source.get(_ARRIVALS, probe)
        finally:
            await self._target.delete(_ARRIVALS, probe)
        if met is not None:
            message = "source and target are the same store: name another target."
            raise ConfigurationError(message, argument="target")

    @asynccontextmanager
    async def _lock(self, store: Store, key: str) -> AsyncGenerator[None]:
        async with AsyncExitStack() as held:
            records = Records(store, _CREDENTIALS, TokenRecord)
            lock = records.lock(key, timeout_seconds=self._lock_timeout_seconds)
            try:
                await held.enter_async_context(lock)
            except TimeoutError as error:
                message = f"{error} Nothing was changed; try again later."
                raise TransientError(message) from None
            yield
