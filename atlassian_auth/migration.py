"""Move credentials to another store, so that at most one of the two stores can use each.

The rule of this file: a credential is marked as unusable in the source before it is written to the target. If
the process is killed in between, running the transfer again finishes the move.
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

from atlassian_auth._tokens.records.records import IN_TRANSIT, Records, TokenRecord
from atlassian_auth.exceptions import ConfigurationError, StoreError, TransientError
from atlassian_auth.ports import Runner
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.stores.base import ABSENT, Store, Stored
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.records import perform
from atlassian_auth.stores.rules import check_names

__all__ = ["Transfer", "Transferred"]

T = TypeVar("T")

_CREDENTIALS = "tokens"
_ARRIVALS = "arrivals"

# No release reads a record of this schema as a credential.
_MARK = f'{{"schema": "{IN_TRANSIT}", '.encode()
_PROBE_SECONDS = 60


class Transferred(StrEnum):
    """The result of moving one credential."""

    MOVED = "moved"
    """The credential is in the target, and no longer in the source."""
    FINISHED = "finished"
    """The same, after an earlier transfer had been interrupted."""
    PRESENT = "present"
    """Only the target has the credential: it was moved before."""


@dataclass(frozen=True, slots=True)
class _Transit:
    """A credential that is being moved, as the source holds it.

    Args:
        name: The random name of this move, which the target holds too.
        replaces: The version of the key in the target when the move started.
        value: The credential.
    """

    name: str
    replaces: int
    value: bytes = field(repr=False)

    def encode(self) -> bytes:
        members = {"name": self.name, "replaces": self.replaces}
        return _MARK + json.dumps(members | {"record": b64encode(self.value).decode()})[1:].encode()

    @classmethod
    def read(cls, value: bytes) -> Self | None:
        """Return the move that a record describes, or None if it is not being moved.

        Raises:
            StoreError: if the record is damaged.
        """
        if not value.startswith(_MARK):
            return None
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            members = json.loads(value)
            return cls(members["name"], members["replaces"], b64decode(members["record"]))
        # Outside the except block: errors of json quote the record.
        message = (
            "The source's record of this key is marked as being moved to another store, but is damaged. It "
            "was not changed: restore a backup, or forget the key and authorize again."
        )
        raise StoreError(message)


class Transfer:
    """Moves credentials from one store to another, one at a time, also while services use them.

    A service that uses the source goes on with its cached access token; from the next refresh on it raises
    `AuthorizationRequired`. Give it the target. Logins that wait for a callback are not moved.

    A move that was killed leaves the credential in the source, in the target, or in the source with a mark
    that it is being moved, which no service can use. Moving it again, with the same target, finishes it.

    Args:
        source: The store that holds the credentials, or what `open_store` takes.
        target: The store to which they are moved.
        overwrite: Replace a credential that the target has under the same key.
        lock_timeout_seconds: How many seconds to wait for a refresh that is under way. Default: 60.
        runner: Runs the moves, so that cancelling a caller does not stop one.
        random_bytes: Returns so many random bytes.
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
        """Return the keys of the source, sorted, including those whose move was interrupted.

        Raises:
            StoreError: if the source cannot be read.
        """
        return await self._perform(functools.partial(self._source.keys, _CREDENTIALS))

    async def move(self, key: str) -> Transferred:
        """Move one credential. Cancelling the caller does not stop the move.

        Raises:
            ConfigurationError: if neither store has the key, both have it, it is being moved to a third
                store, or both stores are the same. Nothing was changed then.
            TransientError: if another process holds the key's lock for too long. Nothing was changed then.
            StoreError: if a store cannot be used. Move the key again then.
        """
        check_names(key=key)
        return await self._perform(functools.partial(self._move, key))

    async def aclose(self) -> None:
        """Close both stores."""
        await self._perform(self._source.aclose)
        await self._perform(self._target.aclose)

    async def _perform(self, work: Callable[[], Awaitable[T]]) -> T:
        return await perform(work, runner=self._runner)

    # -- in the runner -------------------------------------------------------------------------

    async def _move(self, key: str) -> Transferred:
        await self._check_different_stores()
        async with self._lock(self._source, key), self._lock(self._target, key):
            stored = await self._source.get(_CREDENTIALS, key)
            if stored is None:
                return await self._confirm_moved(key)
            transit = _Transit.read(stored.value)
            if transit is None:
                await self._start_move(key, stored)
                return Transferred.MOVED
            await self._resume_move(key, transit, stored.version)
            return Transferred.FINISHED

    async def _confirm_moved(self, key: str) -> Transferred:
        await self._target.delete(_ARRIVALS, key)
        if await self._target.get(_CREDENTIALS, key) is None:
            message = f"Neither the source nor the target has a key {key!r}: check the key and the source."
            raise ConfigurationError(message, argument="key")
        return Transferred.PRESENT

    async def _start_move(self, key: str, stored: Stored) -> None:
        """Name the move in the target, mark the credential in the source, and write it to the target."""
        present = await self._target.get(_CREDENTIALS, key)
        if present is not None and not self._overwrite:
            message = (
                f"The target already has a key {key!r}, so nothing was changed. Check which of the two "
                "works: forget the other, or use overwrite to replace the target's."
            )
            raise ConfigurationError(message, argument="overwrite")
        name = self._random_bytes(16).hex()
        await self._target.put(_ARRIVALS, key, name.encode())
        transit = _Transit(name, present.version if present else ABSENT, stored.value)
        version = await self._source.put(
            _CREDENTIALS, key, transit.encode(), expected=stored.version
        )
        await self._finish_move(key, transit, version)

    async def _resume_move(self, key: str, transit: _Transit, version: int) -> None:
        announced = await self._target.get(_ARRIVALS, key)
        if announced is not None and announced.value == transit.name.encode():
            await self._finish_move(key, transit, version)
        elif self._overwrite:
            await self._start_move(key, Stored(transit.value, version))
        else:
            message = (
                f"Key {key!r} is being moved to another store than this one: an earlier transfer was "
                "interrupted. Repeat that transfer to finish it; if its target is gone, use overwrite."
            )
            raise ConfigurationError(message, argument="target")

    async def _finish_move(self, key: str, transit: _Transit, version: int) -> None:
        present = await self._target.get(_CREDENTIALS, key)
        if (present.version if present else ABSENT) == transit.replaces:
            await self._target.put(_CREDENTIALS, key, transit.value, expected=transit.replaces)
        # Otherwise the target has it already and may have refreshed it since, so the source's copy is older.
        await self._source.delete(_CREDENTIALS, key, expected=version)
        await self._target.delete(_ARRIVALS, key)

    async def _check_different_stores(self) -> None:
        # Two URLs can name one store; the second lock would then wait for the first.
        probe = self._random_bytes(16).hex()
        await self._target.put(_ARRIVALS, probe, b"probe", ttl_seconds=_PROBE_SECONDS)
        try:
            found = await self._source.get(_ARRIVALS, probe)
        finally:
            await self._target.delete(_ARRIVALS, probe)
        if found is not None:
            message = "source and target are the same store: give another target."
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
