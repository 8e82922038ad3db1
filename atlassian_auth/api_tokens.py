"""Credentials that are not OAuth, behind the same ``auth=`` and the same rules about where they go.

They are never refreshed, so a 401 is the caller's, unless it says what is wrong: then it is an error
that says so too.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from typing import NoReturn, Self

import httpx

from atlassian_auth._http.origins import NOWHERE, Origins, Target, read_origins, target_of
from atlassian_auth._http.refusal import beginning, beginning_sync
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

_CLOUD = Endpoints.cloud()

# What field reports found behind FAILURE_CLIENT_AUTH_MISMATCH (2026-08); Atlassian documents none of it.
_MISMATCH = (
    "The API refused this kind of credential (FAILURE_CLIENT_AUTH_MISMATCH): an API token without scopes "
    "works on https://SITE.atlassian.net only, one with scopes, a service account's and OAuth's behind "
    "https://api.atlassian.com/ex/... only; and the email must be that of the token's owner."
)


class FixedCredential(httpx.Auth, Confidential):
    """Sends one header, the same each time, to its origins only: what the credentials here have in common.

    Args:
        header: The value of ``Authorization``.
        origins: Where it may go.
        allowed: Where it may go besides, as the user named it.
    """

    _origins = NOWHERE
    _names_origins = "allowed_origins"  # the argument that an error advises

    def __init__(self, header: str, origins: Iterable[str], allowed: Iterable[str]) -> None:
        self._header = header
        self._origins = Origins(
            {*origins, *read_origins(allowed, argument="allowed_origins")},
            argument=self._names_origins,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(origins={list(self._origins.names)})"

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` with the credential.

        Raises:
            OriginNotAllowed: before anything is sent, if the request goes elsewhere.
            ScopeMismatch: if the API says that the token lacks a scope.
            ConfigurationError: if the API says that this kind of credential is not for this host.
        """
        response = yield self._signed(request)
        if self._was_refused(response):
            self._explain(response, await beginning(response))

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Do the same as `async_auth_flow` in a sync client.

        Raises:
            AtlassianAuthError: as `async_auth_flow` does.
        """
        response = yield self._signed(request)
        if self._was_refused(response):
            self._explain(response, beginning_sync(response))

    def _signed(self, request: httpx.Request) -> httpx.Request:
        self._origins.check(request.url)
        # Set, not added: exactly one header leaves, whatever placeholder was there.
        request.headers["Authorization"] = self._header
        return request

    def _was_refused(self, response: httpx.Response) -> bool:
        # After a redirect to another origin the answer says nothing about our credential.
        sent: str | None = response.request.headers.get("Authorization")
        return response.status_code == 401 and sent == self._header

    def _explain(self, response: httpx.Response, body: bytes) -> None:
        challenge = read_challenge(response.status_code, response.headers, body)
        if challenge is Challenge.OTHER:
            raise ConfigurationError(_MISMATCH)
        if challenge is Challenge.SCOPE_MISMATCH:
            secrets = _secrets_in(self._header)
            raise _scope_mismatch(required_scopes(response.headers, secrets=secrets))


class ApiToken(FixedCredential):
    """An API token of a person's Atlassian account, without scopes: for the site's own address.

    Source: https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account

    Args:
        email: The email address of the account that made the token.
        token: The API token; it ends after a year at the latest.
        site: The Cloud site it is used on: its name, host or URL.
        allowed_origins: Where it may go besides.

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
        endpoints: Endpoints = _CLOUD,
        allowed_origins: Iterable[str] = (),
    ) -> Self:
        """Return the auth for an API token with scopes, which works behind the gateway only.

        Use it with `Endpoints.jira_url` and `Endpoints.confluence_url`. Source: the same page.

        Raises:
            ConfigurationError: if an argument is wrong; the error names it.
        """
        auth = cls.__new__(cls)
        FixedCredential.__init__(auth, _basic(email, token), _gateway(endpoints), allowed_origins)
        return auth


class ServiceAccountToken(FixedCredential):
    """An API token of a service account: for the gateway.

    Sources disagree about its scheme (2026-08): tools send ``Bearer``, others ``Basic`` with the
    account's address at ``serviceaccount.atlassian.com``. Without ``email`` it is ``Bearer``.

    Args:
        token: The API token.
        email: The service account's email address, to send ``Basic``.
        endpoints: Whose gateway.
        allowed_origins: Where it may go besides.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self,
        token: str,
        *,
        email: str | None = None,
        endpoints: Endpoints = _CLOUD,
        allowed_origins: Iterable[str] = (),
    ) -> None:
        header = _bearer(token) if email is None else _basic(email, token)
        super().__init__(header, _gateway(endpoints), allowed_origins)


class OrganizationApiKey(FixedCredential):
    """An API key of an organization: for the admin API behind ``https://api.atlassian.com/admin/``.

    Source: https://developer.atlassian.com/cloud/admin/organization/rest/intro/

    Args:
        key: The API key.
        endpoints: Whose gateway.
        allowed_origins: Where it may go besides.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    def __init__(
        self, key: str, *, endpoints: Endpoints = _CLOUD, allowed_origins: Iterable[str] = ()
    ) -> None:
        super().__init__(_bearer(key, argument="key"), _gateway(endpoints), allowed_origins)


class PersonalAccessToken(FixedCredential):
    """A personal access token of Data Center (Jira 8.14, Confluence 7.9 and later).

    Source: https://confluence.atlassian.com/enterprise/using-personal-access-tokens-1026032365.html

    Args:
        base_url: The instance's base URL, such as ``https://host/jira``.
        token: The personal access token.
        allow_insecure_http: Accept plain http to hosts other than loopback.
        allowed_origins: Where it may go besides.

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
        super().__init__(_bearer(token), _gateway(endpoints), allowed_origins)


class StaticToken(FixedCredential):
    """A bearer from elsewhere, such as an OAuth access token that another program obtained.

    Args:
        access_token: The bearer.
        origins: Where it may go, such as ``["https://jira.example.com"]``; at least one.

    Raises:
        ConfigurationError: if an argument is wrong; the error names it.
    """

    _names_origins = "origins"

    def __init__(self, access_token: str, *, origins: Iterable[str]) -> None:
        read = read_origins(origins, argument="origins")
        if not read:
            message = 'must name where the token may go: origins=["https://jira.example.com"]'
            _refuse("origins", message)
        super().__init__(_bearer(access_token, argument="access_token"), read, ())


class AuthRouter(httpx.Auth, Confidential):
    """Picks the credential by the URL of the request: one client, several servers, several credentials.

    Each auth checks the origin too, so none can be sent to a server it is not for by a wrong table.

    Args:
        auths: For each origin, such as ``"https://jira.example.com"``, its auth. Credentials that share an
            origin are told apart by the path, such as ``"https://api.atlassian.com/admin"``: the longest
            that the request's path begins with counts, whole segments only.

    Raises:
        ConfigurationError: if there is none, a URL is malformed, insecure, or named twice, or has a query,
            or something is not an ``httpx.Auth``.
    """

    _places: tuple[str, ...] = ()

    def __init__(self, auths: Mapping[str, httpx.Auth]) -> None:
        by_place: dict[tuple[str, str], httpx.Auth] = {}
        for url, auth in auths.items():
            place = _place(url)
            if place in by_place or not isinstance(auth, httpx.Auth):
                _refuse("auths", f"must name {''.join(place)} once, with one httpx.Auth")
            by_place[place] = auth
        if not by_place:
            _refuse("auths", 'must name an origin: {"https://jira.example.com": auth}')
        self._places = tuple(sorted("".join(place) for place in by_place))
        origins = {origin for origin, _path in by_place}
        self._origins = Origins(origins, remedy="name the origin in the router")
        self._auths: dict[Target, list[tuple[str, httpx.Auth]]] = {}
        for (origin, path), auth in sorted(by_place.items(), key=_length_of_path, reverse=True):
            self._auths.setdefault(target_of(httpx.URL(origin)), []).append((f"{path}/", auth))

    def __repr__(self) -> str:
        return f"AuthRouter({list(self._places)})"

    def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Return the flow of the auth for this URL.

        Raises:
            OriginNotAllowed: if there is none.
        """
        return self._auth_for(request).async_auth_flow(request)

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Return the flow of the auth for this URL.

        Raises:
            OriginNotAllowed: if there is none.
        """
        return self._auth_for(request).sync_auth_flow(request)

    def _auth_for(self, request: httpx.Request) -> httpx.Auth:
        self._origins.check(request.url)
        path = request.url.path
        # A server may decode and follow "%2e%2e", so such a path says nothing about where it leads.
        for prefix, auth in self._auths[target_of(request.url)] if _is_plain(path) else ():
            if f"{path}/".startswith(prefix):
                return auth
        origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
        message = (
            f"The router has no auth for this path of {origin}; it has auths for {', '.join(self._places)}. "
            "Nothing was sent. Name the path in the router, or send the request to a path without '..'."
        )
        raise OriginNotAllowed(message, origin=origin, allowed=self._origins.names)


def _scope_mismatch(missing: tuple[str, ...]) -> ScopeMismatch:
    message = (
        f"The token lacks a scope this call needs{f': {chr(32).join(missing)}' if missing else ''}. A "
        "token's scopes are chosen when it is made: make another one with this scope."
    )
    return ScopeMismatch(message, missing=missing)


def _secrets_in(header: str) -> tuple[str, ...]:
    scheme, _, value = header.partition(" ")
    token = b64decode(value).decode().partition(":")[2] if scheme == "Basic" else value
    return value, token


def _gateway(endpoints: Endpoints) -> set[str]:
    return {origin_of(endpoints.api_url)}


def _place(url: str) -> tuple[str, str]:
    origin = origin_of(check_secure(url, argument="auths"))
    if "?" in url:
        _refuse("auths", f"must name origins and paths only, such as {origin}: remove the query")
    return origin, httpx.URL(url).path.rstrip("/")


def _length_of_path(entry: tuple[tuple[str, str], httpx.Auth]) -> int:
    (_origin, path), _auth = entry
    return len(path)


def _is_plain(path: str) -> bool:
    return ".." not in path.replace("\\", "/").split("/")


def _bearer(token: str, *, argument: str = "token") -> str:
    return f"Bearer {_checked(token, argument)}"


def _basic(email: str, token: str) -> str:
    # RFC 7617 section 2: no colon and no control character in the user-id. The commonest mistake is a
    # token in the place of the email.
    if not _is_email(email):
        _refuse("email", "must be the email address of the account, without colon and spaces")
    pair = f"{email}:{_checked(token, 'token')}"
    return f"Basic {b64encode(pair.encode()).decode('ascii')}"


def _is_email(text: object) -> bool:
    return isinstance(text, str) and "@" in text and text.isprintable() and not {*": "} & {*text}


def _checked(secret: str, argument: str) -> str:
    if not is_visible_ascii(secret):
        _refuse(
            argument,
            "must be non-empty visible ASCII: copy it again, without spaces and line breaks",
        )
    return secret


def _refuse(argument: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{argument} {message}", argument=argument)
