"""One object for all that a service does with connections."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NoReturn, Unpack

from atlassian_auth.connections._credentials import TokenCredentials
from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections._pruning import Pruning
from atlassian_auth.connections.configs import ClientConfigs
from atlassian_auth.connections.flows import FlowRequests
from atlassian_auth.connections.handler import TokenHandler, TokenService
from atlassian_auth.connections.tokens import ClientTokens
from atlassian_auth.manager import ManagerOptions
from atlassian_auth.ports._runtime.closing import AsyncClosing
from atlassian_auth.settings import Settings
from atlassian_auth.stores.opening import AnyStore

__all__ = ["Connections"]


class Connections(AsyncClosing):
    """Client configurations, flows and tokens in one store, which any number of processes may share.

    Args:
        store: Where everything is kept: a store, its URL, or the path of a SQLite file.
        base_url: The URL of your application, https or loopback; redirect URIs are below it.
        random_bytes: Returns so many bytes that cannot be guessed, for ids and states.
        options: ``settings``, ``clock``, ``on_event``, ``transport``, ``verify``, ``proxy`` and the others of
            `TokenManager`, which explains each.

    Attributes:
        configs: The clients that an administrator has registered.
        flows: The logins of people.
        tokens: The tokens of people who have connected.
        handler: Fresh tokens, refreshed and saved.
        service: Fresh tokens that you save yourself.

    Raises:
        ConfigurationError: if an argument is wrong, or the base URL is not https.
    """

    def __init__(
        self,
        store: AnyStore,
        /,
        *,
        base_url: str,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        **options: Unpack[ManagerOptions],
    ) -> None:
        self._desk = desk = Desk(store, base_url, random_bytes, options)
        self.base_url: str = desk.base_url
        self.settings: Settings = desk.settings
        self.configs: ClientConfigs = ClientConfigs(desk)
        credentials = TokenCredentials(desk, self.configs)
        self.tokens: ClientTokens = ClientTokens(desk, self.configs, credentials)
        self.flows: FlowRequests = FlowRequests(desk, self.configs, credentials)
        self.handler: TokenHandler = TokenHandler(desk, credentials)
        self.service: TokenService = TokenService(desk)
        self._pruning = Pruning(desk, self.configs, credentials)

    async def prune(self) -> tuple[str, ...]:
        """Delete tokens that have been unusable for ``prune_after``, and return their ids.

        Raises:
            StoreError: if the store cannot be read or written.
        """
        return await self._desk.perform(self._pruning.prune)

    async def prune_job(self) -> NoReturn:
        """Prune at each time of ``prune_schedule``, in UTC, once for all processes that share the store.

        Runs until cancelled, in a task group of your own. Errors of a run are logged.

        Raises:
            ConfigurationError: if ``prune_schedule`` is no schedule, or the package `croniter` is missing.
        """
        await self._pruning.run()

    async def aclose(self) -> None:
        """Finish what is under way, save what is unsaved, and close the store and connections."""
        await self._desk.aclose()
