"""The errors of the library, and what to do about each.

::

    AtlassianAuthError
    ├── ConfigurationError       an argument, a setting or the app's registration is wrong: change it
    ├── AuthorizationRequired    there is no consent, or it is lost: a person has to authorize
    ├── TransientError           the server, the network or a lock is temporarily unavailable: try later
    ├── TokenResponseError       the response does not come from a token endpoint: check the URL and proxies
    ├── ScopeMismatch            the token is valid, but lacks a scope that this call needs: grant it
    ├── OriginNotAllowed         a request would have sent the token to another host than Atlassian's
    ├── TokenRejected            raised by you, inside execute: the API refused this token
    ├── SiteNotFound             no Cloud site matches: check the name, and which sites the person chose
    ├── AmbiguousSite            several Cloud sites match: choose one
    ├── DiscoveryError           the response is not the requested site, account or metadata: check the URL
    └── StoreError               the store cannot be read, written or locked: repair it
        └── VersionConflict      another task or process changed the record first

No error holds a secret, a request or a response. All can be copied and pickled.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal, Self

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
    """The base of all errors that this library raises."""

    code: ClassVar[str] = "error"
    """Stable across releases: match on it in logs and alerts."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors with keyword-only fields cannot be rebuilt from ``args`` alone.
        return _rebuild, (type(self), self.args, self.__dict__)

    def fresh(self) -> Self:
        """Return an equal error without traceback, cause or context.

        All callers that waited for one failed refresh get its error. Each raise changes an exception object
        (its traceback and context), so each caller gets its own copy.
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
        argument: The argument or setting to change; None if it is not known.
        error: The OAuth ``error`` of the authorization server's response; None if the server sent none.
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
        """Return the error for an argument of the wrong type. It does not quote the given value."""
        kind = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        return cls(f"{argument} must be {expected}, not {kind}.", argument=argument)


class AuthorizationRequired(AtlassianAuthError):
    """There is no consent for this key, or it is lost: a person has to authorize.

    Args:
        message: Why, and what to do.
        key: Which credential.
        reason: ``"missing"`` (never authorized, or forgotten), ``"no_refresh_token"`` (the access token has
            expired and no refresh token came with it), ``"refused"`` (the server refused the refresh token),
            ``"declined"`` (the person did not consent) or ``"unanswered"`` (the person did not come back in
            time).
        ended: The limit that a refused consent had reached, as in the event `AuthorizationNeeded`; None if
            the refusal was not expected.
    """

    code = "authorization_required"

    def __init__(
        self,
        message: str,
        *,
        key: str = "",
        reason: str = "refused",
        ended: Literal["inactivity", "absolute"] | None = None,
    ) -> None:
        super().__init__(message)
        self.key = key
        self.reason = reason
        self.ended: Literal["inactivity", "absolute"] | None = ended


class TransientError(AtlassianAuthError):
    """The token endpoint, the network or a lock is temporarily unavailable: try later.

    Args:
        message: What happened.
        retry_after_seconds: After how many seconds a new attempt makes sense; None if it is not known.
        ambiguous: True if the request may have reached the server, which may have rotated the refresh token.
    """

    code = "transient"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, ambiguous: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.ambiguous = ambiguous


class TokenResponseError(AtlassianAuthError):
    """The response does not come from a token endpoint: it is a redirect, HTML, too long, or has no token.

    Args:
        message: What came instead, and what to check.
        status: The HTTP status of the response.
    """

    code = "token_response"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ScopeMismatch(AtlassianAuthError):
    """The token is valid, but lacks a scope that this call needs; refreshing would not help.

    Args:
        message: Which scopes to add, and where.
        granted: The scopes of the token.
        missing: The scopes that the API named and the token lacks; empty if the API named none.
    """

    code = "scope_mismatch"

    def __init__(
        self, message: str, *, granted: tuple[str, ...] = (), missing: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.granted = granted
        self.missing = missing


class OriginNotAllowed(AtlassianAuthError):
    """A request would have sent the access token to an origin it was not issued for. Nothing was sent.

    Args:
        message: Which origin, which are allowed, how to allow more.
        origin: Scheme, host and port of the request.
        allowed: The origins to which the token may be sent.
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
    """No Cloud site matches: the token has access to none, or to none with this id, URL or host.

    Args:
        message: What was looked for, the likely causes, what to do.
        wanted: The id, URL or host that was looked for; None if any site would do.
        urls: The URLs of the sites that the token has access to.
    """

    code = "site_not_found"

    def __init__(
        self, message: str, *, wanted: str | None = None, urls: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.urls = urls


class AmbiguousSite(AtlassianAuthError):
    """The token has access to several Cloud sites, and the call does not say which one to use.

    Args:
        message: Which sites there are, and how to choose one.
        urls: The URLs of the sites.
    """

    code = "ambiguous_site"

    def __init__(self, message: str, *, urls: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.urls = urls


class DiscoveryError(AtlassianAuthError):
    """The response is not the requested site, account or metadata.

    Args:
        message: What came instead, and what to check.
        status: The HTTP status of the response.
    """

    code = "discovery"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class StoreError(AtlassianAuthError):
    """The store cannot be read, written or locked; the stored record is left as it is."""

    code = "store"


class VersionConflict(StoreError):
    """The record no longer has the version that the caller read: another task or process changed it first."""

    code = "version_conflict"
