"""What the authorization server issued, and the arithmetic of its expiry.

The rule of this file: a token's age counts from before its request was sent, so the expiry is never
later than the server's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.scopes import missing_scopes

__all__ = ["Token", "buffer_for", "end_of", "is_visible_ascii", "lifetime_of"]

# RFC 6749 appendix A allows visible ASCII and the space in tokens, codes and secrets. No one of
# Atlassian's holds a space; it would end the token in "Authorization: Bearer <token>" (RFC 6750
# section 2.1), and in pasted text it is the commonest mistake.
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")

# Longer than anything Atlassian issues: access tokens live an hour, and the longest figure seen for
# a refresh token is a year (Aembit's guide, 2026). Keeps the arithmetic inside the calendar.
_LONGEST_SECONDS = 365 * 24 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Token(Confidential):
    """An access token, what came with it, and how long it lives.

    It cannot be pickled, a copy of it is itself, and its ``repr`` holds no secret. Equal tokens are
    found equal in constant time.

    Args:
        access_token: The bearer.
        obtained_at: Aware UTC; taken before the request was sent.
        expires_at: Aware UTC; when the access token ends.
        refresh_token: What renews it, once; None where there is none.
        scopes: What was granted; may be less than what was asked for.

    Raises:
        ConfigurationError: if the access token could not be sent in a header, or a time is naive.
    """

    access_token: str = field(repr=False)
    obtained_at: datetime
    expires_at: datetime
    refresh_token: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_visible_ascii(self.access_token):
            message = "access_token must be non-empty visible ASCII: it is sent in a header"
            raise ConfigurationError(message, argument="access_token")
        for argument in ("obtained_at", "expires_at"):
            if getattr(self, argument).utcoffset() is None:
                message = f"{argument} must be aware: use datetime.now(timezone.utc)"
                raise ConfigurationError(message, argument=argument)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        # Both comparisons always run, so that the time tells nothing.
        same = same_secret(self.access_token, other.access_token) & same_secret(
            self.refresh_token, other.refresh_token
        )
        return same and self._public == other._public

    def __hash__(self) -> int:
        return hash(self._public)

    @property
    def _public(self) -> tuple[object, ...]:
        return self.obtained_at, self.expires_at, self.scopes

    @property
    def lifetime(self) -> timedelta:
        """How long the access token was to live when it was requested."""
        return self.expires_at - self.obtained_at

    def expires_within(self, margin: timedelta, now: datetime) -> bool:
        """Return whether the access token ends at ``now + margin`` or before."""
        # Subtracted, not added: the sum could lie beyond the calendar.
        return self.expires_at - now <= margin

    def missing_scopes(self, required: str | Iterable[str]) -> tuple[str, ...]:
        """Return the required scopes that were not granted, in the order required."""
        return missing_scopes(self.scopes, required)


def is_visible_ascii(value: object) -> TypeGuard[str]:
    """Return whether this is non-empty text of visible ASCII, as tokens, codes and secrets are."""
    return isinstance(value, str) and _VISIBLE_ASCII.fullmatch(value) is not None


def lifetime_of(expires_in: object, default_seconds: float) -> float:
    """Return how many seconds an access token lives. Never raises.

    A refresh token has been rotated by the time this is read; it must not be lost because of an odd
    number beside it.

    Args:
        expires_in: What the answer says: a finite number from 1 on, or such a number as text, counts;
            more than 365 days count as 365 days. A token that lived for less than a second would be
            refreshed for each request: such a number says nothing.
        default_seconds: The lifetime if it says anything else, or nothing.
    """
    seconds = _number(expires_in)
    if not seconds >= 1 or math.isinf(seconds):  # "not": so that NaN is refused too
        return default_seconds
    return min(seconds, _LONGEST_SECONDS)


def end_of(obtained_at: datetime, lifetime_seconds: float) -> datetime:
    """Return when a token ends, at the latest at the end of the calendar. Never raises: see `lifetime_of`.

    Args:
        obtained_at: Aware UTC.
        lifetime_seconds: From `lifetime_of`.
    """
    left = datetime.max.replace(tzinfo=UTC) - obtained_at
    return obtained_at + min(timedelta(seconds=lifetime_seconds), left)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def buffer_for(lifetime_seconds: float, buffer_seconds: float) -> float:
    """Return how many seconds before its end a token is no longer used.

    At most a quarter of its lifetime: a buffer longer than the token would renew it forever.
    """
    return min(buffer_seconds, lifetime_seconds / 4)
