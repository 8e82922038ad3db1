"""The credentials of connections in the store: their ids, their managers, and those that are left over.

A token's id is the id of its configuration, a dot, and an id of its own. A token works only with the client
that got it, so it never moves to another configuration.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime

from pydantic import BaseModel

from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig, ClientType
from atlassian_auth.connections.configs import CONFIGS, DELETED_CONFIGS, ClientConfigs
from atlassian_auth.connections.errors import TokenNotFound
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.manager import TokenManager
from atlassian_auth.stores.records import Records

__all__ = ["EXPIRATIONS", "TokenCredentials", "config_id_of", "token_not_found"]

EXPIRATIONS = "refresh_token_expirations"
"""The namespace of the expirations that were saved with a token."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TOKEN_ID = re.compile(rf"({_UUID})\.{_UUID}")


class _Present(BaseModel):
    """A record of which only the presence matters here."""


class TokenCredentials:
    """The credentials that a `TokenManager` keeps for connections.

    Args:
        desk: The shared parts.
        configs: The client configurations.
    """

    def __init__(self, desk: Desk, configs: ClientConfigs) -> None:
        self._desk = desk
        self._configs = configs
        # "tokens" is where a `TokenManager` keeps credentials.
        self._tokens, self._present, self._deleted, self._expirations = (
            Records(desk.store, namespace, _Present)
            for namespace in ("tokens", CONFIGS, DELETED_CONFIGS, EXPIRATIONS)
        )

    def new_id(self, config: ClientConfig) -> str:
        """Return the id of a new token, which names its configuration."""
        return f"{config.id}.{self._desk.new_id()}"

    def check_lifetime(self, config: ClientConfig, expires_at: datetime | None) -> None:
        """Return if a new token without a refresh token lives long enough to be of use.

        Raises:
            ConfigurationError: if it ends too soon.
        """
        minimum = self._desk.settings.minimum_access_token_only_lifetime
        if config.type is ClientType.CLIENT_CREDENTIALS or expires_at is None:
            return
        if expires_at - self._desk.now() < minimum:
            message = (
                "The provider issued no refresh token, and the access token ends in less than "
                f"{minimum.days} days (minimum_access_token_only_lifetime): request the scope for refresh "
                "tokens, such as offline_access"
            )
            raise ConfigurationError(message, argument="scopes")

    async def manager_of(self, token_id: str) -> TokenManager:
        """Return the manager of a stored token.

        Raises:
            TokenNotFound: if there is none with this id.
            ConfigurationNotFound: if its configuration was deleted.
        """
        config_id = config_id_of(token_id)
        present = functools.partial(self._tokens.get, token_id)
        if config_id is None or await self._desk.perform(present) is None:
            raise token_not_found()
        return await self._desk.managers.of(await self._configs.get(config_id))

    # -- in the runner -------------------------------------------------------------------------

    async def ids(self) -> tuple[str, ...]:
        """Return the ids of all tokens; other keys of the store are left out."""
        return tuple(key for key in await self._tokens.keys() if config_id_of(key))

    async def is_left_over(self, token_id: str) -> bool:
        """Return whether the token's configuration was deleted longer than ``prune_after`` ago."""
        config_id = config_id_of(token_id) or ""
        present = await self._present.get(config_id) or await self._deleted.get(config_id)
        return present is None

    async def forget_expiration(self, token_id: str) -> None:
        """Delete the expiration that was saved with a token."""
        await self._expirations.delete(token_id)

    async def remove(self, token_id: str) -> bool:
        """Delete a token whose configuration is gone; return whether there was one."""
        await self.forget_expiration(token_id)
        return await self._tokens.delete(token_id)


def config_id_of(token_id: str) -> str | None:
    """Return the configuration that a token's id names; None if it is no such id."""
    match = _TOKEN_ID.fullmatch(token_id)
    return match[1] if match else None


def token_not_found() -> TokenNotFound:
    """Return the error for an id that no token has."""
    message = (
        "No token has this id: it was deleted, or never existed. List the tokens to see their ids, or let "
        "the person connect again."
    )
    return TokenNotFound(message, reason="missing")
