"""Client tokens: the credentials of the people who have connected."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections._forms import Form
from atlassian_auth.connections.config import ClientConfig
from atlassian_auth.status import CredentialStatus

__all__ = ["ClientToken", "ClientTokens"]


class ClientToken(Form):
    """The token of one connection.

    Its ``repr`` and its JSON hold no token, and it cannot be pickled. `changed` returns a copy.

    Args:
        id: Made by `ClientTokens.save`; None for a new token.
        config_id: The configuration that it was issued for.
        access_token: The bearer.
        access_token_expiration: When the access token ends, aware.
        refresh_token: None if the provider issued none.
        refresh_token_expiration: When the refresh token ends, as far as that is known, aware.
    """

    id: str | None = None
    config_id: str
    access_token: str = Field(repr=False, exclude=True)
    access_token_expiration: AwareDatetime
    refresh_token: str | None = Field(default=None, repr=False, exclude=True)
    refresh_token_expiration: AwareDatetime | None = None


class ClientTokens:
    """Saves, finds and deletes tokens; the ``tokens`` of a `Connections`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def save(self, token: ClientToken) -> ClientToken:
        """Store a new token, or replace the one with its id; return it with its id.

        Raises:
            ConfigurationNotFound: if its configuration is not stored.
            TokenNotFound: if no token has its id.
            ConfigurationError: if it has no refresh token and its access token ends too soon, or the id
                belongs to another configuration.
        """
        raise NotImplementedError

    async def obtain(self, config: ClientConfig) -> ClientToken:
        """Request the first token of a CLIENT_CREDENTIALS configuration, which needs no person, and save it.

        Raises:
            ConfigurationError: if the configuration needs a person: create a flow.
            AtlassianAuthError: as `TokenManager.token` does.
        """
        raise NotImplementedError

    async def get(self, token_id: str) -> ClientToken:
        """Return the token as it is stored; it is not refreshed.

        Raises:
            TokenNotFound: if there is none with this id.
            ConfigurationNotFound: if its configuration was deleted.
        """
        raise NotImplementedError

    async def status(self, token_id: str) -> CredentialStatus:
        """Return the token's status, since when it has it, the last refresh, and the number of refreshes.

        Raises:
            TokenNotFound: if there is none with this id.
            ConfigurationNotFound: if its configuration was deleted.
        """
        raise NotImplementedError

    async def list(self, config_id: str | None = None) -> list[str]:
        """Return the ids of all tokens, or of those of one configuration."""
        raise NotImplementedError

    async def delete(self, token_id: str) -> bool:
        """Delete the token here and return whether there was one. The provider is not asked."""
        raise NotImplementedError
