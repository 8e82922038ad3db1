"""One refresh of one credential: lock, read again, exchange, save, publish. This order keeps the consent.

Three rules. A library that breaks one of them loses consents:

- The refresh token is read from the store after the lock was taken, and it is presented only while the lock
  is held.
- The new pair is saved before any caller gets its access token.
- If the server refuses a refresh token, the store is read again: another process may have rotated it.
"""

from __future__ import annotations

import functools
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from atlassian_auth._tokens.records.lifetimes import Lifetimes, warnings_due
from atlassian_auth._tokens.records.records import STORE_ERRORS, Loaded, TokenRecord
from atlassian_auth._tokens.refresh.exchange import LockLost
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.events import (
    AuthorizationNeeded,
    Event,
    KeepsFailing,
    RefreshSucceeded,
    RequestRepeated,
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
from atlassian_auth.status import TokenStatus
from atlassian_auth.stores.base import Hold

__all__ = ["Refresh", "Refresher"]

# After a lost lock the refresh is tried once more, with a new lock and a new read.
_TRIES = 2

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(slots=True)
class Refresh:
    """One refresh under way: what it is for, and the events to report about it.

    Args:
        key: Which credential.
        requirement: What the caller that started it needs.
        events: To be reported after the lock was released.
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
        self._token_exchange = parts.exchange
        self._cache = parts.cache
        self._settings = parts.settings
        self._clock = parts.clock

    async def adopt(self, refresh: Refresh) -> Token | None:
        """Return a token that meets the requirement if another process has saved one. Takes no lock.

        Raises:
            StoreError: if the store cannot be read.
        """
        drops = self._cache.drops
        record = await self._repository.durable(refresh.key)
        if record is None or record.configuration != self._grant.configuration:
            return None
        pair = self._adopt_pair(refresh, record)
        token = pair.bearer if pair else None
        # A drop since the read may have been of this key: then the credential was forgotten.
        if token is not None and self._cache.drops == drops:
            self._cache.publish(refresh.key, token)
        return token

    async def run(self, refresh: Refresh) -> Token:
        """Return a token that meets the requirement: saved by another process, or newly issued.

        The token is in the cache before the store's lock is released.

        Raises:
            AuthorizationRequired: if there is no consent, or it is lost.
            ConfigurationError: if the credential belongs to another registration, or the server says so.
            TransientError: if the server or the lock is not available in time, or the lock is lost.
            TokenResponseError: if the answer does not come from a token endpoint.
            StoreError: if the store cannot be read, or the new pair cannot be saved.
        """
        for _ in range(_TRIES):
            async with AsyncExitStack() as held:
                hold = await self._repository.try_lock(held, refresh.key)
                if hold is None:
                    return await self._adopt_without_lock(refresh)
                try:
                    token = (await self._adopt_or_exchange(refresh, hold)).bearer
                except LockLost:
                    continue
                self._cache.publish(refresh.key, token)
                return token
        raise self._repository.lock_lost(refresh.key)

    async def _adopt_without_lock(self, refresh: Refresh) -> Token:
        # An exchange without the lock could present the refresh token a second time.
        token = await self.adopt(refresh)
        if token is None:
            raise self._repository.lock_timeout(refresh.key)
        return token

    async def _adopt_or_exchange(self, refresh: Refresh, hold: Hold) -> TokenPair:
        stored = await self._repository.load(refresh.key)
        if stored is not None:
            stored.value.check_owner(refresh.key, self._grant.configuration)
            if stored.value.token is not None:
                # It is saved, so callers may use it if the refresh fails.
                self._cache.publish(refresh.key, stored.value.token.bearer)
        pair = self._adopt_pair(refresh, stored.value if stored else None)
        if pair is None:
            self._check_refreshable(refresh.key, stored)
            pair = await self._exchange_and_save(refresh, stored, hold)
        return pair

    def _adopt_pair(self, refresh: Refresh, record: TokenRecord | None) -> TokenPair | None:
        """Return the stored pair if its token meets the requirement, and note that it was adopted."""
        pair = record.token if record else None
        now, buffer_seconds = utc_now(self._clock), self._settings.buffer_seconds
        accepts = functools.partial(
            refresh.requirement.accepts, now=now, buffer_seconds=buffer_seconds
        )
        if pair is None or not accepts(pair.bearer):
            return None
        refresh.events.append(TokenAdopted(key=refresh.key, at=now, expires_at=pair.expires_at))
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
            raise self._consent_lost(key, stored.value, stored.value.status_since)
        if not stored.value.refresh_token:
            message = (
                f"The access token of key {key!r} has expired and no refresh token came with it. Authorize "
                "again; on Cloud the app must ask for the scope offline_access."
            )
            raise AuthorizationRequired(message, key=key, reason="no_refresh_token")

    # -- the exchange -----------------------------------------------------------------------------

    async def _exchange_and_save(
        self, refresh: Refresh, stored: _Stored | None, hold: Hold
    ) -> TokenPair:
        started = self._clock.time()
        try:
            pair = await self._exchange(refresh, stored, hold)
        except AuthorizationRequired as error:
            refusal = str(error)
        except AtlassianAuthError as error:
            await self._save_failure(refresh, stored, str(error))
            raise
        else:
            return await self._save(refresh, stored, pair, started)
        return await self._handle_refusal(refresh, stored, hold, refusal)

    async def _exchange(self, refresh: Refresh, stored: _Stored | None, hold: Hold) -> TokenPair:
        if stored is None or not self._grant.rotates:
            return await self._token_exchange.refresh(None)
        record, confirm = stored.value, functools.partial(hold.confirm, self._seconds_to_keep)
        return await self._token_exchange.refresh(
            record.refresh_token,
            previous=record.token,
            confirm=confirm,
            repeated=lambda: refresh.events.append(
                RequestRepeated(key=refresh.key, at=utc_now(self._clock))
            ),
        )

    @property
    def _seconds_to_keep(self) -> float:
        # If the server accepts a used refresh token for longer than a standstill, others need not wait.
        standstill_seconds = self._settings.standstill_seconds
        return 0 if self._grant.reuse_leeway_seconds >= standstill_seconds else standstill_seconds

    async def _handle_refusal(
        self, refresh: Refresh, presented: _Stored | None, hold: Hold, reason: str
    ) -> TokenPair:
        """Use the newer refresh token if another process has saved one; otherwise the consent is lost."""
        key = refresh.key
        current = await self._repository.load(key)
        if current is None or presented is None:
            raise AuthorizationRequired(reason, key=key, reason="missing")
        if not same_secret(current.value.refresh_token, presented.value.refresh_token):
            pair = self._adopt_pair(refresh, current.value)
            return pair or await self._exchange_and_save(refresh, current, hold)
        now = utc_now(self._clock)
        record = current.value.after_refusal(reason, now)
        await self._repository.mark(key, current, record)
        lost = self._consent_lost(key, record, now)
        refresh.events.append(AuthorizationNeeded(key=key, at=now, reason=reason, ended=lost.ended))
        raise lost

    def _consent_lost(
        self, key: str, record: TokenRecord, refused_at: datetime
    ) -> AuthorizationRequired:
        reason = record.failure or "A person has to authorize it again."
        message = f"The consent of key {key!r} is lost. {reason}"
        ended = Lifetimes.of(record, self._settings).ended(refused_at)
        return AuthorizationRequired(message, key=key, reason="refused", ended=ended)

    async def _save_failure(self, refresh: Refresh, stored: _Stored | None, reason: str) -> None:
        if stored is None:
            return
        now = utc_now(self._clock)
        period = self._settings.unrecoverable_token_failing_period
        record = stored.value.after_failure(reason, now, period=period)
        if record is stored.value:
            return
        await self._repository.mark(refresh.key, stored, record)
        is_new = record.status is not stored.value.status
        if is_new and record.status is TokenStatus.UNRECOVERABLE and record.failing_since:
            since = record.failing_since
            event = KeepsFailing(key=refresh.key, at=now, since=since, reason=reason)
            refresh.events.append(event)

    # -- the save ---------------------------------------------------------------------------------

    async def _save(
        self, refresh: Refresh, stored: _Stored | None, pair: TokenPair, started: float
    ) -> TokenPair:
        now = utc_now(self._clock)
        previous = stored.value if stored else self._new_record(now)
        record = previous.after_refresh(pair, now)
        try:
            saved = await self._repository.save(refresh.key, record, stored)
        except STORE_ERRORS as error:
            return self._handle_unsaved(refresh, pair, error)
        if saved.token is None:
            # The lock was lost and a refresh token was added meanwhile. That one counts; ours is not saved.
            raise LockLost
        succeeded = RefreshSucceeded(
            key=refresh.key,
            at=utc_now(self._clock),
            duration_seconds=self._clock.time() - started,
            refresh_count=saved.refresh_count,
            expires_at=pair.expires_at,
            consent_expires_at=Lifetimes.of(saved, self._settings).consent_expires_at,
        )
        refresh.events.append(succeeded)
        last_look = previous.token.obtained_at if previous.token else None
        refresh.events += warnings_due(
            refresh.key, saved, self._settings, last_look=last_look, now=now
        )
        return saved.token

    def _new_record(self, now: datetime) -> TokenRecord:
        # For client credentials, which have no date of a consent.
        return TokenRecord(configuration=self._grant.configuration, status_since=now)

    def _handle_unsaved(
        self, refresh: Refresh, pair: TokenPair, error: AtlassianAuthError
    ) -> TokenPair:
        key = refresh.key
        if not self._grant.rotates:
            # Nothing is lost: the next process gets a token of its own.
            self._repository.discard_unsaved(key)
            logger.warning(
                "The token of key %r could not be saved: %s", key, error, extra={"key": key}
            )
            return pair
        now = utc_now(self._clock)
        refresh.events.append(RotationUnsaved(key=key, at=now, reason=str(error)))
        if self._settings.unsaved == "serve":
            return pair
        message = (
            f"{error} The refresh token of key {key!r} has been rotated; its successor is kept in memory "
            "and saved before anything else as soon as the store works. Keep this process running."
        )
        raise StoreError(message)
