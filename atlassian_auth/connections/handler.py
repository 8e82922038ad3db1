"""Fresh tokens: `TokenHandler` refreshes and saves, `TokenService` refreshes only."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.connections._credentials import TokenCredentials
from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig
from atlassian_auth.connections.tokens import ClientToken, expiration_in, pair_of
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.tokens import Token

__all__ = ["TokenHandler", "TokenService"]

T = TypeVar("T")


class TokenHandler:
    """Hands out fresh tokens, refreshed and saved where that is due; the ``handler`` of a `Connections`."""

    def __init__(self, desk: Desk, credentials: TokenCredentials) -> None:
        self._desk = desk
        self._credentials = credentials

    async def execute(
        self,
        token_id: str,
        fn: Callable[[Token], Awaitable[T]],
        *,
        margin: timedelta | None = None,
    ) -> T:
        """Call ``fn`` with a fresh token, which is saved before, and return what it returns.

        Args:
            token_id: Which token.
            fn: Called once; if it raises `TokenRejected`, once more, with another token.
            margin: The token must live longer than this and the clock skew. None: than the clock skew.

        Raises:
            TokenNotFound: if there is no such token.
            ConfigurationNotFound: if its configuration was deleted.
            TransientError: if the provider is temporarily unavailable (recoverable).
            AuthorizationRequired: if a person has to connect again (unrecoverable).
            AtlassianAuthError: as `TokenManager.execute` does.
        """
        manager = await self._credentials.manager_of(token_id)
        return await manager.execute(token_id, fn, margin=self._with_skew(margin))

    async def get_refreshed_token(self, token_id: str, *, margin: timedelta | None = None) -> Token:
        """Return a fresh token, refreshed and saved first if it is due; see `execute`."""
        manager = await self._credentials.manager_of(token_id)
        return await manager.token(token_id, margin=self._with_skew(margin))

    async def refresh(self, token_id: str) -> Token:
        """Refresh now, even if the token is still valid; save and return the new one. See `execute`."""
        manager = await self._credentials.manager_of(token_id)
        return await manager.refresh(token_id)

    async def auth(self, token_id: str) -> AtlassianAuth:
        """Return an ``httpx.Auth`` for the token. It keeps to the present state of its configuration.

        Raises:
            TokenNotFound: if there is no such token.
            ConfigurationNotFound: if its configuration was deleted.
        """
        return (await self._credentials.manager_of(token_id)).auth(token_id)

    def _with_skew(self, margin: timedelta | None) -> timedelta | None:
        # Without a margin the manager's buffer holds, which is at least the clock skew.
        skew = timedelta(seconds=self._desk.settings.max_clock_skew_seconds)
        return None if margin is None else min(margin, timedelta.max - skew) + skew


class TokenService:
    """Refreshes tokens and saves nothing; the ``service`` of a `Connections`.

    The provider may rotate the refresh token: then the given token is dead, and only what is returned works.
    `TokenHandler` saves it for you.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def force_refresh(self, config: ClientConfig, token: ClientToken) -> ClientToken:
        """Return the token's successor from the provider. Nothing is saved.

        Raises:
            ConfigurationError: if the token has no refresh token.
            AtlassianAuthError: as `TokenManager.refresh` does.
        """
        if token.refresh_token is None:
            message = "token has no refresh token, so it cannot be refreshed: let the person connect again"
            raise ConfigurationError(message, argument="token")
        return await self._desk.perform(functools.partial(self._refresh, config, token))

    async def refresh_if_needed(
        self, config: ClientConfig, token: ClientToken, margin: timedelta = timedelta()
    ) -> ClientToken:
        """Return the token, or its successor if it ends within ``margin`` and the clock skew; saves nothing.

        A token without a refresh token is returned as it is.
        """
        skew = timedelta(seconds=self._desk.settings.max_clock_skew_seconds)
        left = token.access_token_expiration - self._desk.now() - skew
        if token.refresh_token is None or left > margin:
            return token
        return await self.force_refresh(config, token)

    async def _refresh(self, config: ClientConfig, token: ClientToken) -> ClientToken:
        # A manager whose store is in memory: refreshed as everywhere, and saved nowhere.
        manager, key = await self._desk.scratch.of(config), self._desk.new_id()
        try:
            await manager.save(key, pair_of(token, self._desk.now()))
            bearer = await manager.refresh(key)
            refresh_token = await manager.reveal_refresh_token(key)
        finally:
            await manager.forget(key)
        assumed = bearer.obtained_at + self._desk.settings.default_refresh_token_duration
        return token.changed(
            access_token=bearer.access_token,
            access_token_expiration=bearer.expires_at,
            refresh_token=refresh_token,
            refresh_token_expiration=expiration_in(refresh_token) or assumed,
            scopes=bearer.scopes,
        )
