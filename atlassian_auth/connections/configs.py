"""Client configurations in a store, under unique names."""

from __future__ import annotations

import functools
from typing import ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from atlassian_auth.connections import config as configuration
from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig, ClientType
from atlassian_auth.connections.errors import ConfigurationNotFound
from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import ConfigurationError, TransientError
from atlassian_auth.stores.base import ABSENT
from atlassian_auth.stores.records import Loaded, Records

__all__ = ["CONFIGS", "DELETED_CONFIGS", "ClientConfigs"]

CONFIGS = "client_configs"
"""The namespace of configurations in a store."""

DELETED_CONFIGS = "deleted_client_configs"
"""The namespace of the ids that were deleted less than ``prune_after`` ago."""


class _Stored(ClientConfig):
    """A configuration with its secret: the only place that turns that into JSON."""

    # A later release may have added a field, and both may run during an upgrade.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    client_secret: str | None = Field(default=None, repr=False)

    @classmethod
    def of(cls, config: ClientConfig) -> Self:
        return cls(**{name: getattr(config, name) for name in ClientConfig.model_fields})

    def config(self) -> ClientConfig:
        return ClientConfig(**{name: getattr(self, name) for name in ClientConfig.model_fields})


class _Deletion(BaseModel):
    at: AwareDatetime


class ClientConfigs:
    """Saves and finds client configurations; the ``configs`` of a `Connections`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._records = Records(desk.store, CONFIGS, _Stored)
        self._deletions = Records(desk.store, DELETED_CONFIGS, _Deletion)

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
        return await self._desk.perform(functools.partial(self._save, config))

    async def get(self, config_id: str) -> ClientConfig:
        """Return the configuration, with its secret.

        Raises:
            ConfigurationNotFound: if there is none with this id.
        """
        stored = await self._desk.perform(functools.partial(self._load, config_id))
        return stored.value.config()

    async def find_by_name(self, name: str) -> ClientConfig | None:
        """Return the configuration with this name; None if there is none."""
        return next((config for config in await self.list() if config.name == name.strip()), None)

    async def list(self) -> tuple[ClientConfig, ...]:
        """Return all configurations, sorted by name."""
        return await self._desk.perform(self._list)

    async def delete(self, config_id: str) -> bool:
        """Delete the configuration and return whether there was one. Its tokens cannot be used any more.

        Tokens are not deleted with it: ``prune`` deletes them ``prune_after`` later.
        """
        existed = await self._desk.perform(functools.partial(self._delete, config_id))
        await self._desk.managers.drop(config_id)
        await self._desk.scratch.drop(config_id)
        return existed

    def redirect_uri(self, authorization_endpoint: str) -> str:
        """Return the redirect URI to register at the provider that has this authorization endpoint.

        Raises:
            ConfigurationError: if the endpoint is not an https URL.
        """
        self._desk.check_endpoint(authorization_endpoint, "authorization_endpoint")
        return configuration.redirect_uri(self._desk.base_url, authorization_endpoint)

    # -- in the runner -------------------------------------------------------------------------

    async def _save(self, config: ClientConfig) -> ClientConfig:
        timeout_seconds = self._desk.settings.lock_timeout_seconds
        try:
            async with self._records.lock("names", timeout_seconds=timeout_seconds) as hold:
                stored = None if config.id is None else await self._load(config.id)
                complete = self._complete(config, stored.value if stored else None)
                self._desk.grant(complete)
                await self._check_name(complete)
                if await hold.confirm():
                    expected = stored.version if stored else ABSENT
                    await self._records.put(
                        complete.id or "", _Stored.of(complete), expected=expected
                    )
                    return complete
        except TimeoutError:
            pass
        message = (
            "Other processes are changing client configurations: nothing was saved; try again."
        )
        raise TransientError(message)

    def _complete(self, config: ClientConfig, stored: ClientConfig | None) -> ClientConfig:
        secret = config.client_secret
        if stored is not None and secret is None:
            _check_same_origin(config, stored)
            secret = stored.client_secret
        return config.changed(
            id=config.id or self._desk.new_id(),
            client_secret=secret,
            redirect_uri_suffix=_check_suffix(config),
        )

    async def _check_name(self, config: ClientConfig) -> None:
        for other in await self._list():
            if other.name == config.name and other.id != config.id:
                message = (
                    f"name {config.name!r} is taken by another configuration: choose another name"
                )
                raise ConfigurationError(message, argument="name")

    async def _load(self, config_id: str) -> Loaded[_Stored]:
        stored = await self._records.get(config_id) if config_id else None
        if stored is None:
            message = (
                "No client configuration has this id: it was deleted, or never existed. List the "
                "configurations to see their ids."
            )
            raise ConfigurationNotFound(message, argument="config_id")
        return stored

    async def _list(self) -> tuple[ClientConfig, ...]:
        found = [await self._records.get(key) for key in await self._records.keys()]
        configs = [stored.value.config() for stored in found if stored]
        return tuple(sorted(configs, key=lambda config: config.name))

    async def _delete(self, config_id: str) -> bool:
        kept_seconds = self._desk.settings.prune_after.total_seconds()
        deletion = _Deletion(at=self._desk.now())
        if not config_id or await self._records.get(config_id) is None:
            return False
        await self._deletions.put(config_id, deletion, ttl_seconds=kept_seconds)
        return await self._records.delete(config_id)


def _check_same_origin(config: ClientConfig, stored: ClientConfig) -> None:
    # Otherwise an administrator could read the stored secret at an endpoint of their own.
    if origin_of(config.token_endpoint) != origin_of(stored.token_endpoint):
        message = (
            "client_secret must be given again, because token_endpoint moves to another host: the stored "
            "secret is not sent there"
        )
        raise ConfigurationError(message, argument="client_secret")


def _check_suffix(config: ClientConfig) -> str | None:
    if config.type is ClientType.CLIENT_CREDENTIALS:
        return None
    expected = configuration.redirect_uri_suffix(config.authorization_endpoint)
    if config.redirect_uri_suffix not in {None, expected}:
        message = (
            f"redirect_uri_suffix must be {expected}, which belongs to this authorization_endpoint: leave it "
            "out, and it is computed"
        )
        raise ConfigurationError(message, argument="redirect_uri_suffix")
    return expected
