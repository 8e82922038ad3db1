"""Credentials that are never refreshed, such as API tokens: for ``auth=``, and sent to their origins only.

A 401 is returned to the caller, unless the answer says what is wrong: then an error says it too.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from typing import Any, NoReturn, Self

from atlassian_auth._tokens.http.httpx_auth import HttpxAuth
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.origins import NOWHERE, Origins, Target, read_origins, target_of
from atlassian_auth._tokens.http.refusal import beginning, beginning_sync
from atlassian_auth.endpoints import Endpoints, check_secure, origin_of
from atlassian_auth.exceptions import ConfigurationError, OriginNotAllowed, ScopeMismatch
from atlassian_auth.protocol._challenges import Challenge, read_challenge, required_scopes
from atlassian_auth.protocol.confidential import Confidential
from atlassian_auth.protocol.sites import site_url
from atlassian_auth.protocol.tokens import is_visible_ascii

__all__ = [
    "ApiToken",
    "AuthRouter",
    "FixedCredential",
    "OrganizationApiKey",
    "PersonalAccessToken",
    "ServiceAccountToken",
    "StaticToken",
]

# The causes of FAILURE_CLIENT_AUTH_MISMATCH in field reports (2026-08); Atlassian does not document it.
_MISMATCH = (
    "The API refused this kind of credential (FAILURE_CLIENT_AUTH_MISMATCH). An API token without scopes "
    "works on https://SITE.atlassian.net only. An API token with scopes, a service account's token and an "
    "OAuth token work on https://api.atlassian.com/ex/... only. The email must be that of the token's owner."
)


class FixedCredential(HttpxAuth, Confidential):
    """Sends the same ``Authorization`` header with each request, to its origins only.

    Args:
        header: The value of ``Authorization``.
        origins: The origins to which it may be sent.
        allowed: Further URLs, given by the user, to whose origins it may be sent.
    """

    _origins = NOWHERE
    _origins_argument = "allowed_origins"  # the argument that an error names

    def __init__(self, header: str, origins: Iterable[str], allowed: Iterable[str]) -> None:
        self._header = header
        self._origins = Origins(
            {*origins, *read_origins(allowed, argument="allowed_origins")},
            argument=self._origins_argument,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(origins={list(self._origins.names)})"

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Send ``request`` with the credential.

        Raises:
            OriginNotAllowed: if the request goes to another origin; nothing is sent.
            ScopeMismatch: if the API says that the token lacks a scope.
            ConfigurationError: if the API says that it does not accept this kind of credential.
        """
        response = yield self._sign(request)
        if self._was_refused(response):
            self._raise_reason(response, await beginning(response))

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Do the same as `async_auth_flow` in a sync client.

        Raises:
            AtlassianAuthError: as `async_auth_flow` does.
        """
        response = yield self._sign(request)
        if self._was_refused(response):
            self._raise_reason(response, beginning_sync(response))

    def _sign(self, request: Any) -> Any:
        self._origins.check(request.url)
        # Set, not added, so that exactly one header is sent.
        request.headers["Authorization"] = self._header
        return request

    def _was_refused(self, response: Any) -> bool:
        # After a redirect to another origin httpx has dropped the header, so the answer does not concern it.
        sent: str | None = response.request.headers.get("Authorization")
        return response.status_code == 401 and sent == self._header

    def _raise_reason(self, response: Any, body: bytes) -> None:
        challenge = read_challenge(response.status_code, response.headers, body)
        if challenge is Challenge.OTHER:
            raise ConfigurationError(_MISMATCH)
        if challenge is Challenge.SCOPE_MISMATCH:
            secrets = _secrets_in(self._header)
            raise _scope_mismatch(required_scopes(response.headers, secrets=secrets))


class ApiToken(FixedCredential):
    """An API token of a person's Atlassian account, without scopes, for the site's own address.

    Source: https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account

    Args:
        email: The email address of the account that made the token.
        token: The API token; it expires after at most a year.
        site: The Cloud site: its name, host or URL.
        allowed_origins: Further origins to which it may be sent.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self, email: str, token: str, *, site: str, allowed_origins: Iterable[str] = ()
    ) -> None:
        super().__init__(_basic(email, token), {site_url(site)}, allowed_origins)

    @classmethod
    def scoped(
        cls,
        email: str,
        token: str,
        *,
        endpoints: Endpoints | None = None,
        allowed_origins: Iterable[str] = (),
    ) -> Self:
        """Return the auth for an API token with scopes, which works behind the gateway only.

        Use it with `Endpoints.jira_url` and `Endpoints.confluence_url`. Source: the same page.

        Raises:
            ConfigurationError: if an argument is wrong; the error names it.
        """
        auth = cls.__new__(cls)
        FixedCredential.__init__(
            auth, _basic(email, token), _api_origin(endpoints), allowed_origins
        )
        return auth


class ServiceAccountToken(FixedCredential):
    """An API token of a service account: for the gateway.

    Sources disagree about its scheme (2026-08): some send ``Bearer``, others ``Basic`` with the account's
    address at ``serviceaccount.atlassian.com``. Without ``email`` the scheme is ``Bearer``.

    Args:
        token: The API token.
        email: The service account's email address, to send ``Basic``.
        endpoints: The endpoints of the cloud.
        allowed_origins: Further origins to which it may be sent.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self,
        token: str,
        *,
        email: str | None = None,
        endpoints: Endpoints | None = None,
        allowed_origins: Iterable[str] = (),
    ) -> None:
        header = _bearer(token) if email is None else _basic(email, token)
        super().__init__(header, _api_origin(endpoints), allowed_origins)


class OrganizationApiKey(FixedCredential):
    """An API key of an organization: for the admin API behind ``https://api.atlassian.com/admin/``.

    Source: https://developer.atlassian.com/cloud/admin/organization/rest/intro/

    Args:
        key: The API key.
        endpoints: The endpoints of the cloud.
        allowed_origins: Further origins to which it may be sent.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self, key: str, *, endpoints: Endpoints | None = None, allowed_origins: Iterable[str] = ()
    ) -> None:
        super().__init__(_bearer(key, argument="key"), _api_origin(endpoints), allowed_origins)


class PersonalAccessToken(FixedCredential):
    """A personal access token of Data Center (Jira 8.14, Confluence 7.9 and later).

    Source: https://confluence.atlassian.com/enterprise/using-personal-access-tokens-1026032365.html

    Args:
        base_url: The instance's base URL, such as ``https://host/jira``.
        token: The personal access token.
        allow_insecure_http: Accept plain http to hosts other than loopback.
        allowed_origins: Further origins to which it may be sent.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        allow_insecure_http: bool = False,
        allowed_origins: Iterable[str] = (),
    ) -> None:
        endpoints = Endpoints.data_center(base_url, allow_http=allow_insecure_http)
        super().__init__(_bearer(token), _api_origin(endpoints), allowed_origins)


class StaticToken(FixedCredential):
    """A bearer from elsewhere, such as an OAuth access token that another program obtained.

    Args:
        access_token: The bearer.
        origins: Where it may be sent, such as ``["https://jira.example.com"]``; at least one.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    _origins_argument = "origins"

    def __init__(self, access_token: str, *, origins: Iterable[str]) -> None:
        read = read_origins(origins, argument="origins")
        if not read:
            message = 'must name at least one origin: origins=["https://jira.example.com"]'
            _refuse("origins", message)
        super().__init__(_bearer(access_token, argument="access_token"), read, ())


class AuthRouter(HttpxAuth, Confidential):
    """Selects the credential by the request's URL: one client for several servers and credentials.

    Each auth checks the origin again, so a wrong table cannot send a credential to another server.

    Args:
        auths: The auth for each origin, such as ``"https://jira.example.com"``. Credentials with the same
            origin need a path, such as ``"https://api.atlassian.com/admin"``: the longest path that begins
            the request's path is used, whole segments only.

    Raises:
        ConfigurationError: if there is no auth, a URL is malformed, insecure, named twice or has a query, or
            a value is not an ``httpx.Auth``.
    """

    _urls: tuple[str, ...] = ()
    _kinds: tuple[type, ...] = (httpx.Auth,)
    _accepted = "httpx.Auth"

    def __init__(self, auths: Mapping[str, httpx.Auth]) -> None:
        by_url: dict[tuple[str, str], httpx.Auth] = {}
        for url, auth in auths.items():
            url_parts = _origin_and_path(url)
            if url_parts in by_url or not isinstance(auth, self._kinds):
                _refuse("auths", f"must name {''.join(url_parts)} once, with one {self._accepted}")
            by_url[url_parts] = auth
        if not by_url:
            _refuse("auths", 'must name an origin: {"https://jira.example.com": auth}')
        self._urls = tuple(sorted("".join(url_parts) for url_parts in by_url))
        origins = {origin for origin, _path in by_url}
        self._origins = Origins(origins, remedy="name the origin in the router")
        self._auths: dict[Target, list[tuple[str, httpx.Auth]]] = {}
        for (origin, path), auth in sorted(by_url.items(), key=_path_length, reverse=True):
            self._auths.setdefault(target_of(httpx.URL(origin)), []).append((f"{path}/", auth))

    def __repr__(self) -> str:
        return f"AuthRouter({list(self._urls)})"

    def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Return the flow of the auth for this URL.

        Raises:
            OriginNotAllowed: if there is none.
        """
        return self._auth_for(request).async_auth_flow(request)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Return the flow of the auth for this URL.

        Raises:
            OriginNotAllowed: if there is none.
        """
        return self._auth_for(request).sync_auth_flow(request)

    def _auth_for(self, request: Any) -> httpx.Auth:
        self._origins.check(request.url)
        path = request.url.path
        # A server may decode and follow "%2e%2e", so it is unknown which resource such a path names.
        for prefix, auth in self._auths[target_of(request.url)] if _is_plain(path) else ():
            if f"{path}/".startswith(prefix):
                return auth
        origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        message = (
            f"The router has no auth for this path of {origin}; it has auths for {', '.join(self._urls)}. "
            "Nothing was sent. Name the path in the router, or send the request to a path without '..'."
        )
        raise OriginNotAllowed(message, origin=origin, allowed=self._origins.names)


def _scope_mismatch(missing: tuple[str, ...]) -> ScopeMismatch:
    message = (
        f"The token lacks a scope this call needs{f': {chr(32).join(missing)}' if missing else ''}. A "
        "token's scopes are chosen when it is created: create another one with this scope."
    )
    return ScopeMismatch(message, missing=missing)


def _secrets_in(header: str) -> tuple[str, ...]:
    scheme, _, value = header.partition(" ")
    token = b64decode(value).decode().partition(":")[2] if scheme == "Basic" else value
    return value, token


def _api_origin(endpoints: Endpoints | None) -> set[str]:
    return {origin_of((Endpoints.cloud() if endpoints is None else endpoints).api_url)}


def _origin_and_path(url: str) -> tuple[str, str]:
    origin = origin_of(check_secure(url, argument="auths"))
    if "?" in url:
        _refuse("auths", f"must name origins and paths only, such as {origin}: remove the query")
    return origin, httpx.URL(url).path.rstrip("/")


def _path_length(entry: tuple[tuple[str, str], httpx.Auth]) -> int:
    (_origin, path), _auth = entry
    return len(path)


def _is_plain(path: str) -> bool:
    return ".." not in path.replace("\\", "/").split("/")


def _bearer(token: str, *, argument: str = "token") -> str:
    return f"Bearer {_check_secret(token, argument)}"


def _basic(email: str, token: str) -> str:
    # RFC 7617 section 2: no colon and no control character in the user-id. The most common mistake is to give
    # the token in place of the email.
    if not _is_email(email):
        _refuse("email", "must be the email address of the account, without colon and spaces")
    pair = f"{email}:{_check_secret(token, 'token')}"
    return f"Basic {b64encode(pair.encode()).decode('ascii')}"


def _is_email(text: object) -> bool:
    return isinstance(text, str) and "@" in text and text.isprintable() and not {*": "} & {*text}


def _check_secret(secret: str, argument: str) -> str:
    if not is_visible_ascii(secret):
        _refuse(
            argument,
            "must be non-empty visible ASCII: copy it again, without spaces and line breaks",
        )
    return secret


def _refuse(argument: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{argument} {message}", argument=argument)
