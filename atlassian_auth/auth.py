"""The ``httpx.Auth``: asks for a token, sets one header, and knows what a 401 means.

Three rules of this file: nothing is held across a ``yield`` (httpx may close the generator there, from
another task); token requests are never yielded (they would run in the user's client); and what is typed
``Any`` may be httpx's or httpx2's, so no class of either decides anything.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator, Iterable
from datetime import datetime
from typing import Any, Unpack

from atlassian_auth._tokens.credentials.checks import checked_key
from atlassian_auth._tokens.http.httpx_auth import HttpxAuth
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.origins import NOWHERE, Origins, read_origins
from atlassian_auth._tokens.http.refusal import beginning, beginning_sync, cut, cut_sync
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import ConfigurationError, ScopeMismatch
from atlassian_auth.grants.base import Grant
from atlassian_auth.manager import DEFAULT_KEY, ManagerOptions, TokenManager
from atlassian_auth.ports import Network
from atlassian_auth.ports._runtime.closing import Closing
from atlassian_auth.protocol._challenges import (
    Challenge,
    is_anonymous,
    read_challenge,
    required_scopes,
)
from atlassian_auth.protocol._redaction import printable
from atlassian_auth.protocol.confidential import Confidential
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.status import CredentialStatus

__all__ = ["AtlassianAuth"]

# An expired token is not always answered 401: the gateway has answered 404 for v2 paths and 403 for v1
# paths (n8n-io/n8n#37776). These count only if our clock says that the token has expired.
_UNAUTHORIZED = 401
# What field reports found behind FAILURE_CLIENT_AUTH_MISMATCH (2026-08); Atlassian documents none of it.
_MISMATCH = (
    "The API refused this kind of token at this address (FAILURE_CLIENT_AUTH_MISMATCH): OAuth's work behind "
    "https://api.atlassian.com/ex/... only. Use Endpoints.jira_url(cloud_id) or confluence_url(cloud_id) as "
    "the base URL; refreshing would not help."
)
_PERHAPS_EXPIRED = frozenset({403, 404})
_SUSPICIOUS = _PERHAPS_EXPIRED | {_UNAUTHORIZED}


class AtlassianAuth(HttpxAuth, Closing, Confidential):
    """Sends each request with a fresh bearer, to Atlassian's origins only. For async and sync clients.

    Hand it to any number of ``httpx.AsyncClient`` and ``httpx.Client``: they share one token.

    Args:
        source: A grant, to begin with; or a `TokenManager` to share with others.
        key: The credential's name in the store.
        allowed_origins: Where the bearer may go besides the API of the grant, such as
            ``["https://proxy.example.com"]``.
        options: What `TokenManager` takes, such as ``store=``, which is required for grants whose refresh
            tokens rotate. They are for a grant: a manager has its own.

    Raises:
        ConfigurationError: if an argument is wrong, or given beside a manager, or the store is missing.
    """

    _origins = NOWHERE

    def __init__(
        self,
        source: Grant | TokenManager,
        *,
        key: str = DEFAULT_KEY,
        allowed_origins: Iterable[str] = (),
        **options: Unpack[ManagerOptions],
    ) -> None:
        self._manager = manager = _manager_of(source, options)
        self._key = checked_key(key)
        self._current = functools.partial(manager.current, key)
        endpoints = manager.grant.endpoints
        self._answers_anonymously = endpoints.is_data_center
        allowed = read_origins(allowed_origins, argument="allowed_origins")
        self._origins = Origins(endpoints.origins | allowed)

    def __repr__(self) -> str:
        key = getattr(self, "_key", None)  # None if an argument was refused
        return f"AtlassianAuth(key={key!r}, origins={list(self._origins.names)})"

    # -- without httpx ----------------------------------------------------------------------------

    @property
    def manager(self) -> TokenManager:
        """The manager behind it."""
        return self._manager

    @property
    def key(self) -> str:
        """The credential's name."""
        return self._key

    @property
    def endpoints(self) -> Endpoints:
        """The URLs of its grant, such as ``auth.endpoints.jira_url(cloud_id)``."""
        return self._manager.grant.endpoints

    @property
    def network(self) -> Network:
        """How its manager reaches servers: what `accessible_resources` and its siblings take from an auth."""
        return self._manager.network

    async def token(self) -> Token:
        """Return a fresh token; see `TokenManager.token`."""
        return await self._manager.token(self._key)

    def token_sync(self) -> Token:
        """Return the same as `token`, blocking this thread."""
        return self._manager.token_sync(self._key)

    async def add(
        self, *, refresh_token: str, authorized_at: datetime | None = None
    ) -> CredentialStatus:
        """Store a refresh token obtained elsewhere; see `TokenManager.add`."""
        return await self.manager.add(
            self.key, refresh_token=refresh_token, authorized_at=authorized_at
        )

    def add_sync(
        self, *, refresh_token: str, authorized_at: datetime | None = None
    ) -> CredentialStatus:
        """Do the same as `add`, blocking this thread."""
        return self.manager.add_sync(
            self.key, refresh_token=refresh_token, authorized_at=authorized_at
        )

    async def refresh(self) -> Token:
        """Refresh now and return the new token; see `TokenManager.refresh`."""
        return await self.manager.refresh(self.key)

    async def status(self) -> CredentialStatus:
        """Return the state of the credential; see `TokenManager.status`."""
        return await self.manager.status(self.key)

    def status_sync(self) -> CredentialStatus:
        """Return the same as `status`, blocking this thread."""
        return self.manager.status_sync(self.key)

    async def ping(self) -> None:
        """Return if the store can be reached and read; see `TokenManager.ping`."""
        await self._manager.ping()

    def ping_sync(self) -> None:
        """Do the same as `ping`, blocking this thread."""
        self._manager.ping_sync()

    async def revoke(self) -> bool:
        """End the credential at Atlassian, then delete it here; see `TokenManager.revoke`."""
        return await self.manager.revoke(self.key)

    async def aclose(self) -> None:
        """Finish what is under way and close the store and connections; see `TokenManager.aclose`.

        The end of ``async with`` does the same. A manager that is shared is closed for all, and opens what
        it needs when it is used again.
        """
        await self._manager.aclose()

    def close(self) -> None:
        """Do the same as `aclose`, blocking this thread, as does the end of ``with``."""
        self._manager.close()

    # -- for httpx --------------------------------------------------------------------------------

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Send ``request`` with a fresh bearer, and once more if the bearer has expired meanwhile.

        Raises:
            OriginNotAllowed: before anything is sent, if the request goes elsewhere.
            ConfigurationError: if the API says that this kind of token is not for this address.
            ScopeMismatch: if the API says that the token lacks a scope.
            AtlassianAuthError: as `TokenManager.token` does.
        """
        token = self._current()
        if token is None:
            self._check_origin(request)  # before anything is asked for
            token = await self._manager.token(self._key)
        response = yield self._sign(request, token)
        if not self._may_have_expired(response, token):
            return
        self._check_challenge(response, await beginning(response), token)
        refreshed = await self._manager.token(self._key, rejected=token)
        if refreshed == token or not _is_replayable(request):
            return
        await cut(response)
        response = yield self._sign(request, refreshed)
        self._note_refusal(response, refreshed)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Do the same as `async_auth_flow` in a sync client; only a refresh blocks the thread.

        Raises:
            AtlassianAuthError: as `async_auth_flow` does.
        """
        token = self._current()
        if token is None:
            self._check_origin(request)
            token = self._manager.token_sync(self._key)
        response = yield self._sign(request, token)
        if not self._may_have_expired(response, token):
            return
        self._check_challenge(response, beginning_sync(response), token)
        refreshed = self._manager.token_sync(self._key, rejected=token)
        if refreshed == token or not _is_replayable(request):
            return
        cut_sync(response)
        response = yield self._sign(request, refreshed)
        self._note_refusal(response, refreshed)

    def _sign(self, request: Any, token: Token) -> Any:
        # Checked here, not only before: hooks of the client and other tasks can have changed the URL since.
        self._check_origin(request)
        # Set, not added: exactly one header leaves, whatever placeholder was there. "Bearer" is spelled
        # like this because Data Center compares it case-sensitively.
        request.headers["Authorization"] = _header(token)
        return request

    def _check_origin(self, request: Any) -> None:
        self._origins.check(request.url)

    def _may_have_expired(self, response: Any, token: Token) -> bool:
        if self._answers_anonymously and _was_anonymous(response, token):
            return True
        status = response.status_code
        if status not in _SUSPICIOUS:
            return False
        if status in _PERHAPS_EXPIRED and not self._manager.expired(token):
            return False
        return _was_sent(response, token)

    @staticmethod
    def _check_challenge(response: Any, body: bytes, token: Token) -> None:
        """Return if a 401 may be about expiry; raise what refreshing would not cure."""
        if response.status_code != _UNAUTHORIZED:
            return
        challenge = read_challenge(response.status_code, response.headers, body)
        if challenge is Challenge.SCOPE_MISMATCH:
            required = required_scopes(response.headers, secrets=(token.access_token,))
            raise _scope_mismatch(token, token.missing_scopes(required))
        if challenge is Challenge.OTHER:
            raise ConfigurationError(_MISMATCH)

    def _note_refusal(self, response: Any, refreshed: Token) -> None:
        refused = response.status_code == _UNAUTHORIZED
        if refused or (self._answers_anonymously and _was_anonymous(response, refreshed)):
            self._manager.refused(self._key, refreshed)


def _manager_of(source: object, options: ManagerOptions) -> TokenManager:
    """Return the manager: this one, or one for this grant.

    Raises:
        ConfigurationError: if it is neither, or options were given beside a manager.
    """
    if isinstance(source, Grant):
        return TokenManager(source, **options)
    if not isinstance(source, TokenManager):
        raise _not_a_source(source)
    for argument in options:
        message = (
            f"{argument}= is of no use with a TokenManager, which has its own. Leave it out, or give a grant "
            "in place of the manager."
        )
        raise ConfigurationError(message, argument=argument)
    return source


def _not_a_source(source: object) -> ConfigurationError:
    if isinstance(source, httpx.Auth):
        message = f"{type(source).__name__} is an auth itself: give it to the client, as auth=."
        return ConfigurationError(message, argument="source")
    expected = "a grant such as CloudGrant, or a TokenManager"
    return ConfigurationError.wrong_type("source", expected, source)


def _header(token: Token) -> str:
    return f"Bearer {token.access_token}"


def _was_anonymous(response: Any, token: Token) -> bool:
    # A client that follows redirects has the login page in the end, perhaps on another host.
    return any(
        is_anonymous(answer.status_code, answer.headers, answer.request.url.path)
        and _was_sent(answer, token)
        for answer in (*response.history, response)
    )


def _was_sent(response: Any, token: Token) -> bool:
    # After a redirect to another origin the answer says nothing about our bearer.
    sent: str | None = response.request.headers.get("Authorization")
    return sent == _header(token)


def _is_replayable(request: Any) -> bool:
    # Bytes can be sent again. Iterators are spent, files stand at their end, and httpx would send nothing, or
    # raise, instead of the same body. Told by name, because the request may be httpx's or httpx2's.
    return any(kind.__name__ == "ByteStream" for kind in type(request.stream).__mro__)


def _scope_mismatch(token: Token, missing: tuple[str, ...]) -> ScopeMismatch:
    named = f": {' '.join(missing)}" if missing else ""
    granted = printable(" ".join(token.scopes), 500) or "nothing known"
    message = (
        f"The token lacks a scope this call needs{named}; it was granted: {granted}. Add the scope to the "
        "app's permissions and to scopes=, then authorize again; refreshing would not help."
    )
    return ScopeMismatch(message, granted=token.scopes, missing=missing)
