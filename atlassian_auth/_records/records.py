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
from enum import StrEnum
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
from atlassian_auth.stores.base import Hold, Store

__all__ = ["IN_TRANSIT", "STORE_TROUBLE", "Loaded", "Records", "TokenRecord", "TokenStatus"]

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")

_SILENCE = timedelta(days=1)
_NOTED_AGAIN_AFTER = timedelta(hours=1)  # each note is a write

IN_TRANSIT: str = "in transit"
"""In place of a schema version: what was moved to another store, and must not be used here any more."""


STORE_TROUBLE = (StoreError, ConfigurationError)
"""What `Records` raise because of their store: it fails, or it was set up in a way that cannot work."""

# Of a stranger's, so much is quoted: a schema is a small number.
_LONGEST_SCHEMA = 40


class TokenStatus(StrEnum):
    """How a credential is doing; the states of Atlassian's own OAuth client plugin."""

    UNKNOWN = "unknown"
    """Never refreshed yet."""
    VALID = "valid"
    """The last refresh succeeded."""
    RECOVERABLE = "recoverable"
    """The last refresh failed; the next may succeed."""
    UNRECOVERABLE = "unrecoverable"
    """A person has to look: the server refused the refresh token, or refreshes have failed for days."""


class _StoredPair(BaseModel):
    """A `TokenPair` as a record writes it: the one place where it is turned into JSON."""

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
    """What is stored for one key; each change is a new value.

    Args:
        configuration: The registration the token belongs to, see `Grant.configuration`.
        token: What was issued last; None for a pasted refresh token that was not used yet.
        status: How the last refresh ended.
        status_since: When the status last changed: for a failing credential, since when it fails.
        authorized_at: When somebody consented, where that is known; refreshes do not move it.
        added_at: When a refresh token from elsewhere was added; None if a login has begun it.
        last_refreshed_at: When the last refresh succeeded.
        refresh_count: How many did.
        failure: Why the last one did not; holds no secret.
        ended: Why it is UNRECOVERABLE, where it is: ``"refused"`` is for good; ``"failing"`` is tried on.
        failing_since: When the refreshes began to fail, without a day of silence in between.
        last_failed_at: When one failed last, to within an hour.
        consent: Its `Descent`'s, like the next.
        spent: The refresh tokens that are known to be spent, by their fingerprints.
        pasted_refresh_token: What `TokenManager.add` was given, until it is used.
        pasted_sha256: Its digest, for good: adding the same one again changes nothing.
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
        """Return the record of a consent that was given now and has brought nothing yet.

        Args:
            configuration: What it belongs to.
            now: The time.
            replaced: The record it takes the place of: should the store fall back to that, this one is newer.
        """
        begun = cls(configuration=configuration, status_since=now, authorized_at=now)
        if replaced is None:
            return begun
        # The digest stays: what a service adds again at each start must not undo this consent.
        kept = {"spent": replaced.descent.next(None).spent, "pasted_sha256": replaced.pasted_sha256}
        return begun.model_copy(update=kept)

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
            configuration: What it belongs to.
            now: The time.
            refresh_token: The token.
            authorized_at: When its consent was given; None if that is not known.
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
        """When its refresh token was issued; for one that was added and not used yet: when it was added."""
        return self.token.obtained_at if self.token else self.added_at or self.authorized_at

    @property
    def refresh_token(self) -> str | None:
        """What the next refresh presents."""
        return self.pasted_refresh_token if self.token is None else self.token.refresh_token

    @property
    def revocable_token(self) -> str | None:
        """What revoking the grant presents: revoking a refresh token ends its access tokens, too."""
        access_token = None if self.token is None else self.token.access_token
        return self.refresh_token or access_token

    @property
    def descent(self) -> Descent:
        """Where its pair stands in the line of its consent."""
        current = fingerprint(self.refresh_token)
        return Descent(self.consent or current, self.refresh_count, current, self.spent)

    @property
    def refused(self) -> bool:
        """Whether the server has refused its refresh token, which is not presented again."""
        return self.status is TokenStatus.UNRECOVERABLE and self.ended != "failing"

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

    def refreshed(self, token: TokenPair, now: datetime) -> Self:
        """Return the record after a refresh that succeeded."""
        return self.restored(token, self.descent.next(token.refresh_token), now)

    def restored(self, token: TokenPair, descent: Descent, now: datetime) -> Self:
        """Return the record with a later pair of its consent, which is valid.

        Args:
            token: The pair.
            descent: Its place.
            now: When it was issued, or read.
        """
        return self._at(
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

    def failed(self, reason: str, now: datetime, *, period: timedelta) -> Self:
        """Return the record after a refresh that may succeed another time; itself if that tells nothing new.

        Args:
            reason: Why it failed.
            now: The time.
            period: After failing for so long the status says that a person has to look. A day without an
                attempt is silence, not failing: what failed before it does not count.
        """
        if self._failed_within(_NOTED_AGAIN_AFTER, now):
            return self
        since = self.failing_since if self._failed_within(_SILENCE, now) else None
        failing_since = since or now
        told = self.status is TokenStatus.UNRECOVERABLE or now - failing_since >= period
        return self._at(
            TokenStatus.UNRECOVERABLE if told else TokenStatus.RECOVERABLE,
            now,
            failure=reason,
            ended="failing" if told else None,
            failing_since=failing_since,
            last_failed_at=now,
        )

    def _failed_within(self, period: timedelta, now: datetime) -> bool:
        # Not from a clock that has been set back since: then nothing is known.
        last = self.last_failed_at
        return last is not None and timedelta() <= now - last < period

    def lost(self, reason: str, now: datetime) -> Self:
        """Return the record after the server refused the grant for good."""
        return self._at(TokenStatus.UNRECOVERABLE, now, failure=reason, ended="refused")

    def _at(self, status: TokenStatus, now: datetime, **changes: Any) -> Self:
        since = self.status_since if status is self.status else now
        return self.model_copy(update={"status": status, "status_since": since, **changes})


def _digest(refresh_token: str) -> str:
    """Return what is kept of a refresh token to know it again."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Loaded(Generic[R]):
    """A record as it was read, and the store's version of it."""

    value: R
    version: int


class Records(Generic[R]):
    """One family of records in a store: pydantic models in, pydantic models out.

    Whatever the store raises comes out as `StoreError`, unless it is a `ConfigurationError`; and bytes that
    are no such record are never overwritten by reading them.

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
        # Built here, in the thread of its maker: a fork would copy half of what is built in another one.
        model.model_rebuild()

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

    async def ping(self) -> None:
        """Return if the store answers a read, of a record that nobody writes.

        Raises:
            StoreError: if it does not.
        """
        await self._asked("read", self._store.get("ping", "ping"))

    async def keys(self) -> list[str]:
        """Return the keys of the family, sorted."""
        return await self._asked("list", self._store.keys(self._namespace))

    @asynccontextmanager
    async def lock(self, key: str, *, timeout_seconds: float) -> AsyncGenerator[Hold]:
        """Hold the key's lock; see `Store.lock`.

        Raises:
            TimeoutError: on entering, if others held it for all of ``timeout_seconds``.
        """
        lock = self._store.lock(self._namespace, key, timeout_seconds=timeout_seconds)
        hold = await self._asked("lock", lock.__aenter__(), passing=TimeoutError)
        try:
            yield _SafeHold(self._asked, hold)
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
        except STORE_TROUBLE as error:
            # What was done under the lock is done. It ends with its lease, its connection or its process.
            logger.warning("The lock of key %r was not released: %s", key, error)

    async def _asked(
        self, action: str, answer: Awaitable[T], *, passing: type[Exception] = StoreError
    ) -> T:
        try:
            return await answer
        except (*STORE_TROUBLE, passing):
            raise
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            kind = type(error).__name__  # of a task inside the store's client
        except Exception as error:  # noqa: BLE001 -- users' stores and their clients raise anything
            kind = type(error).__name__
            log_places(error)
        # Outside the except block: what a client raises may quote what it was given to store.
        message = (
            f"The store could not {action} ({type(self._store).__name__}: {kind}). See that it is "
            "reachable and writable."
        )
        raise StoreError(message)


class _SafeHold:
    """A lock that is held, of any store; what the store raises comes out as `StoreError`."""

    def __init__(
        self, asked: Callable[[str, Awaitable[bool]], Awaitable[bool]], hold: Hold | None
    ) -> None:
        self._asked = asked
        self._hold = hold

    async def confirm(self, seconds: float = 0) -> bool:
        """Return whether it is still held; see `Hold.confirm`."""
        if self._hold is None:
            return True  # such a lock ends with its process
        return await self._asked("confirm the lock", self._hold.confirm(seconds))
