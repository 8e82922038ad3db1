"""One refresh of one credential: lock, re-read, exchange, save, publish. The order is what keeps the grant.

Three rules, each of which some library has broken and lost grants by:

- the refresh token that is presented was read from the store after the lock was taken, and the lock is still
  held when it is presented;
- the new pair is saved before anybody sees the access token that came with it;
- what the server refuses is looked up once more before it counts as lost: somebody may have rotated it.
"""

from __future__ import annotations

import functools
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from atlassian_auth._records.lifetimes import warnings_due
from atlassian_auth._records.records import STORE_TROUBLE, Loaded, TokenRecord, TokenStatus
from atlassian_auth._refresh.exchange import LockLost
from atlassian_auth._refresh.parts import Parts
from atlassian_auth.events import (
    AuthorizationNeeded,
    Event,
    KeepsFailing,
    RefreshSucceeded,
    RotationUnsaved,
    TokenAdopted,
)
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    StoreError,
)
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.protocol.tokens import Token, TokenPair
from atlassian_auth.stores.base import Hold

__all__ = ["Flight", "Refresher"]

# A lock that is lost is taken once more, and the record read again.
_LOCKS = 2

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(slots=True)
class Flight:
    """One refresh under way: what it is for, and what there is to tell about it.

    Args:
        key: Which credential.
        requirement: What the caller that started it asks for.
        events: What to tell the user when no lock is held any more.
    """

    key: str
    requirement: Requirement
    events: list[Event] = field(default_factory=list[Event])


class Refresher:
    """Refreshes credentials, one call at a time for each key. Used in the runner only.

    Args:
        parts: The manager's.
    """

    def __init__(self, parts: Parts) -> None:
        self._grant = parts.grant
        self._repository = parts.repository
        self._exchanges = parts.exchange
        self._cache = parts.cache
        self._settings = parts.settings
        self._clock = parts.clock

    async def adopt(self, flight: Flight) -> Token | None:
        """Return a token that meets the requirement if another process has saved one. Takes no lock.

        Raises:
            StoreError: if the store cannot be read.
        """
        drops = self._cache.drops
        record = await self._repository.durable(flight.key)
        if record is None or record.configuration != self._grant.configuration:
            return None
        pair = self._adopted(flight, record)
        token = pair.bearer if pair else None
        # If anything was dropped since it was read, this may have been forgotten.
        if token is not None and self._cache.drops == drops:
            self._cache.publish(flight.key, token)
        return token

    async def refresh(self, flight: Flight) -> Token:
        """Return a token that meets the requirement: from the store if another process put one there, or new.

        It is in the cache before the store's lock is free again.

        Raises:
            AuthorizationRequired: if there is no grant, or it is lost.
            ConfigurationError: if the credential belongs to another registration, or the server says so.
            TransientError: if the server or the lock is not available in time, or the lock is lost.
            TokenResponseError: if something else answered.
            StoreError: if the store cannot be read, or the new pair not be saved.
        """
        for _ in range(_LOCKS):
            async with AsyncExitStack() as held:
                hold = await self._repository.try_lock(held, flight.key)
                if hold is None:
                    return await self._adopted_without_lock(flight)
                try:
                    token = (await self._refreshed(flight, hold)).bearer
                except LockLost:
                    continue
                self._cache.publish(flight.key, token)
                return token
        raise self._repository.lock_lost(flight.key)

    async def _adopted_without_lock(self, flight: Flight) -> Token:
        # Only a newer token will do; going on anyway would present a refresh token twice.
        token = await self.adopt(flight)
        if token is None:
            raise self._repository.lock_timeout(flight.key)
        return token

    async def _refreshed(self, flight: Flight, hold: Hold) -> TokenPair:
        stored = await self._repository.load(flight.key)
        if stored is not None:
            stored.value.check_owner(flight.key, self._grant.configuration)
            if stored.value.token is not None:
                # It is durable, and may serve callers if the refresh fails.
                self._cache.publish(flight.key, stored.value.token.bearer)
        pair = self._adopted(flight, stored.value if stored else None)
        if pair is None:
            self._check_refreshable(flight.key, stored)
            pair = await self._exchange(flight, stored, hold)
        return pair

    def _adopted(self, flight: Flight, record: TokenRecord | None) -> TokenPair | None:
        """Return the stored pair if its token will do."""
        pair = record.token if record else None
        now, buffer_seconds = utc_now(self._clock), self._settings.buffer_seconds
        accepts = functools.partial(
            flight.requirement.accepts, now=now, buffer_seconds=buffer_seconds
        )
        if pair is None or not accepts(pair.bearer):
            return None
        flight.events.append(TokenAdopted(key=flight.key, at=now, expires_at=pair.expires_at))
        return pair

    def _check_refreshable(self, key: str, stored: _Stored | None) -> None:
        if not self._grant.rotates:
            return
        if stored is None:
            message = (
                f"Nothing is stored for key {key!r}: authorize it once, or add a refresh token, before "
                "the first request."
            )
            raise AuthorizationRequired(message, key=key, reason="missing")
        if stored.value.refused:
            raise _lost(key, stored.value)
        if not stored.value.refresh_token:
            message = (
                f"The access token of key {key!r} has ended and no refresh token came with it. Authorize "
                "again; on Cloud the app must ask for the scope offline_access."
            )
            raise AuthorizationRequired(message, key=key, reason="no_refresh_token")

    # -- the exchange -----------------------------------------------------------------------------

    async def _exchange(self, flight: Flight, stored: _Stored | None, hold: Hold) -> TokenPair:
        started = self._clock.time()
        try:
            pair = await self._ask(stored, hold)
        except AuthorizationRequired as error:
            refused = str(error)
        except AtlassianAuthError as error:
            await self._note_failure(flight, stored, str(error))
            raise
        else:
            return await self._save(flight, stored, pair, started)
        return await self._refused(flight, stored, hold, refused)

    async def _ask(self, stored: _Stored | None, hold: Hold) -> TokenPair:
        if stored is None or not self._grant.rotates:
            return await self._exchanges.refresh(None)
        record, confirm = stored.value, functools.partial(hold.confirm, self._seconds_to_keep)
        return await self._exchanges.refresh(
            record.refresh_token, previous=record.token, confirm=confirm
        )

    @property
    def _seconds_to_keep(self) -> float:
        # Where a server takes a refresh token again for longer than that, others need not wait.
        standstill_seconds = self._settings.standstill_seconds
        return 0 if self._grant.reuse_leeway_seconds >= standstill_seconds else standstill_seconds

    async def _refused(
        self, flight: Flight, presented: _Stored | None, hold: Hold, reason: str
    ) -> TokenPair:
        """Tell a race that was lost from a grant that is."""
        key = flight.key
        current = await self._repository.load(key)
        if current is None or presented is None:
            raise AuthorizationRequired(reason, key=key, reason="missing")
        if not same_secret(current.value.refresh_token, presented.value.refresh_token):
            return self._adopted(flight, current.value) or await self._exchange(
                flight, current, hold
            )
        now = utc_now(self._clock)
        lost = current.value.lost(reason, now)
        await self._repository.mark(key, current, lost)
        flight.events.append(AuthorizationNeeded(key=key, at=now, reason=reason))
        raise _lost(key, lost)

    async def _note_failure(self, flight: Flight, stored: _Stored | None, reason: str) -> None:
        if stored is None:
            return
        now = utc_now(self._clock)
        period = self._settings.unrecoverable_token_failing_period
        record = stored.value.failed(reason, now, period=period)
        if record is stored.value:
            return
        await self._repository.mark(flight.key, stored, record)
        if record.status is not stored.value.status and record.failing_since:
            self._tell_of_failing(flight, record, now)

    def _tell_of_failing(self, flight: Flight, record: TokenRecord, now: datetime) -> None:
        if record.status is TokenStatus.UNRECOVERABLE:
            event = KeepsFailing(
                key=flight.key,
                at=now,
                since=record.failing_since or now,
                reason=record.failure or "",
            )
            flight.events.append(event)

    # -- the save ---------------------------------------------------------------------------------

    async def _save(
        self, flight: Flight, stored: _Stored | None, pair: TokenPair, started: float
    ) -> TokenPair:
        now = utc_now(self._clock)
        begun = stored.value if stored else self._begun(now)
        record = begun.refreshed(pair, now)
        try:
            kept = await self._repository.save(flight.key, record, stored)
        except STORE_TROUBLE as error:
            return self._unsaved(flight, pair, error)
        if kept.token is None:
            # The lock did not last: a refresh token was pasted meanwhile. It counts, and ours is not durable.
            raise LockLost
        succeeded = RefreshSucceeded(
            key=flight.key,
            at=utc_now(self._clock),
            duration_seconds=self._clock.time() - started,
            refresh_count=kept.refresh_count,
            expires_at=pair.expires_at,
        )
        flight.events.append(succeeded)
        last_look = begun.token.obtained_at if begun.token else None
        flight.events += warnings_due(
            flight.key, kept, self._settings, last_look=last_look, now=now
        )
        return kept.token

    def _begun(self, now: datetime) -> TokenRecord:
        # Client credentials: nobody has consented.
        return TokenRecord(configuration=self._grant.configuration, status_since=now)

    def _unsaved(self, flight: Flight, pair: TokenPair, error: AtlassianAuthError) -> TokenPair:
        key = flight.key
        if not self._grant.rotates:
            # The next process asks for a token of its own.
            self._repository.let_go(key)
            logger.warning("The token of key %r could not be saved: %s", key, error)
            return pair
        now = utc_now(self._clock)
        flight.events.append(RotationUnsaved(key=key, at=now, reason=str(error)))
        if self._settings.unsaved == "serve":
            return pair
        message = (
            f"{error} The refresh token of key {key!r} has been rotated; its successor is kept in memory "
            "and saved before anything else as soon as the store works. Keep this process running."
        )
        raise StoreError(message)


def _lost(key: str, record: TokenRecord) -> AuthorizationRequired:
    message = f"The grant of key {key!r} is lost; authorize it again. {record.failure or ''}"
    return AuthorizationRequired(message.rstrip(), key=key, reason="refused")
