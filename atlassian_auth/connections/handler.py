"""Fresh tokens: `TokenHandler` refreshes and saves, `TokenService` refreshes only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig
from atlassian_auth.connections.tokens import ClientToken
from atlassian_auth.protocol.tokens import Token

__all__ = ["TokenHandler", "TokenService"]

T = TypeVar("T")


class TokenHandler:
    """Hands out fresh tokens, refreshed and saved where that is due; the ``handler`` of a `Connections`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        raise NotImplementedError

    async def get_refreshed_token(self, token_id: str, *, margin: timedelta | None = None) -> Token:
        """Return a fresh token, refreshed and saved first if it is due; see `execute`."""
        raise NotImplementedError

    async def refresh(self, token_id: str) -> Token:
        """Refresh now, even if the token is still valid; save and return the new one. See `execute`."""
        raise NotImplementedError


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
        raise NotImplementedError

    async def refresh_if_needed(
        self, config: ClientConfig, token: ClientToken, margin: timedelta = timedelta()
    ) -> ClientToken:
        """Return the token, or its successor if it ends within ``margin`` and the clock skew; saves nothing.

        A token without a refresh token is returned as it is.
        """
        raise NotImplementedError
