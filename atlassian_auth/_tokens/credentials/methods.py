"""The methods of a manager that act on whole credentials: add, authorize, look at, keep, end them."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NoReturn

from atlassian_auth._tokens.credentials.background import Background
from atlassian_auth._tokens.credentials.checks import (
    checked_code,
    checked_consent_date,
    checked_key,
    checked_refresh_token,
)
from atlassian_auth._tokens.credentials.housekeeping import Housekeeping
from atlassian_auth._tokens.credentials.inspection import Inspection
from atlassian_auth._tokens.credentials.lifecycle import Lifecycle
from atlassian_auth._tokens.records.records import TokenRecord
from atlassian_auth._tokens.refresh.calls import Calls
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.events import Event
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.status import CredentialStatus

__all__ = ["DEFAULT_KEY", "Credentials"]

DEFAULT_KEY = "default"
"""The key of a service that has one credential only."""


class Credentials:
    """Adds, authorizes, describes, keeps and ends credentials: a part of `TokenManager`.

    Args:
        parts: The manager's.
        calls: Hands work to the runner.
    """

    def __init__(self, parts: Parts, calls: Calls) -> None:
        self._parts = parts
        self._calls = calls
        self._lifecycle = Lifecycle(parts)
        self._inspection = Inspection(parts)
        self._housekeeping = Housekeeping(parts)
        self._background = Background(parts, self._housekeeping, calls)

    async def add(
        self,
        key: str = DEFAULT_KEY,
        *,
        refresh_token: str,
        authorized_at: datetime | None = None,
    ) -> CredentialStatus:
        """Store a refresh token obtained elsewhere; the first request uses it.

        Adding the same one again, as a service does at each start, changes nothing: its successors are
        kept. No other program may use the token from now on, and no other key of the same store.

        Args:
            key: Which credential.
            refresh_token: The token.
            authorized_at: When the person consented, aware. A Cloud consent ends 365 days after that. Without
                this date the status names no such end, and `ConsentEndsSoon` does not warn of it. To name
                the date later, add the same token again.

        Raises:
            ConfigurationError: if the token is empty or has blanks in it, another key has it, the grant has
                no refresh tokens, or ``authorized_at`` is naive or in the future.
            StoreError: if the token cannot be saved.
        """
        return self._inspection.describe(
            key, await self._calls.perform(self._paste(key, refresh_token, authorized_at))
        )

    def add_sync(
        self,
        key: str = DEFAULT_KEY,
        *,
        refresh_token: str,
        authorized_at: datetime | None = None,
    ) -> CredentialStatus:
        """Do the same as `add`, blocking this thread."""
        return self._inspection.describe(
            key, self._calls.perform_sync(self._paste(key, refresh_token, authorized_at))
        )

    async def authorize(
        self, key: str, code: str, *, code_verifier: str | None = None
    ) -> CredentialStatus:
        """Exchange an authorization code and store its token in place of what the key had.

        Args:
            key: Which credential.
            code: From the callback, whose ``state`` must have been checked.
            code_verifier: The PKCE verifier, from which the challenge was made (RFC 7636 section 4.1).

        Raises:
            AtlassianAuthError: as `token` does. A code works once: start anew.
        """
        checked_key(key)
        redeem = functools.partial(
            self._lifecycle.redeem, key, checked_code(code), code_verifier=code_verifier
        )
        return self._inspection.describe(key, await self._calls.perform(redeem))

    async def save(self, key: str, pair: TokenPair) -> CredentialStatus:
        """Store a pair that was issued elsewhere in place of what the key had.

        No other program may use its refresh token from now on. To start with a configured refresh token, use
        `add`, which undoes no rotation.

        Raises:
            ConfigurationError: if the key belongs to another registration, or has spent the refresh token.
            StoreError: if the pair cannot be saved.
        """
        save = functools.partial(self._lifecycle.save, checked_key(key), pair)
        return self._inspection.describe(key, await self._calls.perform(save))

    async def status(self, key: str = DEFAULT_KEY) -> CredentialStatus:
        """Return the state of the credential, as its store has it. No server is asked.

        Raises:
            StoreError: if the store cannot be read.
        """
        return await self._calls.perform(
            functools.partial(self._inspection.status, checked_key(key))
        )

    def status_sync(self, key: str = DEFAULT_KEY) -> CredentialStatus:
        """Return the same as `status`, blocking this thread."""
        return self._calls.perform_sync(
            functools.partial(self._inspection.status, checked_key(key))
        )

    async def reveal_refresh_token(self, key: str = DEFAULT_KEY) -> str | None:
        """Return the stored refresh token, to take it to another program; None if there is none.

        A program that has it can act for the person until the consent ends. It works once: hand it over,
        then `forget` the key here. No other part of the library shows it.

        Raises:
            StoreError: if the store cannot be read.
        """
        record = await self._peek_record(key)
        return record.refresh_token if record else None

    async def reveal_pair(self, key: str = DEFAULT_KEY) -> TokenPair | None:
        """Return the stored pair as `reveal_refresh_token` does; None if none was issued yet.

        Raises:
            StoreError: if the store cannot be read.
        """
        record = await self._peek_record(key)
        return record.token if record else None

    async def keys(self) -> list[str]:
        """Return the keys that the store has, sorted."""
        return await self._calls.perform(self._parts.repository.keys)

    async def forget(self, key: str = DEFAULT_KEY) -> bool:
        """Delete the credential here and in the store; return whether there was one.

        At Atlassian the consent stays until it is revoked or expires.
        """
        checked_key(key)
        return await self._calls.perform(functools.partial(self._lifecycle.forget, key))

    async def revoke(self, key: str = DEFAULT_KEY) -> bool:
        """End the credential at Atlassian, then delete it here; return whether there was one.

        Atlassian does not document what Cloud does with it for 3LO: the person can also remove the app
        under "Connected apps" of their account.

        Raises:
            ConfigurationError: if the server has no revocation endpoint, as for client credentials.
            AtlassianAuthError: if the server did not revoke it, as `token` does; the credential is kept.
        """
        checked_key(key)
        return await self._calls.perform(functools.partial(self._lifecycle.revoke, key))

    async def keep_fresh(self, *, every: timedelta = timedelta(seconds=30)) -> NoReturn:
        """Refresh access tokens before they expire, also of keys that nothing requests. Runs until cancelled.

        Run it in a task group of your own. Errors are reported as events and logged, not raised. A fresh
        credential costs one comparison at each look. A refused credential, or one of another app, is read
        every 15 minutes.

        Args:
            every: How often to look. Default: 30 seconds.
        """
        await self._background.keep_fresh(every)

    async def keep_alive(self, *, every: timedelta = timedelta(hours=6)) -> NoReturn:
        """Refresh idle credentials before inactivity ends their consent, and warn about consents that end.

        Runs until cancelled, in a task group of your own, in any number of processes. It is for stores with
        many more credentials than are in use: it refreshes each once in a month or two, at a time computed
        from its key. `ConsentEndsSoon` warns of a consent that ends in spite of that. Errors are logged, not
        raised.

        Args:
            every: How often to look. Default: six hours.
        """
        await self._background.keep_alive(every)

    async def prune(self, now: datetime | None = None) -> list[str]:
        """Delete credentials that have been unusable for ``prune_after``; return their keys.

        Unusable is: refused by the server, failing until the inactivity limit, or expired without a refresh
        token. It is safe while other processes use the store.

        Args:
            now: The time to judge by; by default the clock's.

        Raises:
            StoreError: if the store cannot be read or written.
        """
        return await self._calls.perform(
            lambda: self._housekeeping.prune(now or utc_now(self._parts.clock))
        )

    def _report(self, event: Event) -> None:
        """Report an event of a login. Used in the runner only."""
        self._parts.report(event)

    def _paste(
        self, key: str, refresh_token: str, authorized_at: datetime | None
    ) -> Callable[[], Awaitable[TokenRecord]]:
        checked_key(key)
        checked = checked_refresh_token(self._parts.grant, refresh_token)
        consented_at = checked_consent_date(authorized_at, self._parts.clock)
        return functools.partial(self._lifecycle.paste, key, checked, authorized_at=consented_at)

    async def _peek_record(self, key: str) -> TokenRecord | None:
        checked_key(key)
        return await self._calls.perform(functools.partial(self._parts.repository.peek, key))
