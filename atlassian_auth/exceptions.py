"""What can go wrong, and what to do about it.

::

    AtlassianAuthError
    ├── ConfigurationError       an argument, a setting or the app's registration is wrong: change it
    ├── AuthorizationRequired    no usable grant is left for this key: a person has to consent again
    ├── TransientError           the authorization server or the network is having a bad minute: try later
    ├── TokenResponseError       what answered is not the token endpoint we know
    ├── ScopeMismatch            the token is fine, but was not granted what this call needs
    ├── OriginNotAllowed         the bearer was about to go to a host that is not Atlassian's
    ├── TokenRejected            raised *by you* inside ``execute``: the API refused this token
    ├── SiteNotFound             no Cloud site fits: none was consented to, or the name is another
    ├── AmbiguousSite            several Cloud sites fit: say which one
    ├── DiscoveryError           what answered is not the site, account or metadata that was asked for
    └── StoreError               the store cannot be read, written or locked
        └── VersionConflict      somebody else changed the record first

No error holds a secret, a request or a response. All can be copied and pickled.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

__all__ = [
    "AmbiguousSite",
    "AtlassianAuthError",
    "AuthorizationRequired",
    "ConfigurationError",
    "DiscoveryError",
    "OriginNotAllowed",
    "ScopeMismatch",
    "SiteNotFound",
    "StoreError",
    "TokenRejected",
    "TokenResponseError",
    "TransientError",
    "VersionConflict",
]


class AtlassianAuthError(Exception):
    """The base of every error this library raises on purpose.

    ``code`` is stable across releases: match on it in logs and alerts.
    """

    code: ClassVar[str] = "error"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors with keyword-only fields cannot be rebuilt from ``args`` alone.
        return _rebuild, (type(self), self.args, self.__dict__)

    def fresh(self) -> Self:
        """Return an equal error without traceback, cause or context.

        One failed refresh is shared by all who waited for it. A raised exception object is changed
        by each raise (traceback, context), so each waiter gets its own.
        """
        return copy.copy(self)


def _rebuild(
    kind: type[AtlassianAuthError], args: tuple[object, ...], fields: dict[str, object]
) -> AtlassianAuthError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class ConfigurationError(AtlassianAuthError):
    """An argument, a setting or the app's registration is wrong; repeating the call will not help.

    Args:
        message: What was wrong, what was expected, what to do.
        argument: The argument or setting to change, where one is known.
        error: The OAuth ``error`` the authorization server answered, where it was the one to object.
    """

    code = "configuration"

    def __init__(
        self, message: str, *, argument: str | None = None, error: str | None = None
    ) -> None:
        super().__init__(message)
        self.argument = argument
        self.error = error

    @classmethod
    def wrong_type(cls, argument: str, expected: str, given: object) -> Self:
        """Return the error for an argument of the wrong type. It does not quote what was given."""
        kind = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        return cls(f"{argument} must be {expected}, not {kind}.", argument=argument)


class AuthorizationRequired(AtlassianAuthError):
    """No usable grant is left for this key: somebody has to authorize (again).

    Args:
        message: Why, and what to do.
        key: The credential concerned.
        reason: ``"missing"`` (never authorized, or forgotten), ``"no_refresh_token"``,
            ``"refused"`` (the server refused the refresh token), ``"declined"`` (the person did not consent)
            or ``"unanswered"`` (the person did not come back in time).
    """

    code = "authorization_required"

    def __init__(self, message: str, *, key: str = "", reason: str = "refused") -> None:
        super().__init__(message)
        self.key = key
        self.reason = reason


class TransientError(AtlassianAuthError):
    """The token endpoint, the network or a lock is having a bad minute; nothing is lost, try later.

    Args:
        message: What happened.
        retry_after_seconds: When asking again makes sense, where known.
        ambiguous: True if the request may have reached the server, which may have rotated the token.
    """

    code = "transient"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, ambiguous: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.ambiguous = ambiguous


class TokenResponseError(AtlassianAuthError):
    """What answered is not the token endpoint we know: a redirect, HTML, too much, or no token.

    Args:
        message: What came instead, and what to check.
        status: The HTTP status of the answer.
    """

    code = "token_response"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ScopeMismatch(AtlassianAuthError):
    """The token is valid, but was not granted the scopes this call needs; refreshing would not help.

    Args:
        message: What to add where.
        granted: The scopes the token has.
        missing: The scopes the API named and the token lacks; empty where the API named none.
    """

    code = "scope_mismatch"

    def __init__(
        self, message: str, *, granted: tuple[str, ...] = (), missing: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.granted = granted
        self.missing = missing


class OriginNotAllowed(AtlassianAuthError):
    """A request was about to carry the bearer to an origin it was not issued for. Nothing was sent.

    Args:
        message: Which origin, which are allowed, how to allow more.
        origin: Scheme, host and port of the request.
        allowed: The origins the bearer may go to.
    """

    code = "origin_not_allowed"

    def __init__(self, message: str, *, origin: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.origin = origin
        self.allowed = allowed


class TokenRejected(AtlassianAuthError):
    """Raise this inside ``execute``'s function when the API refused the token it was given."""

    code = "token_rejected"


class SiteNotFound(AtlassianAuthError):
    """No Cloud site fits: the token sees none, or none of this id, URL or host.

    Args:
        message: What was looked for, the likely causes, what to do.
        wanted: What was looked for; None if any site would have done.
        urls: The sites there are.
    """

    code = "site_not_found"

    def __init__(
        self, message: str, *, wanted: str | None = None, urls: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.urls = urls


class AmbiguousSite(AtlassianAuthError):
    """The token is good for several Cloud sites, and nobody has said which one is meant.

    Args:
        message: Which sites there are, and how to choose one.
        urls: The sites there are.
    """

    code = "ambiguous_site"

    def __init__(self, message: str, *, urls: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.urls = urls


class DiscoveryError(AtlassianAuthError):
    """What answered is not the site, the account or the metadata that was asked for.

    Args:
        message: What came instead, and what to check.
        status: The HTTP status of the answer.
    """

    code = "discovery"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class StoreError(AtlassianAuthError):
    """The store cannot be read, written or locked; what it holds is left as it is."""

    code = "store"


class VersionConflict(StoreError):
    """The record is no longer at the version the caller had read: somebody else changed it first."""

    code = "version_conflict"
