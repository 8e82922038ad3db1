"""What a caller requires of a token, and whether a given token meets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.protocol.tokens import Token, buffer_for

__all__ = ["Requirement"]


@dataclass(frozen=True, slots=True)
class Requirement(Confidential):
    """What a caller requires of a token.

    Args:
        margin_seconds: The token must live longer than this, and longer than the buffer in any case.
        rejected: The access token that an API has refused: any other token is accepted.
        forced: Refresh even if the current token is good. With ``rejected``, any other token is accepted;
            without it, only a newly issued one.
    """

    margin_seconds: float = 0
    rejected: str | None = field(default=None, repr=False)
    forced: bool = False

    def accepts(self, token: Token, now: datetime, *, buffer_seconds: float) -> bool:
        """Return whether ``token`` meets the requirement at ``now``.

        Args:
            token: The cached token.
            now: The time.
            buffer_seconds: A token that ends within this is not used; short-lived tokens have a shorter
                buffer, see `buffer_for`.
        """
        if self.forced and self.rejected is None:
            return False
        if self.rejects(token):
            return False
        buffer = buffer_for(token.lifetime.total_seconds(), buffer_seconds)
        return (token.expires_at - now).total_seconds() > max(buffer, self.margin_seconds)

    def rejects(self, token: Token) -> bool:
        """Return whether ``token`` is the one an API has refused."""
        return self.rejected is not None and same_secret(self.rejected, token.access_token)
