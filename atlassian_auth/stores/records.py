"""Typed, versioned records over a store of bytes: pydantic models in, pydantic models out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError, StoreError
from atlassian_auth.ports import Runner, is_being_cancelled
from atlassian_auth.ports._runtime.future import start
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.ports._runtime.traces import log_places
from atlassian_auth.stores.base import Hold, Store

__all__ = ["IN_TRANSIT", "STORE_ERRORS", "Loaded", "Records", "perform"]

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

IN_TRANSIT: str = "in transit"
"""In place of a schema version: the record is being moved to another store and must not be used here."""


STORE_ERRORS = (StoreError, ConfigurationError)
"""The errors of `Records` that come from the store: it fails, or its configuration cannot work."""

# Ours is a small number; of another text no more than this is quoted in a message.
_LONGEST_SCHEMA = 40


@dataclass(frozen=True, slots=True)
class Loaded(Generic[R]):
    """A record that was read, and its version in the store."""

    value: R
    version: int


class Records(Generic[R]):
    """The records of one namespace of a store: pydantic models in, pydantic models out.

    Every error of the store is raised as `StoreError`, except a `ConfigurationError`. Reading bytes that are
    no such record raises, and leaves them as they are.

    Args:
        store: Keeps the bytes.
        namespace: The records' namespace in the store.
        model: The records' type.
        schema_version: Increased when older releases could not read what this one writes.
    """

    def __init__(
        self, store: Store, namespace: str, model: type[R], *, schema_version: int = 1
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._model = model
        self._schema_version = schema_version
        # Built now: if another thread built it later, during a fork, the child would have half of it.
        model.model_rebuild()

    async def get(self, key: str) -> Loaded[R] | None:
        """Return the key's record; None if there is none.

        Raises:
            StoreError: if the store fails, or holds bytes that are no such record.
        """
        stored = await self._ask_store("read", self._store.get(self._namespace, key))
        return None if stored is None else Loaded(self._decode(key, stored.value), stored.version)

    async def put(
        self, key: str, record: R, *, expected: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """Store the record durably and return its version; see `Store.put`."""
        put = self._store.put(
            self._namespace, key, self._encode(record), expected=expected, ttl_seconds=ttl_seconds
        )
        return await self._ask_store("write", put)

    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        delete = self._store.delete(self._namespace, key, expected=expected)
        return await self._ask_store("delete", delete)

    async def ping(self) -> None:
        """Return if the store answers. Reads a record that never exists.

        Raises:
            StoreError: if the store fails.
        """
        await self._ask_store("read", self._store.get("ping", "ping"))

    async def keys(self) -> list[str]:
        """Return the keys of the namespace, sorted."""
        return await self._ask_store("list", self._store.keys(self._namespace))

    @asynccontextmanager
    async def lock(self, key: str, *, timeout_seconds: float) -> AsyncGenerator[Hold]:
        """Hold the key's lock; see `Store.lock`.

        Raises:
            TimeoutError: on entering, if others held it for all of ``timeout_seconds``.
        """
        lock = self._store.lock(self._namespace, key, timeout_seconds=timeout_seconds)
        hold = await self._ask_store("lock", lock.__aenter__(), passing=TimeoutError)
        try:
            yield _SafeHold(self._ask_store, hold)
        finally:
            await self._release(key, lock)

    async def aclose(self) -> None:
        """Close the store; using it again opens it again."""
        await self._ask_store("close", self._store.aclose())

    def _encode(self, record: R) -> bytes:
        return f'{{"schema":{self._schema_version},"record":{record.model_dump_json()}}}'.encode()

    def _decode(self, key: str, value: bytes) -> R:
        # Errors of json and pydantic can quote their input, which holds secrets. So `StoreError` is raised
        # outside the except block, without them as its context.
        advice = (
            "restore a backup, use the release that wrote it, or forget the key and authorize again"
        )
        try:
            document = json.loads(value)
            schema = document["schema"]
            if schema == self._schema_version:
                return self._model.model_validate(document["record"])
            shown = ascii(schema)[:_LONGEST_SCHEMA]
            problem = f"was written by another release of atlassian_auth (schema {shown})"
            if schema == IN_TRANSIT:
                problem = "is being moved to another store"
                advice = (
                    "run atlassian-auth migrate again, with the same target, to finish the move"
                )
        except (ValueError, KeyError, TypeError, RecursionError, AtlassianAuthError):
            problem = "is not a record of atlassian_auth, or is damaged"
        message = (
            f"The stored record of key {key!r} in {self._namespace!r} {problem}; expected schema "
            f"{self._schema_version}. It was left as it is: {advice}."
        )
        raise StoreError(message)

    async def _release(self, key: str, lock: AbstractAsyncContextManager[object]) -> None:
        try:
            await self._ask_store("release", lock.__aexit__(None, None, None))
        except STORE_ERRORS as error:
            # The work under the lock is done. The lock ends with its lease, its connection or its process.
            logger.warning(
                "The lock of key %r was not released: %s", key, error, extra={"key": key}
            )

    async def _ask_store(
        self, action: str, answer: Awaitable[T], *, passing: type[Exception] = StoreError
    ) -> T:
        try:
            return await answer
        except (*STORE_ERRORS, passing):
            raise
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            kind = type(error).__name__  # it was meant for a task inside the store's client
        except Exception as error:  # noqa: BLE001 -- users' stores and their clients raise anything
            kind = type(error).__name__
            log_places(error)
        # Raised outside the except block: the client's error may quote the bytes it was to store.
        message = (
            f"The store could not {action} ({type(self._store).__name__}: {kind}). See that it is "
            "reachable and writable."
        )
        raise StoreError(message)


class _SafeHold:
    """A held lock of any store; its errors are raised as `StoreError`."""

    def __init__(
        self, ask_store: Callable[[str, Awaitable[bool]], Awaitable[bool]], hold: Hold | None
    ) -> None:
        self._ask_store = ask_store
        self._hold = hold

    async def confirm(self, seconds: float = 0) -> bool:
        """Return whether it is still held; see `Hold.confirm`."""
        if self._hold is None:
            return True  # a lock without a Hold is held until its process ends
        return await self._ask_store("confirm the lock", self._hold.confirm(seconds))


async def perform(work: Callable[[], Awaitable[T]], *, runner: Runner = SHARED_RUNNER) -> T:
    """Run ``work`` where refreshes run, as `TokenManager.perform` does: for a store without a manager.

    Cancelling the caller does not stop the work. Nothing waits for it then, not even the store's ``aclose``.

    Args:
        work: Uses a store, which is used in that event loop only.
        runner: That of the managers which share the store.
    """
    return await start(runner.submit, work).wait()
