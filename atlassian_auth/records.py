"""Typed, versioned records over a store of bytes, and the record of one credential."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt

from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError, StoreError
from atlassian_auth.ports import is_being_cancelled
from atlassian_auth.protocol.confidential import Confidential
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.stores.base import Hold, Store

__all__ = ["IN_TRANSIT", "Loaded", "Records", "TokenRecord", "TokenStatus"]

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

IN_TRANSIT: str = "in transit"
"""In place of a schema version: what was moved to another store, and must not be used here any more."""


# Of a stranger's, so much is quoted: a schema is a small number.
_LONGEST_SCHEMA = 40


class TokenStatus(StrEnum):
    """How a credential is doing; the states of Atlassian's own OAuth client plugin."""

    UNKNOWN = "unknown"
    """Never renewed yet."""
    VALID = "valid"
    """The last renewal succeeded."""
    RECOVERABLE = "recoverable"
    """The last renewal failed; the next may succeed."""
    UNRECOVERABLE = "unrecoverable"
    """The grant is lost: somebody has to authorize again."""


class TokenRecord(BaseModel, Confidential):
    """What is stored for one key; each change is a new value.

    Args:
        configuration: The registration the token belongs to, see `Grant.configuration`.
        token: What was issued last; None for a pasted refresh token that was not used yet.
        status: How the last renewal ended.
        status_since: When the status last changed: for a failing credential, since when it fails.
        authorized_at: When somebody consented; renewals do not move it.
        last_refreshed_at: When the last renewal succeeded.
        refresh_count: How many did.
        failure: Why the last one did not; holds no secret.
        ended: Why it is UNRECOVERABLE, where it is.
        pasted_refresh_token: What `TokenManager.add` was given, until it is used.
        pasted_sha256: Its digest, for good: adding the same one again changes nothing.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    configuration: str
    token: Token | None = Field(default=None, repr=False)
    status: TokenStatus = TokenStatus.UNKNOWN
    status_since: AwareDatetime
    authorized_at: AwareDatetime
    last_refreshed_at: AwareDatetime | None = None
    refresh_count: NonNegativeInt = 0
    failure: str | None = None
    ended: Literal["refused", "failing"] | None = None
    pasted_refresh_token: str | None = Field(default=None, repr=False)
    pasted_sha256: str | None = Field(default=None, repr=False)

    @classmethod
    def begin(cls, configuration: str, now: datetime) -> Self:
        """Return the record of a credential that has nothing yet."""
        return cls(configuration=configuration, status_since=now, authorized_at=now)

    @property
    def refresh_token(self) -> str | None:
        """What the next renewal presents."""
        return self.pasted_refresh_token if self.token is None else self.token.refresh_token

    @property
    def revocable_token(self) -> str | None:
        """What revoking the grant presents: revoking a refresh token ends its access tokens, too."""
        access_token = None if self.token is None else self.token.access_token
        return self.refresh_token or access_token

    def dead_since(self, now: datetime) -> datetime | None:
        """Return since when it is good for nothing: refused, or ended and not to be renewed; else None."""
        if self.status is TokenStatus.UNRECOVERABLE:
            return self.status_since
        if self.refresh_token is None and self.token is not None and self.token.expires_at <= now:
            return self.token.expires_at
        return None

    def check_owner(self, key: str, configuration: str) -> None:
        """Return if the credential belongs to this registration.

        Raises:
            ConfigurationError: if it belongs to another, whose grant must not be spent or replaced.
        """
        if self.configuration != configuration:
            message = (
                f"Key {key!r} holds a credential of {self.configuration}, not of {configuration}. Use "
                "another key, or forget this one and authorize again."
            )
            raise ConfigurationError(message, argument="key")

    def renewed(self, token: Token, now: datetime) -> Self:
        """Return the record after a renewal that succeeded."""
        return self._at(
            TokenStatus.VALID,
            now,
            token=token,
            last_refreshed_at=now,
            refresh_count=self.refresh_count + 1,
            failure=None,
            pasted_refresh_token=None,
        )

    def failed(self, reason: str, now: datetime, *, period: timedelta) -> Self:
        """Return the record after a renewal that may succeed another time.

        Args:
            reason: Why it failed.
            now: The time.
            period: A credential that keeps failing for so long is UNRECOVERABLE.
        """
        failing = self.status is TokenStatus.RECOVERABLE
        if failing and now - self.status_since >= period:
            return self._at(TokenStatus.UNRECOVERABLE, now, failure=reason, ended="failing")
        return self._at(TokenStatus.RECOVERABLE, now, failure=reason)

    def lost(self, reason: str, now: datetime) -> Self:
        """Return the record after the server refused the grant for good."""
        return self._at(TokenStatus.UNRECOVERABLE, now, failure=reason, ended="refused")

    def _at(self, status: TokenStatus, now: datetime, **changes: Any) -> Self:
        since = self.status_since if status is self.status else now
        return self.model_copy(update={"status": status, "status_since": since, **changes})


@dataclass(frozen=True, slots=True)
class Loaded(Generic[R]):
    """A record as it was read, and the store's version of it."""

    value: R
    version: int


class Records(Generic[R]):
    """One family of records in a store: pydantic models in, pydantic models out.

    Whatever the store raises comes out as `StoreError`, and bytes that are no such record are never
    overwritten by reading them.

    Args:
        store: Where the bytes are kept.
        namespace: The family's name in the store.
        model: The records' type.
        schema_version: Grows when older releases could no longer read what this one writes.
    """

    def __init__(
        self, store: Store, namespace: str, model: type[R], *, schema_version: int = 1
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._model = model
        self._schema_version = schema_version

    async def get(self, key: str) -> Loaded[R] | None:
        """Return the key's record, or None.

        Raises:
            StoreError: if the store fails or holds something else under this key.
        """
        stored = await self._asked("read", self._store.get(self._namespace, key))
        return None if stored is None else Loaded(self._decode(key, stored.value), stored.version)

    async def put(
        self, key: str, record: R, *, expected: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """Store the record durably and return its version; see `Store.put`."""
        put = self._store.put(
            self._namespace, key, self._encode(record), expected=expected, ttl_seconds=ttl_seconds
        )
        return await self._asked("write", put)

    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        """Remove the record and return whether there was one; see `Store.delete`."""
        delete = self._store.delete(self._namespace, key, expected=expected)
        return await self._asked("delete", delete)

    async def keys(self) -> list[str]:
        """Return the keys of the family, sorted."""
        return await self._asked("list", self._store.keys(self._namespace))

    @asynccontextmanager
    async def lock(self, key: str, *, timeout_seconds: float) -> AsyncGenerator[Hold | None]:
        """Hold the key's lock; see `Store.lock`.

        Raises:
            TimeoutError: on entering, if others held it for all of ``timeout_seconds``.
        """
        lock = self._store.lock(self._namespace, key, timeout_seconds=timeout_seconds)
        hold = await self._asked("lock", lock.__aenter__(), passing=TimeoutError)
        try:
            yield hold
        finally:
            await self._release(key, lock)

    async def aclose(self) -> None:
        """Close the store; using it again opens it again."""
        await self._asked("close", self._store.aclose())

    def _encode(self, record: R) -> bytes:
        return f'{{"schema":{self._schema_version},"record":{record.model_dump_json()}}}'.encode()

    def _decode(self, key: str, value: bytes) -> R:
        # Errors of json and pydantic can quote their input: they end here, outside the except block.
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
                problem = "is on its way to another store"
                advice = "run atlassian-auth migrate again, with the same target, to finish that"
        except (ValueError, KeyError, TypeError, RecursionError, AtlassianAuthError):
            problem = "is not a record of atlassian_auth, or is damaged"
        message = (
            f"What the store holds for key {key!r} in {self._namespace!r} {problem}; expected schema "
            f"{self._schema_version}. It was left as it is: {advice}."
        )
        raise StoreError(message)

    async def _release(self, key: str, lock: AbstractAsyncContextManager[object]) -> None:
        try:
            await self._asked("release", lock.__aexit__(None, None, None))
        except StoreError as error:
            # What was done under the lock is done. It ends with its lease, its connection or its process.
            logger.warning("The lock of key %r was not released: %s", key, error)

    async def _asked(
        self, action: str, answer: Awaitable[T], *, passing: type[Exception] = StoreError
    ) -> T:
        try:
            return await answer
        except (StoreError, passing):
            raise
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            kind = type(error).__name__  # of a task inside the store's client
        except Exception as error:  # noqa: BLE001 -- users' stores and their clients raise anything
            kind = type(error).__name__
        # Outside the except block: what a client raises may quote what it was given to store.
        message = (
            f"The store could not {action} ({type(self._store).__name__}: {kind}). See that it is "
            "reachable and writable."
        )
        raise StoreError(message)
