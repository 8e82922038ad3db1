"""The names of Cortex XSOAR's AtlassianApiModule, async, for those who come from there.

There is no token logic here: an `AtlassianAuth` obtains and renews, an `AuthorizationFlow` lets a person
consent. So what that module is known to get wrong (demisto/content, 2026-08) has no place to be wrong in:

* The state of a callback was never compared. It is required, compared, used once, and sent on-prem as well.
* An answer without a refresh token replaced the stored one by nothing. The previous one stays.
* Two workers refreshed with the same token, and wrote one dictionary without a lock. One exchange serves
  all who share a store, and each key has a record of its own.
* A second start spoiled the first; a PKCE verifier outlived a failed exchange. Each login has its own.
* The connection test asked nobody. It makes a call.
* Bodies of answers were quoted in errors, and HTML ended in an untyped one. See `exceptions`.
* Neither a cloud id nor a server, or both, were taken silently. They are refused.

Source: https://xsoar.pan.dev/docs/reference/scripts/atlassian-api-module
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import MappingProxyType, TracebackType
from typing import ClassVar, Self, TypedDict, Unpack

from atlassian_auth import scopes as presets
from atlassian_auth import sites
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.endpoints import Endpoints, check_secure
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows import AuthorizationFlow, AuthorizationResult
from atlassian_auth.grants import CloudGrant, DataCenterGrant, Grant
from atlassian_auth.manager import DEFAULT_KEY
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
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

_CLOUD = Endpoints.cloud()


class ClientOptions(TypedDict, total=False):
    """What every client and the factory take by keyword; `AtlassianOAuthClient` explains each."""

    store: AnyStore | None
    key: str
    verify: ssl.SSLContext | bool
    proxy: str | bool | None
    clock: Clock


class AtlassianOAuthClient(ABC):
    """One credential of one app: start, complete, and a fresh access token from then on.

    Better than asking for tokens: ``httpx.AsyncClient(auth=client.auth, base_url=client.base_url)``.

    Args:
        grant: The registered app.
        base_url: Where its API is.
        store: Where the credential is kept, such as ``SQLiteStore("tokens.db")``; required.
        key: The credential's name in the store; another one for each instance of an integration.
        verify: TLS verification for the requests made here, as for ``httpx.AsyncClient``.
        proxy: The URL of a proxy for them. Without one, those that the environment names are used; True
            and False, as XSOAR has them, make no difference to that.
        clock: What time it is.

    Raises:
        ConfigurationError: if an argument is wrong, or the store is missing.
    """

    default_scopes: ClassVar[tuple[str, ...]]
    """What is asked for unless ``scopes`` says otherwise."""

    def __init__(
        self,
        grant: Grant,
        base_url: str,
        *,
        store: AnyStore | None = None,
        key: str = DEFAULT_KEY,
        verify: ssl.SSLContext | bool = True,
        proxy: str | bool | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._verify = verify
        self._proxy = proxy if isinstance(proxy, str) else None
        self._clock = clock
        self.base_url: str = base_url
        self.auth: AtlassianAuth = AtlassianAuth(
            grant, store=store, key=key, verify=verify, proxy=self._proxy, clock=clock
        )
        self._flow = AuthorizationFlow(self.auth.manager)

    async def get_access_token(self) -> str:
        """Return a fresh access token, renewed and saved first if need be. Ask again for each page.

        Raises:
            AuthorizationRequired: if nobody has authorized yet (``reason="missing"``), there is nothing
                to renew with (``"no_refresh_token"``), or the grant is lost (``"refused"``).
            AtlassianAuthError: as `TokenManager.token` does.
        """
        return (await self.auth.token()).access_token

    async def oauth2_retrieve_access_token(
        self, code: str = "", refresh_token: str = "", *, code_verifier: str | None = None
    ) -> str:
        """Exchange a code or a refresh token, keep what comes of it, and return the access token.

        Args:
            code: One that was asked for elsewhere, and whose ``state`` was compared there. What
                `oauth_start` asked for belongs to `oauth_complete`.
            refresh_token: One that nobody else uses. The same again changes nothing: its successors stay.
            code_verifier: For a code of Data Center: what its challenge was made from.

        Raises:
            ConfigurationError: before any request, if there are both or neither.
            AtlassianAuthError: as `TokenManager.authorize` and `TokenManager.add` do.
        """
        _check_one("code", code, "refresh_token", refresh_token)
        manager, key = self.auth.manager, self.auth.key
        if code:
            await manager.authorize(key, code, code_verifier=code_verifier)
        else:
            await manager.add(key, refresh_token=refresh_token)
        return await self.get_access_token()

    async def oauth_start(self) -> str:
        """Return the URL of the consent page; its state and verifier wait in the store. Nothing is sent.

        For an operator who opens the URL and completes the login themselves. A web app that sends other
        people there uses `AuthorizationFlow`, with their sessions as ``started_by``.

        Raises:
            StoreError: if they cannot be kept; nothing is left behind.
        """
        return (await self._flow.start(self.auth.key, started_by=None)).url

    async def oauth_complete(self, code: str, *, state: str | None = None) -> AuthorizationResult:
        """Check a callback, exchange its code, and store the token.

        Args:
            code: The callback's code; or, without ``state``, the whole URL the browser came back with.
            state: The callback's state.

        Raises:
            ConfigurationError: before any request, if the state is missing, unknown, used or too old.
            AtlassianAuthError: as `AuthorizationFlow.complete` does.
        """
        if state is None:
            return await self._flow.complete(code, started_by=None)
        return await self._flow.complete(code=code, state=state, started_by=None)

    async def test_connection(self) -> None:
        """Return if the credential works right now: a live call, after a renewal if one is due.

        Raises:
            AuthorizationRequired: if somebody has to authorize: the token was revoked, say.
            SiteNotFound: if it works, but not for this cloud id.
            AtlassianAuthError: as `sites.accessible_resources` (Cloud) and `sites.whoami` do.
        """
        await self._call()

    async def aclose(self) -> None:
        """Finish what is under way and close store and connections; see `TokenManager.aclose`."""
        await self.auth.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def _call(self) -> None: ...


class AtlassianCloudOAuthClient(AtlassianOAuthClient):
    """A 3LO app, for one Cloud site; ``base_url`` is the site's, behind the gateway."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        callback_url: str,
        cloud_id: str,
        *,
        scopes: str | Iterable[str] | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        grant = CloudGrant(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=check_secure(callback_url, argument="callback_url"),
            scopes=self.default_scopes if scopes is None else scopes,
        )
        super().__init__(grant, self._site_url(cloud_id), **options)
        self._cloud_id = cloud_id

    @abstractmethod
    def _site_url(self, cloud_id: str) -> str: ...

    async def _call(self) -> None:
        # Any scope is enough for this list, and it tells a wrong cloud id from a missing permission.
        found = await sites.accessible_resources(
            self.auth, verify=self._verify, proxy=self._proxy, clock=self._clock
        )
        sites.select_site(found, self._cloud_id)


class JiraCloudOAuthClient(AtlassianCloudOAuthClient):
    """Jira Cloud. See `create_atlassian_oauth_client` for the arguments.

    Besides what the XSOAR page lists (``scopes.JIRA_AUDIT_XSOAR``, for apps registered by it) it asks
    for the classic admin scope, like the module itself, which says that the audit log needs it.
    """

    default_scopes: ClassVar[tuple[str, ...]] = presets.JIRA_AUDIT

    def _site_url(self, cloud_id: str) -> str:
        return _CLOUD.jira_url(cloud_id)


class ConfluenceCloudOAuthClient(AtlassianCloudOAuthClient):
    """Confluence Cloud. See `create_atlassian_oauth_client` for the arguments.

    It asks for what the module asks for, which includes writing; ``scopes.CONFLUENCE_AUDIT`` is enough for
    the audit log.
    """

    default_scopes: ClassVar[tuple[str, ...]] = presets.CONFLUENCE_AUDIT_XSOAR

    def _site_url(self, cloud_id: str) -> str:
        return _CLOUD.confluence_url(cloud_id)


class JiraOnPremOAuthClient(AtlassianOAuthClient):
    """An incoming link of Jira Data Center, always with PKCE; ``base_url`` is the server's.

    See `create_atlassian_oauth_client` for the arguments. The audit log wants ``ADMIN``.
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
        **options: Unpack[ClientOptions],
    ) -> None:
        grant = DataCenterGrant(
            check_secure(server_url, argument="server_url"),
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=check_secure(callback_url, argument="callback_url"),
            scopes=self.default_scopes if scopes is None else scopes,
        )
        super().__init__(grant, grant.endpoints.api_url, **options)

    async def _call(self) -> None:
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
    **options: Unpack[ClientOptions],
) -> AtlassianOAuthClient:
    """Return the client for a Cloud site, if there is a cloud id, or else for a Data Center.

    Args:
        client_id: From the app's settings, or the incoming link.
        client_secret: From the same place.
        callback_url: The app's callback URL, to the letter.
        cloud_id: The Cloud site; empty for Data Center.
        server_url: The base URL of Data Center with its context path, with or without a slash at the end;
            empty for Cloud.
        product: ``"jira"`` or ``"confluence"``, in any case. On Data Center it makes no difference, as in
            XSOAR: tokens are had the same way there, but `test_connection` asks Jira.
        scopes: What to ask for. Default: the client's ``default_scopes``.
        options: As for `AtlassianOAuthClient`; ``store`` is required.

    Raises:
        ConfigurationError: if there are both a cloud id and a server, or neither, if the product is
            another, or an argument is wrong.
    """
    cloud_client = _ON_CLOUD.get(str(product).lower())
    if cloud_client is None:
        message = f"product must be jira or confluence, in any case, but is {product!a}."
        raise ConfigurationError(message, argument="product")
    _check_one("cloud_id", cloud_id, "server_url", server_url)
    client, place = (cloud_client, cloud_id) if cloud_id else (JiraOnPremOAuthClient, server_url)
    return client(client_id, client_secret, callback_url, place, scopes=scopes, **options)


create_jira_oauth_client = create_atlassian_oauth_client
"""The same function, by its older name."""


def _check_one(one: str, value: str, other: str, other_value: str) -> None:
    if bool(value) == bool(other_value):
        given = "both are" if value else "neither is"
        message = f"Give either {one} or {other}: {given} given, and exactly one is expected."
        raise ConfigurationError(message, argument=one)
