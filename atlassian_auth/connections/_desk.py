"""What the services of one `Connections` share: the store, the settings, the clock, and the managers."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from atlassian_auth.connections._managers import Managers
from atlassian_auth.connections.config import ClientConfig, ClientType
from atlassian_auth.endpoints import check_secure
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import Grant
from atlassian_auth.manager import ManagerOptions, TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, utc_now
from atlassian_auth.ports._runtime.under_way import UnderWay
from atlassian_auth.settings import Settings
from atlassian_auth.stores._wrapped import WrappedStore
from atlassian_auth.stores.base import Store
from atlassian_auth.stores.memory import MemoryStore
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.records import perform

__all__ = ["Desk", "digest_of"]

T = TypeVar("T")


class _SharedStore(WrappedStore):
    """The store of many managers, which stays open when one of them is closed."""

    async def aclose(self) -> None:
        """Do nothing: `Desk.aclose` closes the store."""


class Desk:
    """The shared parts of one `Connections`; see there for the arguments."""

    def __init__(
        self,
        store: AnyStore,
        base_url: str,
        random_bytes: Callable[[int], bytes],
        options: ManagerOptions,
    ) -> None:
        self._under_way = UnderWay()
        self.settings: Settings = _check_settings(options.get("settings"))
        self.clock: Clock = options.get("clock", SYSTEM_CLOCK)
        self.store: Store = checked_store(store, clock=self.clock)
        self.base_url: str = self._check_base_url(base_url)
        self.random_bytes: Callable[[int], bytes] = random_bytes
        # A token is not used any more when it expires within the clock skew.
        buffer_seconds = max(self.settings.buffer_seconds, self.settings.max_clock_skew_seconds)
        settings = self.settings.model_copy(update={"buffer_seconds": buffer_seconds})
        self._options: ManagerOptions = {**options, "settings": settings}
        self.managers: Managers = Managers(
            lambda config: self._new_manager(config, _SharedStore(self.store))
        )
        self.scratch: Managers = Managers(
            lambda config: self._new_manager(config, MemoryStore(clock=self.clock))
        )

    def _new_manager(self, config: ClientConfig, store: AnyStore) -> TokenManager:
        options: ManagerOptions = {**self._options, "store": store}
        return TokenManager(self.grant(config), **options)

    def grant(self, config: ClientConfig) -> Grant:
        """Return the grant of a configuration, whose endpoints are checked.

        Raises:
            ConfigurationError: if an endpoint is not https, or a field does not fit the type.
        """
        self.check_endpoint(config.token_endpoint, "token_endpoint")
        if config.type is not ClientType.CLIENT_CREDENTIALS or config.authorization_endpoint:
            self.check_endpoint(config.authorization_endpoint, "authorization_endpoint")
        settings = self.settings
        allow_http = (
            settings.skip_base_url_https_requirement or settings.skip_provider_https_requirement
        )
        return config.grant(self.base_url, allow_insecure_http=allow_http)

    def check_endpoint(self, url: str, argument: str) -> None:
        """Return if a secret may be sent to this URL of a provider.

        Raises:
            ConfigurationError: if it is malformed or not https.
        """
        check_secure(
            url, argument=argument, allow_http=self.settings.skip_provider_https_requirement
        )

    def _check_base_url(self, base_url: str) -> str:
        allow_http = self.settings.skip_base_url_https_requirement
        check_secure(base_url, argument="base_url", allow_http=allow_http)
        if "?" in base_url:
            message = "base_url must not contain a query: remove the '?' and the text after it"
            raise ConfigurationError(message, argument="base_url")
        return base_url.rstrip("/")

    async def perform(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` where refreshes run: the store is used there only."""
        work = functools.partial(self._under_way.run, work)
        runner = self._options.get("runner")
        return await (perform(work) if runner is None else perform(work, runner=runner))

    def now(self) -> datetime:
        """Return the time."""
        return utc_now(self.clock)

    def new_id(self) -> str:
        """Return an id that cannot be guessed."""
        return str(uuid.UUID(bytes=self.random_bytes(16), version=4))

    async def aclose(self) -> None:
        """Close the managers, then the store, after the work that uses them."""
        await self.perform(self._under_way.idle)
        await self.managers.aclose()
        await self.scratch.aclose()
        await self.perform(self.store.aclose)


def _check_settings(settings: object) -> Settings:
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise ConfigurationError.wrong_type("settings", "Settings(...)", settings)
    return settings


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
