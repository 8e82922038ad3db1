"""Tokens that the authorization server issued, and when they expire.

The rule of this file: a token's age counts from before its request was sent, so our expiry is never later
than the server's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeGuard

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.scopes import missing_scopes

__all__ = ["Token", "TokenPair", "buffer_for", "end_of", "is_visible_ascii", "lifetime_of"]

# RFC 6749 appendix A allows visible ASCII and the space in tokens, codes and secrets. None of Atlassian's has
# a space. A space would end the token in "Authorization: Bearer <token>" (RFC 6750 section 2.1), and is the
# most common mistake in pasted text.
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")

# Longer than any token of Atlassian's: access tokens live an hour, and the longest time seen for a refresh
# token is a year (Aembit's guide, 2026). It keeps dates within the range of ``datetime``.
_LONGEST_SECONDS = 365 * 24 * 3600.0


class _Issued(Confidential):
    """The common part of both kinds of token. Frozen, but no dataclass, and without a ``__dict__``.

    Encoders that turn any object into JSON (``dataclasses.asdict``, ``vars``, FastAPI's ``jsonable_encoder``,
    orjson) raise here, so a web handler that returns a token does not publish it.
    """

    __slots__ = ("access_token", "expires_at", "obtained_at", "scopes")

    access_token: str
    obtained_at: datetime
    expires_at: datetime
    scopes: tuple[str, ...]

    def _fill(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not is_visible_ascii(self.access_token):
            message = "access_token must be non-empty visible ASCII: it is sent in a header"
            raise ConfigurationError(message, argument="access_token")
        for argument in ("obtained_at", "expires_at"):
            if getattr(self, argument).utcoffset() is None:
                message = f"{argument} must be aware: use datetime.now(timezone.utc)"
                raise ConfigurationError(message, argument=argument)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete {name}")

    def __repr__(self) -> str:
        names = ("obtained_at", "expires_at", "scopes")
        # A field is missing if the constructor raised: error reporters show such objects.
        shown = [f"{name}={getattr(self, name)!r}" for name in names if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        # Every comparison always runs, so that the time does not depend on the secrets.
        same = [
            same_secret(ours, its) for ours, its in zip(self._secret, other._secret, strict=True)
        ]
        return all(same) and self._public == other._public

    def __hash__(self) -> int:
        return hash(self._public)

    @property
    def _secret(self) -> tuple[str | None, ...]:
        return (self.access_token,)

    @property
    def _public(self) -> tuple[object, ...]:
        return self.obtained_at, self.expires_at, self.scopes

    @property
    def lifetime(self) -> timedelta:
        """The time from the request to the expiry."""
        return self.expires_at - self.obtained_at

    def expires_within(self, margin: timedelta, now: datetime) -> bool:
        """Return whether the access token ends at ``now + margin`` or before."""
        # Subtracted, because ``now + margin`` could be beyond the range of ``datetime``.
        return self.expires_at - now <= margin

    def missing_scopes(self, required: str | Iterable[str]) -> tuple[str, ...]:
        """Return the required scopes that were not granted, in the order required."""
        return missing_scopes(self.scopes, required)


class Token(_Issued):
    """An access token, its expiry and its scopes, without a refresh token.

    It cannot be pickled, turned into JSON or changed. A copy of it is itself, its ``repr`` holds no secret,
    and tokens are compared in constant time.

    Args:
        access_token: The bearer.
        obtained_at: The time before the request was sent, aware UTC.
        expires_at: The time at which the access token ends, aware UTC.
        scopes: The scopes that were granted; may be fewer than were requested.

    Raises:
        ConfigurationError: if the access token cannot be sent in a header, or a time is naive.
    """

    __slots__ = ()

    def __init__(
        self,
        access_token: str,
        obtained_at: datetime,
        expires_at: datetime,
        scopes: tuple[str, ...] = (),
    ) -> None:
        self._fill(
            access_token=access_token,
            obtained_at=obtained_at,
            expires_at=expires_at,
            scopes=scopes,
        )

    def paired(self, refresh_token: str | None) -> TokenPair:
        """Return a pair of this token and a refresh token; None if there is none."""
        return TokenPair(
            self.access_token, self.obtained_at, self.expires_at, refresh_token, self.scopes
        )


class TokenPair(_Issued):
    """An access token and the refresh token that obtains the next one, as a token endpoint issued them.

    Only the library and its store hold it; callers get its `bearer`.

    Args:
        access_token: As for `Token`, like the next two.
        obtained_at: The time before the request was sent.
        expires_at: The time at which the access token ends.
        refresh_token: The token that obtains the next pair, once; None if there is none.
        scopes: As for `Token`.

    Raises:
        ConfigurationError: as for `Token`.
    """

    __slots__ = ("refresh_token",)

    refresh_token: str | None

    def __init__(
        self,
        access_token: str,
        obtained_at: datetime,
        expires_at: datetime,
        refresh_token: str | None = None,
        scopes: tuple[str, ...] = (),
    ) -> None:
        self._fill(
            access_token=access_token,
            obtained_at=obtained_at,
            expires_at=expires_at,
            refresh_token=refresh_token,
            scopes=scopes,
        )

    @property
    def bearer(self) -> Token:
        """The access token without the refresh token."""
        return Token(self.access_token, self.obtained_at, self.expires_at, self.scopes)

    @property
    def _secret(self) -> tuple[str | None, ...]:
        return self.access_token, self.refresh_token


def is_visible_ascii(value: object) -> TypeGuard[str]:
    """Return whether the value is non-empty visible ASCII, as tokens, codes and secrets must be."""
    return isinstance(value, str) and _VISIBLE_ASCII.fullmatch(value) is not None


def lifetime_of(expires_in: object, default_seconds: float) -> float:
    """Return how many seconds an access token lives. Never raises.

    The server has already rotated the refresh token; an odd number beside the new one must not lose it.

    Args:
        expires_in: The member of the answer: a finite number of at least 1, or such a number as text. More
            than 365 days become 365 days. Less than a second is ignored: each request would need a refresh.
        default_seconds: The lifetime if ``expires_in`` is anything else, or missing.
    """
    seconds = _to_number(expires_in)
    if not seconds >= 1 or math.isinf(seconds):  # "not" also catches NaN
        return default_seconds
    return min(seconds, _LONGEST_SECONDS)


def end_of(obtained_at: datetime, lifetime_seconds: float) -> datetime:
    """Return when a token ends, at the latest at ``datetime.max``. Never raises: see `lifetime_of`.

    Args:
        obtained_at: Aware UTC.
        lifetime_seconds: From `lifetime_of`.
    """
    left = datetime.max.replace(tzinfo=UTC) - obtained_at
    return obtained_at + min(timedelta(seconds=lifetime_seconds), left)


def _to_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def buffer_for(lifetime_seconds: float, buffer_seconds: float) -> float:
    """Return how many seconds before its end a token is no longer used.

    That is at most a quarter of the lifetime: with a longer buffer than the lifetime, every token would be
    refreshed at once.
    """
    return min(buffer_seconds, lifetime_seconds / 4)
