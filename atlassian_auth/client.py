"""The names of Cortex XSOAR's AtlassianApiModule, as async methods, for code that comes from there.

There is no token logic here: an `AtlassianAuth` obtains and refreshes tokens, an `AuthorizationFlow` lets a
person consent. That avoids the known mistakes of the module (demisto/content, 2026-08):

* The module never compared the state of a callback. Here it is required, compared, used once, and also
  sent to Data Center.
* An answer without a refresh token deleted the stored one. Here the previous one is kept.
* Two workers refreshed with the same token, and wrote one dictionary without a lock. Here all workers of a
  store share one exchange, and each key has its own record.
* A second login broke the first, and a PKCE verifier was kept after a failed exchange. Here each login has
  its own state and verifier.
* The connection test sent no request. Here it makes a call.
* Errors quoted the bodies of answers, and HTML raised an untyped error. See `exceptions`.
* A missing cloud id and server were accepted. Here they are refused.

Source: https://xsoar.pan.dev/docs/reference/scripts/atlassian-api-module
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import ClassVar, TypedDict, Unpack

from atlassian_auth import scopes as presets
from atlassian_auth import sites
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.endpoints import Endpoints, check_secure
from atlassian_auth.events import Event
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows import AuthorizationFlow, AuthorizationResult
from atlassian_auth.grants import CloudGrant, DataCenterGrant, Grant
from atlassian_auth.manager import DEFAULT_KEY
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.ports._runtime.closing import AsyncClosing
from atlassian_auth.settings import Settings
from atlassian_auth.stores.opening import AnyStore

__all__ = [
    "AtlassianCloudOAuthClient",
    "AtlassianOAuthClient",
    "ClientOptions",
    "ConfluenceCloudOAuthClient",
    "JiraCloudOAuthClient",
    "JiraOnPremOAuthClient",
    "create_atlassian_oauth_client",
    "create_jira_oauth_client",
]


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of every client and the factory; `AtlassianOAuthClient` explains each."""

    store: AnyStore | None
    key: str
    verify: ssl.SSLContext | bool
    proxy: str | bool | None
    settings: Settings | None
    allowed_origins: Iterable[str]
    on_event: Callable[[Event], None] | None
    clock: Clock


class AtlassianOAuthClient(AsyncClosing, ABC):
    """One credential of one app: start and complete a login, then get valid access tokens.

    Your code needs no tokens with ``httpx.AsyncClient(auth=client.auth, base_url=client.base_url)``.

    Args:
        grant: The grant of the registered app.
        base_url: The base URL of the API.
        store: The store of the credential, such as ``SQLiteStore("tokens.db")``; required.
        key: The credential's name in the store; another one for each instance of an integration.
        verify: TLS verification for the requests made here, as for ``httpx.AsyncClient``.
        proxy: The URL of a proxy for them. Otherwise, also for True and False, which XSOAR uses, the proxies
            that the environment names are used.
        settings: The buffer, timeouts and pauses, such as ``Settings(buffer_seconds=30)``.
        allowed_origins: Further origins to which the bearer may be sent, as for `AtlassianAuth`.
        on_event: Called with each event, as for `TokenManager`.
        clock: The clock.

    Raises:
        ConfigurationError: if an argument is wrong, or the store is missing.
    """

    default_scopes: ClassVar[tuple[str, ...]]
    """The scopes to request if the argument ``scopes`` is not given."""

    _scopes: tuple[str, ...] | None = None

    def __init__(
        self,
        grant: Grant,
        base_url: str,
        *,
        store: AnyStore | None = None,
        key: str = DEFAULT_KEY,
        verify: ssl.SSLContext | bool = True,
        proxy: str | bool | None = None,
        settings: Settings | None = None,
        allowed_origins: Iterable[str] = (),
        on_event: Callable[[Event], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._verify = verify
        self._proxy = proxy if isinstance(proxy, str) else None
        self._clock = clock
        self.base_url: str = base_url
        self.auth: AtlassianAuth = AtlassianAuth(
            grant,
            store=store,
            key=key,
            verify=verify,
            proxy=self._proxy,
            settings=settings,
            allowed_origins=allowed_origins,
            on_event=on_event,
            clock=clock,
        )
        self._flow = AuthorizationFlow(self.auth.manager)

    @property
    def client_id(self) -> str:
        """The client id of the registered app."""
        return self.auth.manager.grant.client_id

    @property
    def callback_url(self) -> str:
        """The app's callback URL."""
        return self.auth.manager.grant.redirect_uri or ""

    @property
    def cloud_id(self) -> str:
        """The Cloud site; empty for Data Center."""
        return ""

    def get_oauth_scopes(self) -> list[str]:
        """Return the scopes to request: the argument ``scopes``, or else the ``default_scopes``.

        A subclass may override it, as in XSOAR.
        """
        return list(self.default_scopes if self._scopes is None else self._scopes)

    async def get_access_token(self) -> str:
        """Return a valid access token, refreshed and saved first if needed. Call it again for each page.

        Raises:
            AuthorizationRequired: if no person has authorized yet (``reason="missing"``), there is no refresh
                token (``"no_refresh_token"``), or the consent is lost (``"refused"``).
            AtlassianAuthError: as `TokenManager.token` does.
        """
        return (await self.auth.token()).access_token

    async def oauth2_retrieve_access_token(
        self, code: str = "", refresh_token: str = "", *, code_verifier: str | None = None
    ) -> str:
        """Exchange a code or a refresh token, save the token, and return the access token.

        Args:
            code: A code from another login, whose ``state`` your code has compared. Give the code of
                `oauth_start` to `oauth_complete`.
            refresh_token: A refresh token that no other program uses. Giving it again changes nothing.
            code_verifier: The PKCE verifier, for a code of Data Center.

        Raises:
            ConfigurationError: before any request, if both or neither are given.
            AtlassianAuthError: as `TokenManager.authorize` and `TokenManager.add` do.
        """
        _check_exactly_one("code", code, "refresh_token", refresh_token)
        manager, key = self.auth.manager, self.auth.key
        if code:
            await manager.authorize(key, code, code_verifier=code_verifier)
        else:
            await manager.add(key, refresh_token=refresh_token)
        return await self.get_access_token()

    async def oauth_start(self) -> str:
        """Return the URL of the consent page, and store the login's state and verifier. Nothing is sent.

        For an operator who opens the URL and completes the login themselves. A web app for other people uses
        `AuthorizationFlow`, with their sessions as ``started_by``.

        Raises:
            StoreError: if the login cannot be stored.
        """
        return (await self._flow.start(self.auth.key, started_by=None)).url

    async def oauth_complete(self, code: str, *, state: str | None = None) -> AuthorizationResult:
        """Check a callback, exchange its code, and store the token.

        Args:
            code: The callback's code; without ``state``, the whole callback URL.
            state: The callback's state.

        Raises:
            ConfigurationError: before any request, if the state is missing, unknown, used or too old.
            AtlassianAuthError: as `AuthorizationFlow.complete` does.
        """
        if state is None:
            return await self._flow.complete(code, started_by=None)
        return await self._flow.complete(code=code, state=state, started_by=None)

    async def test_connection(self) -> None:
        """Make a live call, after a refresh if one is due, and raise unless it succeeds.

        Raises:
            AuthorizationRequired: if a person has to authorize, for example because the token was revoked.
            SiteNotFound: if the token works, but not for this cloud id.
            AtlassianAuthError: as `sites.accessible_resources` (Cloud) and `sites.whoami` do.
        """
        await self._make_test_call()

    async def aclose(self) -> None:
        """Wait for exchanges under way, then close the store and connections; see `TokenManager.aclose`."""
        await self.auth.aclose()

    @abstractmethod
    async def _make_test_call(self) -> None: ...


class AtlassianCloudOAuthClient(AtlassianOAuthClient):
    """A 3LO app, for one Cloud site; ``base_url`` is that of the site behind the gateway."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        callback_url: str,
        cloud_id: str,
        *,
        scopes: str | Iterable[str] | None = None,
        endpoints: Endpoints | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._scopes = None if scopes is None else presets.parse_scopes(scopes)
        self._cloud_id = cloud_id
        endpoints = Endpoints.cloud() if endpoints is None else endpoints
        allow_http = endpoints.allow_insecure_http
        grant = CloudGrant(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=check_secure(callback_url, argument="callback_url", allow_http=allow_http),
            scopes=self.get_oauth_scopes(),
            endpoints=endpoints,
        )
        super().__init__(grant, self._site_url(endpoints), **options)

    @property
    def cloud_id(self) -> str:
        """The Cloud site."""
        return self._cloud_id

    @abstractmethod
    def _site_url(self, endpoints: Endpoints) -> str: ...

    async def _make_test_call(self) -> None:
        # This list needs no particular scope, so a failure is not a missing permission.
        found = await sites.accessible_resources(
            self.auth,
            endpoints=self.auth.manager.grant.endpoints,
            verify=self._verify,
            proxy=self._proxy,
            clock=self._clock,
        )
        sites.select_site(found, self._cloud_id)


class JiraCloudOAuthClient(AtlassianCloudOAuthClient):
    """Jira Cloud. See `create_atlassian_oauth_client` for the arguments.

    It requests the scopes that the module requests. Those are more than the module's page lists
    (``scopes.JIRA_AUDIT_XSOAR_PAGE``, for apps registered according to that page).
    """

    default_scopes: ClassVar[tuple[str, ...]] = presets.JIRA_AUDIT_XSOAR

    def _site_url(self, endpoints: Endpoints) -> str:
        return endpoints.jira_url(self.cloud_id)


class ConfluenceCloudOAuthClient(AtlassianCloudOAuthClient):
    """Confluence Cloud. See `create_atlassian_oauth_client` for the arguments.

    It requests the scopes that the module requests, which allow writing and deleting;
    ``scopes.CONFLUENCE_AUDIT`` is enough for the audit log.
    """

    default_scopes: ClassVar[tuple[str, ...]] = presets.CONFLUENCE_AUDIT_XSOAR

    def _site_url(self, endpoints: Endpoints) -> str:
        return endpoints.confluence_url(self.cloud_id)


class JiraOnPremOAuthClient(AtlassianOAuthClient):
    """An incoming link of Jira Data Center, always with PKCE; ``base_url`` is the server's.

    See `create_atlassian_oauth_client` for the arguments. The audit log needs ``ADMIN``.
    """

    default_scopes: ClassVar[tuple[str, ...]] = presets.DATA_CENTER_ADMIN

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        callback_url: str,
        server_url: str,
        *,
        scopes: str | Iterable[str] | None = None,
        allow_insecure_http: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._scopes = None if scopes is None else presets.parse_scopes(scopes)
        grant = DataCenterGrant(
            check_secure(server_url, argument="server_url", allow_http=allow_insecure_http),
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=check_secure(
                callback_url, argument="callback_url", allow_http=allow_insecure_http
            ),
            scopes=self.get_oauth_scopes(),
            allow_insecure_http=allow_insecure_http,
        )
        super().__init__(grant, grant.endpoints.api_url, **options)

    @property
    def server_url(self) -> str:
        """The server's base URL, without a trailing slash."""
        return self.base_url

    async def _make_test_call(self) -> None:
        await sites.whoami(
            self.auth,
            base_url=self.base_url,
            verify=self._verify,
            proxy=self._proxy,
            clock=self._clock,
        )


_ON_CLOUD = MappingProxyType(
    {"confluence": ConfluenceCloudOAuthClient, "jira": JiraCloudOAuthClient}
)


def create_atlassian_oauth_client(
    client_id: str,
    client_secret: str,
    callback_url: str,
    cloud_id: str = "",
    server_url: str = "",
    *,
    product: str = "jira",
    scopes: str | Iterable[str] | None = None,
    endpoints: Endpoints | None = None,
    allow_insecure_http: bool = False,
    **options: Unpack[ClientOptions],
) -> AtlassianOAuthClient:
    """Return the client for a Cloud site if there is a cloud id, or else for a Data Center.

    Args:
        client_id: From the app's settings, or the incoming link.
        client_secret: From the same page.
        callback_url: Exactly the app's callback URL.
        cloud_id: The Cloud site; empty for Data Center.
        server_url: The base URL of Data Center with its context path, with or without a trailing slash.
            Ignored if there is a cloud id, as in XSOAR, whose collectors then give the site's URL.
        product: ``"jira"`` or ``"confluence"``, in any case. Ignored on Data Center, as in XSOAR: both
            products issue tokens in the same way, but `test_connection` calls Jira.
        scopes: The scopes to request. Default: the client's ``default_scopes``.
        endpoints: The endpoints of the cloud, such as ``Endpoints.government()``; for a Cloud site only.
        allow_insecure_http: Accept plain http to hosts other than loopback, for the server and the callback
            URL; for Data Center only. Anyone on the network path can then read the secrets.
        options: As for `AtlassianOAuthClient`; ``store`` is required.

    Raises:
        ConfigurationError: if there is neither a cloud id nor a server, if the product is another, or an
            argument is wrong or belongs to the other kind of client.
    """
    on_cloud = _ON_CLOUD.get(str(product).lower())
    if on_cloud is None:
        message = f"product must be jira or confluence, in any case, but is {product!a}."
        raise ConfigurationError(message, argument="product")
    app = (client_id, client_secret, callback_url)
    if cloud_id:
        _check_not_given("allow_insecure_http", allow_insecure_http, "a Cloud site")
        return on_cloud(*app, cloud_id, scopes=scopes, endpoints=endpoints, **options)
    if not server_url:
        message = "Give cloud_id for a Cloud site or server_url for a Data Center: both are empty."
        raise ConfigurationError(message, argument="cloud_id")
    _check_not_given("endpoints", endpoints, "a Data Center")
    return JiraOnPremOAuthClient(
        *app, server_url, scopes=scopes, allow_insecure_http=allow_insecure_http, **options
    )


create_jira_oauth_client = create_atlassian_oauth_client
"""The same function, by its older name."""


def _check_not_given(argument: str, value: object, place: str) -> None:
    if value:
        message = f"{argument} does not apply to {place}: leave it out, or check cloud_id."
        raise ConfigurationError(message, argument=argument)


def _check_exactly_one(one: str, value: str, other: str, other_value: str) -> None:
    if bool(value) == bool(other_value):
        given = "both are" if value else "neither is"
        message = f"Give either {one} or {other}: {given} given, but exactly one is expected."
        raise ConfigurationError(message, argument=one)
