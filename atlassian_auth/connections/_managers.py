"""One `TokenManager` for each client configuration, made when it is needed and replaced when that changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from atlassian_auth.connections.config import ClientConfig
from atlassian_auth.manager import TokenManager

__all__ = ["Managers"]


class _Made(NamedTuple):
    config: ClientConfig
    manager: TokenManager


class Managers:
    """The managers of a process, by the id of their configuration.

    There is no lock: two threads may make two managers of one configuration, which share the store's lock.

    Args:
        make: Makes the manager of a configuration.
    """

    def __init__(self, make: Callable[[ClientConfig], TokenManager]) -> None:
        self._make = make
        self._made: dict[str, _Made] = {}

    async def of(self, config: ClientConfig) -> TokenManager:
        """Return the manager of a configuration; if it was made for an older state of it, a new one.

        Raises:
            StoreError: if the older manager has tokens that cannot be saved; it is kept.
        """
        key = config.id or ""
        made = self._made.get(key)
        if made is not None and made.config != config:
            await made.manager.aclose()
            made = self._made.get(key)
        if made is None or made.config != config:
            made = self._made[key] = _Made(config, self._make(config))
        return made.manager

    async def drop(self, config_id: str) -> None:
        """Close the manager of a configuration that was deleted."""
        made = self._made.pop(config_id, None)
        if made is not None:
            await made.manager.aclose()

    async def aclose(self) -> None:
        """Close all managers: running refreshes end, and what is unsaved is saved.

        Raises:
            StoreError: if a token still cannot be saved.
        """
        for config_id in list(self._made):
            await self.drop(config_id)
