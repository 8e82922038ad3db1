"""Typed, versioned records over a store of bytes, and the record of one credential."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainSerializer,
    PlainValidator,
)

from atlassian_auth._records.descent import Descent, fingerprint
from atlassian_auth._runtime.traces import log_places
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError, StoreError
from atlassian_auth.ports import is_being_cancelled
from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.status import TokenStatus
from atlassian_auth.stores.base import Hold, Store

__all__ = ["IN_TRANSIT", "STORE_ERRORS", "Loaded", "Records", "TokenRecord"]

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

_LONGEST_GAP = timedelta(days=1)  # failures further apart do not count as one row
_SAVED_AGAIN_AFTER = timedelta(hours=1)  # each failure that is saved costs a write

IN_TRANSIT: str = "in transit"
"""In place of a schema version: the record is being moved to another store and must not be used here."""


STORE_ERRORS = (StoreError, ConfigurationError)
"""The errors of `Records` that come from the store: it fails, or its configuration cannot work."""

# Ours is a small number; of another text no more than this is quoted in a message.
_LONGEST_SCHEMA = 40


class _StoredPair(BaseModel):
    """A `TokenPair` as it is stored: the only place that turns it into JSON."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    access_token: str
    obtained_at: AwareDatetime
    expires_at: AwareDatetime
    refresh_token: str | None = None
    scopes: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: object) -> TokenPair:
        if isinstance(value, TokenPair):
            return value
        stored = cls.model_validate(value)
        return TokenPair(
            stored.access_token,
            stored.obtained_at,
            stored.expires_at,
            stored.refresh_token,
            stored.scopes,
        )

    @classmethod
    def write(cls, pair: TokenPair) -> dict[str, object]:
        return {name: getattr(pair, name) for name in cls.model_fields}


_Pair = Annotated[TokenPair, PlainValidator(_StoredPair.read), PlainSerializer(_StoredPair.write)]


class TokenRecord(BaseModel, Confidential):
    """The stored credential of one key; each change makes a new value.

    Args:
        configuration: The registration the token belongs to, see `Grant.configuration`.
        token: The last issued pair; None if a refresh token was added and not used yet.
        status: How the last refresh ended.
        status_since: When the status last changed: for a failing credential, since when it fails.
        authorized_at: The date of the consent, if it is known; refreshes do not move it.
        added_at: When a refresh token from elsewhere was added; None if the credential began with a login.
        last_refreshed_at: When the last refresh succeeded.
        refresh_count: The number of refreshes that succeeded.
        failure: Why the last refresh failed; holds no secret.
        ended: Why it is UNRECOVERABLE: ``"refused"`` is final; after ``"failing"`` refreshes are still tried.
        failing_since: When the refreshes began to fail, with no gap of a day between two failures.
        last_failed_at: When a refresh failed last, to within an hour.
        consent: The fingerprint of the consent's first refresh token, see `Descent`.
        spent: The fingerprints of spent refresh tokens, see `Descent`.
        pasted_refresh_token: The refresh token that `TokenManager.add` was given, until it is used.
        pasted_sha256: Its digest, which stays: adding the same refresh token again changes nothing.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    configuration: str
    token: _Pair | None = Field(default=None, repr=False)
    status: TokenStatus = TokenStatus.UNKNOWN
    status_since: AwareDatetime
    authorized_at: AwareDatetime | None = None
    added_at: AwareDatetime | None = None
    last_refreshed_at: AwareDatetime | None = None
    refresh_count: NonNegativeInt = 0
    failure: str | None = None
    ended: Literal["refused", "failing"] | None = None
    failing_since: AwareDatetime | None = None
    last_failed_at: AwareDatetime | None = None
    consent: str = Field(default="", repr=False)
    spent: str = Field(default="", repr=False)
    pasted_refresh_token: str | None = Field(default=None, repr=False)
    pasted_sha256: str | None = Field(default=None, repr=False)

    @classmethod
    def begin(cls, configuration: str, now: datetime, *, replaced: Self | None = None) -> Self:
        """Return the record of a consent that was given now and has no token yet.

        Args:
            configuration: The registration it belongs to.
            now: The time.
            replaced: The record it replaces. If the store falls back to that one, this one counts as newer.
        """
        record = cls(configuration=configuration, status_since=now, authorized_at=now)
        if replaced is None:
            return record
        # The digest stays: a service that adds its configured token at each start must not undo this consent.
        kept = {"spent": replaced.descent.next(None).spent, "pasted_sha256": replaced.pasted_sha256}
        return record.model_copy(update=kept)

    @classmethod
    def pasted(
        cls,
        configuration: str,
        now: datetime,
        refresh_token: str,
        *,
        authorized_at: datetime | None,
        replaced: Self | None = None,
    ) -> Self:
        """Return the record of a refresh token that was obtained elsewhere.

        Args:
            configuration: The registration it belongs to.
            now: The time.
            refresh_token: The refresh token.
            authorized_at: The date of its consent; None if that is not known.
            replaced: As for `begin`.
        """
        changes = {
            "authorized_at": authorized_at,
            "added_at": now,
            "pasted_refresh_token": refresh_token,
            "pasted_sha256": _digest(refresh_token),
        }
        return cls.begin(configuration, now, replaced=replaced).model_copy(update=changes)

    def was_pasted(self, refresh_token: str) -> bool:
        """Return whether the credential began with this refresh token, obtained elsewhere."""
        return same_secret(self.pasted_sha256, _digest(refresh_token))

    @property
    def used_at(self) -> datetime | None:
        """When its refresh token was issued; if that was added and not used yet: when it was added."""
        return self.token.obtained_at if self.token else self.added_at or self.authorized_at

    @property
    def refresh_token(self) -> str | None:
        """The refresh token that the next refresh presents."""
        return self.pasted_refresh_token if self.token is None else self.token.refresh_token

    @property
    def revocable_token(self) -> str | None:
        """The token to revoke: the refresh token, which ends its access tokens too, or the access token."""
        access_token = None if self.token is None else self.token.access_token
        return self.refresh_token or access_token

    @property
    def descent(self) -> Descent:
        """The position of its pair in the line of its consent."""
        current = fingerprint(self.refresh_token)
        return Descent(self.consent or current, self.refresh_count, current, self.spent)

    @property
    def refused(self) -> bool:
        """Whether the server has refused its refresh token, which must not be presented again."""
        return self.status is TokenStatus.UNRECOVERABLE and self.ended != "failing"

    def check_owner(self, key: str, configuration: str) -> None:
        """Return if the credential belongs to this registration.

        Raises:
            ConfigurationError: if it belongs to another, whose token must not be spent or replaced.
        """
        if self.configuration != configuration:
            message = (
                f"Key {key!r} holds a credential of {self.configuration}, not of {configuration}. Use "
                "another key, or forget this one and authorize again."
            )
            raise ConfigurationError(message, argument="key")

    def after_refresh(self, token: TokenPair, now: datetime) -> Self:
        """Return the record after a refresh that succeeded."""
        return self.restored(token, self.descent.next(token.refresh_token), now)

    def restored(self, token: TokenPair, descent: Descent, now: datetime) -> Self:
        """Return the record with a later, valid pair of its consent.

        Args:
            token: The pair.
            descent: Its position.
            now: When it was issued, or read.
        """
        return self._with_status(
            TokenStatus.VALID,
            now,
            token=token,
            consent=descent.consent,
            spent=descent.spent,
            refresh_count=descent.count,
            last_refreshed_at=now,
            failure=None,
            failing_since=None,
            last_failed_at=None,
            pasted_refresh_token=None,
        )

    def after_failure(self, reason: str, now: datetime, *, period: timedelta) -> Self:
        """Return the record after a refresh that failed and may succeed later.

        It is the same record if a failure was saved within the last hour.

        Args:
            reason: Why it failed.
            now: The time.
            period: After failing for this long the status is UNRECOVERABLE. Failures before a gap of a day do
                not count: nothing was tried in that time.
        """
        if self._failed_within(_SAVED_AGAIN_AFTER, now):
            return self
        since = self.failing_since if self._failed_within(_LONGEST_GAP, now) else None
        failing_since = since or now
        long = self.status is TokenStatus.UNRECOVERABLE or now - failing_since >= period
        return self._with_status(
            TokenStatus.UNRECOVERABLE if long else TokenStatus.RECOVERABLE,
            now,
            failure=reason,
            ended="failing" if long else None,
            failing_since=failing_since,
            last_failed_at=now,
        )

    def _failed_within(self, period: timedelta, now: datetime) -> bool:
        # If the clock was set back since then, the date lies in the future and says nothing.
        last = self.last_failed_at
        return last is not None and timedelta() <= now - last < period

    def after_refusal(self, reason: str, now: datetime) -> Self:
        """Return the record after the server refused its refresh token: the consent is lost."""
        return self._with_status(TokenStatus.UNRECOVERABLE, now, failure=reason, ended="refused")

    def _with_status(self, status: TokenStatus, now: datetime, **changes: Any) -> Self:
        since = self.status_since if status is self.status else now
        return self.model_copy(update={"status": status, "status_since": since, **changes})


def _digest(refresh_token: str) -> str:
    """Return the digest by which a refresh token is recognized later."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()


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
