"""How a credential begins and ends: redeem a code, add a refresh token, revoke or forget a credential."""

from __future__ import annotations

from datetime import datetime

from atlassian_auth._tokens.credentials.pasted import PastedTokens
from atlassian_auth._tokens.records.records import Loaded, TokenRecord
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.events import ConsentGiven, ConsentRevoked
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol.tokens import TokenPair

__all__ = ["Lifecycle"]


class Lifecycle:
    """Begins and ends credentials, each change under the store's lock. Used in the runner only.

    Args:
        parts: The manager's.
    """

    def __init__(self, parts: Parts) -> None:
        self._grant = parts.grant
        self._repository = parts.repository
        self._pasted = PastedTokens(parts.store, parts.repository)
        self._token_exchange = parts.exchange
        self._cache = parts.cache
        self._backoff = parts.backoff
        self._clock = parts.clock
        self._report = parts.report

    async def redeem(self, key: str, code: str, *, code_verifier: str | None = None) -> TokenRecord:
        """Exchange an authorization code and save its token in place of the app's earlier one."""
        async with self._repository.lock(key):
            stored = await self._load_own(key)
            pair = await self._token_exchange.redeem(code, code_verifier=code_verifier)
            saved = await self._begin(key, stored, pair)
        self._report(ConsentGiven(key=key, at=utc_now(self._clock)))
        return saved

    async def save(self, key: str, pair: TokenPair) -> TokenRecord:
        """Save a pair obtained elsewhere in place of the app's earlier one."""
        async with self._repository.lock(key):
            stored = await self._load_own(key)
            if stored is not None:
                stored.value.check_not_spent(key, pair.refresh_token)
            return await self._begin(key, stored, pair)

    async def _begin(
        self, key: str, stored: Loaded[TokenRecord] | None, pair: TokenPair
    ) -> TokenRecord:
        record = self._new_record(stored).model_copy(update={"token": pair})
        saved = await self._repository.save(key, record, stored)
        self._reset(key, saved.token)
        return saved

    async def paste(
        self, key: str, refresh_token: str, *, authorized_at: datetime | None
    ) -> TokenRecord:
        """Save a refresh token obtained elsewhere, unless the credential began with the same one.

        A service may add its configured refresh token at each start. That must not bring back a token that
        has been rotated since; the stored one counts, also if another process saved it.
        """
        async with self._repository.lock(key):
            stored = await self._load_own(key)
            saved = stored.value if stored else None
            if saved is None or not saved.was_pasted(refresh_token):
                record = TokenRecord.pasted(
                    self._grant.configuration,
                    utc_now(self._clock),
                    refresh_token,
                    authorized_at=authorized_at,
                    replaced=saved,
                )
                await self._pasted.note(key, record)
                saved = await self._repository.save(key, record, stored)
            elif saved.added_at and authorized_at not in {None, saved.authorized_at}:
                record = saved.model_copy(update={"authorized_at": authorized_at})
                saved = await self._repository.save(key, record, stored)
            self._reset(key, saved.token)
        return saved

    async def revoke(self, key: str) -> bool:
        """Revoke the credential, then delete it; return whether there was one.

        If the server cannot revoke it, it is not deleted.
        """
        async with self._repository.lock(key):
            stored = await self._load_own(key)
            if stored is None:
                return False
            token = stored.value.revocable_token
            if token is not None:
                await self._token_exchange.revoke(token)
            existed = await self._repository.delete(key)
            self._reset(key)
        self._report(ConsentRevoked(key=key, at=utc_now(self._clock)))
        return existed

    async def forget(self, key: str) -> bool:
        """Delete the credential and return whether there was one."""
        async with self._repository.lock(key):
            existed = await self._repository.delete(key)
            self._reset(key)
        return existed

    def _new_record(self, stored: Loaded[TokenRecord] | None) -> TokenRecord:
        replaced = stored.value if stored else None
        return TokenRecord.begin(self._grant.configuration, utc_now(self._clock), replaced=replaced)

    async def _load_own(self, key: str) -> Loaded[TokenRecord] | None:
        stored = await self._repository.load(key)
        if stored is not None:
            stored.value.check_owner(key, self._grant.configuration)
        return stored

    def _reset(self, key: str, pair: TokenPair | None = None) -> None:
        self._cache.drop(key)
        self._backoff.clear(key)
        if pair is not None:
            self._cache.publish(key, pair.bearer)
