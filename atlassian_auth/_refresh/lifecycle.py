"""How a credential begins and ends: an authorization code, a pasted refresh token, forgetting it."""

from __future__ import annotations

from datetime import datetime

from atlassian_auth._records.records import Loaded, TokenRecord
from atlassian_auth._refresh.parts import Parts
from atlassian_auth._refresh.pasted import PastedTokens
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
        self._exchange = parts.exchange
        self._cache = parts.cache
        self._backoff = parts.backoff
        self._clock = parts.clock

    async def redeem(self, key: str, code: str, *, code_verifier: str | None = None) -> TokenRecord:
        """Exchange an authorization code and keep its token in place of the app's earlier one."""
        async with self._repository.lock(key):
            stored = await self._replaceable(key)
            pair = await self._exchange.redeem(code, code_verifier=code_verifier)
            record = self._begun(stored).model_copy(update={"token": pair})
            kept = await self._repository.save(key, record, stored)
            self._start_over(key, kept.token)
        return kept

    async def paste(
        self, key: str, refresh_token: str, *, authorized_at: datetime | None
    ) -> TokenRecord:
        """Keep a refresh token obtained elsewhere, unless the credential began with the same one."""
        async with self._repository.lock(key):
            stored = await self._replaceable(key)
            kept = stored.value if stored else None
            if kept is None or not kept.was_pasted(refresh_token):
                record = TokenRecord.pasted(
                    self._grant.configuration,
                    utc_now(self._clock),
                    refresh_token,
                    authorized_at=authorized_at,
                    replaced=kept,
                )
                await self._pasted.claim(key, record)
                kept = await self._repository.save(key, record, stored)
            # Else a service adds its configured token at each start: that must not bring back one that has
            # been rotated since. What the store has counts, also if another process put it there.
            elif kept.added_at and authorized_at not in {None, kept.authorized_at}:
                record = kept.model_copy(update={"authorized_at": authorized_at})
                kept = await self._repository.save(key, record, stored)
            self._start_over(key, kept.token)
        return kept

    async def revoke(self, key: str) -> bool:
        """Revoke the credential, then delete it; return whether there was one. If it fails, it is kept."""
        async with self._repository.lock(key):
            stored = await self._replaceable(key)
            if stored is None:
                return False
            token = stored.value.revocable_token
            if token is not None:
                await self._exchange.revoke(token)
            existed = await self._repository.delete(key)
            self._start_over(key)
        return existed

    async def forget(self, key: str) -> bool:
        """Delete the credential and return whether there was one."""
        async with self._repository.lock(key):
            existed = await self._repository.delete(key)
            self._start_over(key)
        return existed

    def _begun(self, stored: Loaded[TokenRecord] | None) -> TokenRecord:
        replaced = stored.value if stored else None
        return TokenRecord.begin(self._grant.configuration, utc_now(self._clock), replaced=replaced)

    async def _replaceable(self, key: str) -> Loaded[TokenRecord] | None:
        stored = await self._repository.load(key)
        if stored is not None:
            stored.value.check_owner(key, self._grant.configuration)
        return stored

    def _start_over(self, key: str, pair: TokenPair | None = None) -> None:
        self._cache.drop(key)
        self._backoff.clear(key)
        if pair is not None:
            self._cache.publish(key, pair.bearer)
