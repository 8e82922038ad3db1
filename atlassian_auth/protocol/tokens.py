"""What the authorization server issued, and the arithmetic of its expiry.

The rule of this file: a token's age counts from before its request was sent, so the expiry is never
later than the server's.
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

# RFC 6749 appendix A allows visible ASCII and the space in tokens, codes and secrets. No one of
# Atlassian's holds a space; it would end the token in "Authorization: Bearer <token>" (RFC 6750
# section 2.1), and in pasted text it is the commonest mistake.
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")

# Longer than anything Atlassian issues: access tokens live an hour, and the longest figure seen for
# a refresh token is a year (Aembit's guide, 2026). Keeps the arithmetic inside the calendar.
_LONGEST_SECONDS = 365 * 24 * 3600.0


class _Issued(Confidential):
    """What both kinds of token have. Frozen, but no dataclass, and without a ``__dict__``.

    What turns any object into JSON (``dataclasses.asdict``, ``vars``, FastAPI's ``jsonable_encoder``, orjson)
    finds nothing here to turn, and raises: a token is not published by returning it from a handler.
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
        # None of them is there if the making was refused: such objects stand in the frames reporters show.
        shown = [f"{name}={getattr(self, name)!r}" for name in names if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        # Both comparisons always run, so that the time tells nothing.
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
        """How long the access token was to live when it was requested."""
        return self.expires_at - self.obtained_at

    def expires_within(self, margin: timedelta, now: datetime) -> bool:
        """Return whether the access token ends at ``now + margin`` or before."""
        # Subtracted, not added: the sum could lie beyond the calendar.
        return self.expires_at - now <= margin

    def missing_scopes(self, required: str | Iterable[str]) -> tuple[str, ...]:
        """Return the required scopes that were not granted, in the order required."""
        return missing_scopes(self.scopes, required)


class Token(_Issued):
    """An access token, how long it lives, and what it may do. There is no refresh token in it.

    It cannot be pickled, turned into JSON or changed; a copy of it is itself, and its ``repr`` holds no
    secret. Equal tokens are found equal in constant time.

    Args:
        access_token: The bearer.
        obtained_at: Aware UTC; taken before the request was sent.
        expires_at: Aware UTC; when the access token ends.
        scopes: What was granted; may be less than what was asked for.

    Raises:
        ConfigurationError: if the access token could not be sent in a header, or a time is naive.
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
        """Return the same with a refresh token, or with none."""
        return TokenPair(
            self.access_token, self.obtained_at, self.expires_at, refresh_token, self.scopes
        )


class TokenPair(_Issued):
    """What a token endpoint issued: an access token, and the refresh token that brings the next one.

    The library keeps it to itself and in the store; callers get its `bearer`.

    Args:
        access_token: As for `Token`, like the next two.
        obtained_at: When it was requested.
        expires_at: When the access token ends.
        refresh_token: What brings the next pair, once; None where there is none.
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
        """The same without the refresh token."""
        return Token(self.access_token, self.obtained_at, self.expires_at, self.scopes)

    @property
    def _secret(self) -> tuple[str | None, ...]:
        return self.access_token, self.refresh_token


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

    At most a quarter of its lifetime: a buffer longer than the token would refresh it forever.
    """
    return min(buffer_seconds, lifetime_seconds / 4)
