"""Client tokens: the credentials of the people who have connected."""

from __future__ import annotations

import base64
import functools
import json
from contextlib import suppress
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, Field, ValidationInfo, field_validator

from atlassian_auth.connections._credentials import (
    EXPIRATIONS,
    TokenCredentials,
    config_id_of,
    token_not_found,
)
from atlassian_auth.connections._desk import Desk, digest_of
from atlassian_auth.connections._forms import Form
from atlassian_auth.connections.config import ClientConfig, ClientType
from atlassian_auth.connections.configs import ClientConfigs
from atlassian_auth.connections.errors import ConfigurationNotFound, TokenNotFound
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants.base import check_text
from atlassian_auth.manager import TokenManager
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.status import CredentialStatus
from atlassian_auth.stores.records import Records

__all__ = ["ClientToken", "ClientTokens", "expiration_in", "pair_of"]


class ClientToken(Form):
    """The token of one connection.

    Its ``repr`` and its JSON hold no token, and it cannot be pickled. `changed` returns a copy.

    Args:
        id: Made by `ClientTokens.save`; None for a new token.
        config_id: The configuration that it was issued for.
        access_token: The bearer.
        access_token_expiration: When the access token ends, aware.
        refresh_token: None if the provider issued none.
        refresh_token_expiration: When the refresh token ends, aware: as it was saved, or as the refresh token
            says, or else as ``default_refresh_token_duration`` assumes. Refreshes do not stop there.
        scopes: The granted scopes, as far as they are known.
    """

    id: str | None = None
    config_id: str
    access_token: str = Field(repr=False, exclude=True)
    access_token_expiration: AwareDatetime
    refresh_token: str | None = Field(default=None, repr=False, exclude=True)
    refresh_token_expiration: AwareDatetime | None = None
    scopes: tuple[str, ...] = ()

    @field_validator("access_token", "refresh_token")
    @classmethod
    def _check_token(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else check_text(value, str(info.field_name))


class _Expiration(BaseModel):
    refresh_token_sha256: str = Field(repr=False)
    at: AwareDatetime


class ClientTokens:
    """Saves, finds and deletes tokens; the ``tokens`` of a `Connections`."""

    def __init__(self, desk: Desk, configs: ClientConfigs, credentials: TokenCredentials) -> None:
        self._desk = desk
        self._configs = configs
        self._credentials = credentials
        self._expirations = Records(desk.store, EXPIRATIONS, _Expiration)

    async def save(self, token: ClientToken) -> ClientToken:
        """Store a new token, or replace the one with its id; return it with its id.

        Raises:
            ConfigurationNotFound: if its configuration is not stored.
            TokenNotFound: if no token has its id.
            ConfigurationError: if it has no refresh token and its access token ends too soon, the id belongs
                to another configuration, or the token was refreshed since it was read.
        """
        config = await self._configs.get(token.config_id)
        if token.id is None:
            if token.refresh_token is None:
                self._credentials.check_lifetime(config, token.access_token_expiration)
        elif config_id_of(token.id) == token.config_id:
            await self._credentials.manager_of(token.id)
        else:
            message = "config_id must stay the same: a token works only with the client that got it"
            raise ConfigurationError(message, argument="config_id")
        saved = token.changed(id=token.id or self._credentials.new_id(config))
        manager = await self._desk.managers.of(config)
        await manager.save(saved.id or "", pair_of(saved, self._desk.now()))
        await self._desk.perform(functools.partial(self._note_expiration, saved))
        return saved

    async def obtain(self, config: ClientConfig) -> ClientToken:
        """Request the first token of a CLIENT_CREDENTIALS configuration, which needs no person, and save it.

        Raises:
            ConfigurationNotFound: if the configuration is not stored.
            ConfigurationError: if the configuration needs a person: create a flow.
            AtlassianAuthError: as `TokenManager.token` does.
        """
        stored = await self._configs.get(config.id or "")
        if stored.type is not ClientType.CLIENT_CREDENTIALS:
            message = f"config has the type {stored.type}, which needs a person: create a flow"
            raise ConfigurationError(message, argument="config")
        manager, token_id = await self._desk.managers.of(stored), self._credentials.new_id(stored)
        await manager.token(token_id)
        return await self.get(token_id)

    async def get(self, token_id: str) -> ClientToken:
        """Return the token as it is stored; it is not refreshed.

        Raises:
            TokenNotFound: if there is none with this id.
            ConfigurationNotFound: if its configuration was deleted.
        """
        manager = await self._credentials.manager_of(token_id)
        pair = await manager.reveal_pair(token_id)
        if pair is None:
            raise token_not_found()
        return ClientToken(
            id=token_id,
            config_id=config_id_of(token_id) or "",
            access_token=pair.access_token,
            access_token_expiration=pair.expires_at,
            refresh_token=pair.refresh_token,
            refresh_token_expiration=await self._expiration_of(manager, token_id, pair),
            scopes=pair.scopes,
        )

    async def status(self, token_id: str) -> CredentialStatus:
        """Return the token's status, since when it has it, the last refresh, and the number of refreshes.

        Raises:
            TokenNotFound: if there is none with this id.
            ConfigurationNotFound: if its configuration was deleted.
        """
        return await (await self._credentials.manager_of(token_id)).status(token_id)

    async def list(self, config_id: str | None = None) -> tuple[str, ...]:
        """Return the ids of all tokens, or of those of one configuration."""
        ids = await self._desk.perform(self._credentials.ids)
        return tuple(one for one in ids if config_id in {None, config_id_of(one)})

    async def delete(self, token_id: str) -> bool:
        """Delete the token here and return whether there was one. The provider is not asked."""
        try:
            manager = await self._credentials.manager_of(token_id)
        except TokenNotFound:
            return False
        except ConfigurationNotFound:
            return await self._desk.perform(functools.partial(self._credentials.remove, token_id))
        forget_expiration = functools.partial(self._credentials.forget_expiration, token_id)
        await self._desk.perform(forget_expiration)
        return await manager.forget(token_id)

    # -- in the runner -------------------------------------------------------------------------

    async def _note_expiration(self, token: ClientToken) -> None:
        token_id, at = token.id or "", token.refresh_token_expiration
        if token.refresh_token is None or at is None:
            await self._expirations.delete(token_id)
        else:
            noted = _Expiration(refresh_token_sha256=digest_of(token.refresh_token), at=at)
            await self._expirations.put(token_id, noted)

    async def _expiration_of(
        self, manager: TokenManager, token_id: str, pair: TokenPair
    ) -> datetime | None:
        if pair.refresh_token is None:
            return None
        noted = await self._desk.perform(functools.partial(self._expirations.get, token_id))
        if noted and same_secret(noted.value.refresh_token_sha256, digest_of(pair.refresh_token)):
            return noted.value.at
        stated = expiration_in(pair.refresh_token)
        return stated or (await manager.status(token_id)).inactive_by


def pair_of(token: ClientToken, now: datetime) -> TokenPair:
    """Return the two tokens, as if they were issued ``now``."""
    ends_at = token.access_token_expiration
    return TokenPair(
        token.access_token, min(now, ends_at), ends_at, token.refresh_token, token.scopes
    )


def expiration_in(refresh_token: str | None) -> datetime | None:
    """Return when a refresh token ends, if it is a JWT that says so (RFC 7519 section 4.1.4); else None."""
    parts = (refresh_token or "").split(".")
    if len(parts) != 3:
        return None
    with suppress(ValueError, KeyError, TypeError, OverflowError, OSError):
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    return None
