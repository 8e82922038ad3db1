"""What the services of one `Connections` share."""

from __future__ import annotations

from collections.abc import Callable

from atlassian_auth.manager import ManagerOptions
from atlassian_auth.stores.opening import AnyStore

__all__ = ["Desk"]


class Desk:
    """The store, the settings, the clock, and one manager for each configuration."""

    def __init__(
        self,
        store: AnyStore,
        base_url: str,
        random_bytes: Callable[[int], bytes],
        options: ManagerOptions,
    ) -> None:
        self.store = store
        self.base_url = base_url
        self.random_bytes = random_bytes
        self.options = options
