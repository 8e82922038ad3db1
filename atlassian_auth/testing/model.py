"""The emulated Atlassian, with the methods that a test uses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from atlassian_auth.ports import Clock
from atlassian_auth.testing import _cloud_tokens as cloud_tokens
from atlassian_auth.testing import _dc_tokens as dc_tokens
from atlassian_auth.testing._names import check_name
from atlassian_auth.testing._world import World
from atlassian_auth.testing.apps import CLOUD_SCOPES, App, Product, Site
from atlassian_auth.testing.audit import AuditEvent, AuditLog
from atlassian_auth.testing.clock import ManualClock
from atlassian_auth.testing.emulator import Emulator
from atlassian_auth.testing.ledger import Family, Ledger
from atlassian_auth.testing.rules import Rules
from atlassian_auth.testing.urls import Urls

__all__ = ["FakeAtlassian", "IssuedTokens"]

_CREDENTIALS = ("jira_software", "service_account", "data_center_service_account")
_REDIRECT_URI = "http://127.0.0.1:8765/callback"


class IssuedTokens(NamedTuple):
    """The tokens of a consent."""

    access_token: str
    """The bearer."""

    refresh_token: str
    """For one refresh."""


class FakeAtlassian(Emulator):
    """Atlassian in memory: Cloud and Data Center, tokens, sites, APIs, audit log.

    Nothing needs to be registered: one app of each kind and one site, ``acme``, exist from the start. The
    authorize page consents at once.

    It answers through `handle`; ``mock_router`` connects it to httpx, ``LoopbackServer`` serves it on a port.
    Every secret starts with ``secret-``, so that a test can search for leaks.

    Args:
        clock: The clock of the servers. Default: a `ManualClock`.
        rules: Lifetimes and leeways. Default: Atlassian's.
        data_center_url: The base URL of Data Center, with its context path.

    Attributes:
        clock: The clock of the servers.
        rules: Lifetimes and leeways; a test may change them.
        urls: The URLs of the services.
        cloud_id: The cloud id of ``acme``.
        cloud_app: A 3LO app of Cloud.
        data_center_app: An incoming link of Data Center.
        jira_software_app: Client credentials for the APIs of builds and deployments.
        service_account_app: Client credentials of a service account of Cloud.
        data_center_service_account_app: Client credentials of a service account of Data Center.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        rules: Rules | None = None,
        data_center_url: str = "https://jira.example.com/jira",
    ) -> None:
        self.clock: Clock = ManualClock() if clock is None else clock
        self.rules: Rules = rules or Rules()
        world = World(self.clock, self.rules, Ledger(self.rules), AuditLog(self.clock.time))
        super().__init__(world, Urls.atlassian(data_center_url))
        self.cloud_app: App = self.register_cloud_app("cloud-app")
        self.data_center_app: App = self.register_data_center_app("data-center-app")
        self.jira_software_app: App = self.register_2lo("jira_software", "jira-software-app")
        self.service_account_app: App = self.register_2lo(
            "service_account", "service-account-app", scopes=CLOUD_SCOPES
        )
        self.data_center_service_account_app: App = self.register_2lo(
            "data_center_service_account", "data-center-service-account-app", scopes=("WRITE",)
        )
        self.cloud_id: str = self.add_site("acme").cloud_id

    def register_cloud_app(
        self,
        client_id: str,
        *,
        client_secret: str | None = None,
        redirect_uri: str = _REDIRECT_URI,
        scopes: Iterable[str] | None = None,
    ) -> App:
        """Register a 3LO app; without ``scopes`` it may request any scope but ``openid``."""
        allowed = None if scopes is None else tuple(scopes)
        return self._register("cloud", client_id, client_secret, allowed, redirect_uri)

    def register_data_center_app(
        self,
        client_id: str,
        *,
        client_secret: str | None = None,
        redirect_uri: str = _REDIRECT_URI,
        scopes: Iterable[str] = ("SYSTEM_ADMIN",),
    ) -> App:
        """Register an incoming link on Data Center, limited to ``scopes``."""
        return self._register("data_center", client_id, client_secret, tuple(scopes), redirect_uri)

    def register_2lo(
        self,
        product: Literal["jira_software", "service_account", "data_center_service_account"],
        client_id: str,
        *,
        client_secret: str | None = None,
        scopes: Iterable[str] = (),
    ) -> App:
        """Register client credentials; ``scopes`` are fixed on Cloud and a limit on Data Center.

        Raises:
            ValueError: if there is no such product.
        """
        check_name(product, _CREDENTIALS, what="product with client credentials")
        return self._register(product, client_id, client_secret, tuple(scopes), None)

    def add_site(
        self,
        name: str,
        *,
        cloud_id: str | None = None,
        products: Iterable[str] = ("jira", "confluence"),
    ) -> Site:
        """Add a Cloud site, which all consents include.

        Raises:
            ValueError: if there is no such product.
        """
        there = tuple(products)
        for product in there:
            check_name(product, ("jira", "confluence"), what="product of a site")
        number = len(self._world.sites) + 1
        default_id = f"00000000-0000-4000-8000-{number:012d}"
        site = Site(name=name, cloud_id=cloud_id or default_id, products=there)
        with self._lock:
            self._world.sites[name.lower()] = site
        return site

    def remove_site(self, name: str) -> None:
        """Remove a Cloud site."""
        with self._lock:
            del self._world.sites[name.lower()]

    def add_event(
        self,
        summary: str = "User added to group",
        *,
        category: str = "user management",
        at: datetime | None = None,
    ) -> AuditEvent:
        """Append an event to the audit log, now or as of ``at``."""
        with self._lock:
            return self._world.log.add(summary, category=category, at=at)

    def generate_events(self, count: int, *, interval: timedelta = timedelta()) -> list[AuditEvent]:
        """Append ``count`` events, ``interval`` apart, the last of them now."""
        now = datetime.fromtimestamp(self.clock.time(), UTC)
        ages = [interval * (count - number) for number in range(1, count + 1)]
        return [self.add_event(f"Event {n}", at=now - age) for n, age in enumerate(ages, 1)]

    def issue_grant(
        self, app: App | None = None, scopes: str | Iterable[str] | None = None
    ) -> IssuedTokens:
        """Return the tokens of a new consent, as if its code had just been redeemed.

        Args:
            app: `cloud_app`, `data_center_app` or one registered like them. Default: `cloud_app`.
            scopes: What was consented to. Default: enough for every API of the emulator.
        """
        app = app or self.cloud_app
        cloud = app.product == "cloud"
        wanted = (CLOUD_SCOPES if cloud else ("ADMIN",)) if scopes is None else scopes
        names = tuple(wanted.split() if isinstance(wanted, str) else wanted)
        if cloud and "offline_access" not in names:
            names = (*names, "offline_access")
        issue_pair = cloud_tokens.rotate if cloud else dc_tokens.refresh_pair
        with self._lock:
            family = self._world.ledger.open_family(app, names, self.clock.time())
            access_token = issue_pair(self._world, family).value
        return IssuedTokens(access_token, family.refresh_token or "")

    def browse(self, url: str) -> str:
        """Open ``url`` as a browser does, and return the URL at which it ends: callback or error page."""
        return self.handle("GET", url).headers["location"]

    def deny_next_consent(self) -> None:
        """Decline the next consent."""
        with self._lock:
            self._world.denials += 1

    def revoke_grant(self, token: str) -> None:
        """Revoke the family of a refresh or access token, with all its tokens."""
        with self._lock:
            self.family_of(token).alive = False

    def revoke_access_token(self, token: str) -> None:
        """Revoke one access token."""
        with self._lock:
            self._world.ledger.access_tokens[token].cut_at = self.clock.time()

    def expire_access_tokens(self) -> None:
        """Expire all access tokens; refresh tokens stay valid."""
        with self._lock:
            for token in self._world.ledger.access_tokens.values():
                token.cut_at = self.clock.time()

    @property
    def jira_url(self) -> str:
        """The base URL of the Jira of the site ``acme``, with a trailing slash."""
        return self.urls.jira(self.cloud_id)

    @property
    def confluence_url(self) -> str:
        """The base URL of the Confluence of the site ``acme``, with a trailing slash."""
        return self.urls.confluence(self.cloud_id)

    @property
    def submissions(self) -> tuple[dict[str, Any], ...]:
        """The documents that the bulk APIs accepted: ``entity``, ``cloud_id`` and ``document``."""
        return tuple(self._world.submissions)

    @property
    def families(self) -> tuple[Family, ...]:
        """All consents so far; their ``alive``, ``generation`` and ``refresh_token`` change."""
        return tuple(self._world.ledger.families.values())

    @property
    def leeway_reuses(self) -> int:
        """The number of times a used refresh token was presented within the leeway."""
        return self._world.ledger.leeway_reuses

    @property
    def reuses_outside_leeway(self) -> int:
        """The number of times a used refresh token was presented outside the leeway."""
        return self._world.ledger.reuses_outside_leeway

    def family_of(self, token: str) -> Family:
        """Return the family a refresh token, access token or code belongs to.

        Raises:
            KeyError: if it belongs to none.
        """
        family = self._world.ledger.family_of(token)
        if family is None:
            raise KeyError("this token or code belongs to no family")
        return family

    def _register(
        self,
        product: Product,
        client_id: str,
        client_secret: str | None,
        scopes: tuple[str, ...] | None,
        redirect_uri: str | None,
    ) -> App:
        app = App(
            product=product,
            client_id=client_id,
            client_secret=client_secret or f"secret-cs-{client_id}",
            scopes=scopes,
            redirect_uri=redirect_uri,
        )
        with self._lock:
            self._world.apps[client_id] = app
        return app
