"""A fixed bearer for the same ``auth=``: a personal access token, an API key, a token from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from atlassian_auth._http.origins import read_origins
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.tokens import Token

__all__ = ["StaticToken"]


class StaticToken:
    """A bearer that is never refreshed, with the same rules about where it may go.

    A 401 is the caller's: there is no other token to try.

    Args:
        access_token: The bearer.
        origins: Where it may go, such as ``["https://jira.example.com"]``; at least one.

    Raises:
        ConfigurationError: if the token could not be sent in a header, or an origin is missing or is
            neither https nor loopback.
    """

    origins: frozenset[str] = frozenset()

    def __init__(self, access_token: str, *, origins: Iterable[str]) -> None:
        self._token = Token(
            access_token=access_token,
            obtained_at=datetime.min.replace(tzinfo=UTC),
            expires_at=datetime.max.replace(tzinfo=UTC),
        )
        self.origins = read_origins(origins, argument="origins")
        if not self.origins:
            message = 'Name the origins the token may go to: origins=["https://jira.example.com"].'
            raise ConfigurationError(message, argument="origins")

    def __repr__(self) -> str:
        return f"StaticToken(origins={sorted(self.origins)})"

    def current(self) -> Token:
        """Return the token."""
        return self._token

    async def token(self, *, rejected: Token | None = None) -> Token:  # noqa: ARG002 -- no other exists
        """Return the token."""
        return self._token

    def token_sync(self, *, rejected: Token | None = None) -> Token:  # noqa: ARG002 -- no other exists
        """Return the token."""
        return self._token

    def expired(self, token: Token) -> bool:  # noqa: ARG002 -- nothing says when it ends
        """Return False: nothing says when it ends."""
        return False

    def refused(self, token: Token) -> None:
        """Do nothing: it is not refreshed anyway."""
