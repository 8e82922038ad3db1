"""Client configurations in a store."""

from __future__ import annotations

from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig

__all__ = ["ClientConfigs"]


class ClientConfigs:
    """Saves and finds client configurations; the ``configs`` of a `Connections`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def save(self, config: ClientConfig) -> ClientConfig:
        """Store a new configuration, or replace the one with its id; return it as it is stored.

        An update without ``client_secret`` keeps the stored secret. Only if the token endpoint moves to
        another origin, the secret must be given again.

        Raises:
            ConfigurationError: if the name is taken, a field does not fit the type, or an endpoint is not
                https; ``argument`` names the field.
            ConfigurationNotFound: if no configuration has its id.
            StoreError: if the store cannot be read or written.
        """
        raise NotImplementedError

    async def get(self, config_id: str) -> ClientConfig:
        """Return the configuration, with its secret.

        Raises:
            ConfigurationNotFound: if there is none with this id.
        """
        raise NotImplementedError

    async def find_by_name(self, name: str) -> ClientConfig | None:
        """Return the configuration with this name; None if there is none."""
        raise NotImplementedError

    async def list(self) -> list[ClientConfig]:
        """Return all configurations, sorted by name."""
        raise NotImplementedError

    async def delete(self, config_id: str) -> bool:
        """Delete the configuration and return whether there was one. Its tokens cannot be used any more."""
        raise NotImplementedError

    def redirect_uri(self, authorization_endpoint: str) -> str:
        """Return the redirect URI to register at the provider that has this authorization endpoint.

        Raises:
            ConfigurationError: if the endpoint is not an https URL.
        """
        raise NotImplementedError
