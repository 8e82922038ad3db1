"""A manager for the length of one command."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from atlassian_auth.cli.place import Place
from atlassian_auth.cli.profile import Profile, tunables
from atlassian_auth.cli.registration import grant_of
from atlassian_auth.cli.secret import read_secret
from atlassian_auth.grants import ClientCredentialsGrant, Grant
from atlassian_auth.manager import TokenManager
from atlassian_auth.transfer import Transfer

__all__ = ["enrolling", "looking", "obtaining", "transferring"]

_UNUSED = "unused"

# Whoever only looks at a store, or deletes from it, need not know how tokens are obtained.
_NOBODY = ClientCredentialsGrant.service_account(_UNUSED, _UNUSED)


@asynccontextmanager
async def obtaining(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can obtain and renew tokens.

    Raises:
        ConfigurationError: if a setting or the client secret is missing or wrong.
    """
    client_secret = read_secret(
        "client_secret",
        file=profile.client_secret_file,
        given=profile.client_secret,
        piped=False,
    )
    async with _managing(grant_of(profile, client_secret), profile.place) as manager:
        yield manager


@asynccontextmanager
async def enrolling(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can add a refresh token, which takes no client secret."""
    async with _managing(grant_of(profile, _UNUSED), profile.place) as manager:
        yield manager


@asynccontextmanager
async def looking(place: Place) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can tell what is stored, and forget it."""
    async with _managing(_NOBODY, place) as manager:
        yield manager


@asynccontextmanager
async def transferring(
    source: Place, target: Place, *, overwrite: bool
) -> AsyncGenerator[Transfer]:
    """Yield what moves credentials from one store to another.

    Raises:
        ConfigurationError: if a store's URL or key is wrong.
    """
    transfer = Transfer(
        source.opened(),
        target.opened(),
        overwrite=overwrite,
        lock_timeout_seconds=tunables().lock_timeout_seconds,
    )
    try:
        yield transfer
    finally:
        await transfer.aclose()


@asynccontextmanager
async def _managing(grant: Grant, place: Place) -> AsyncGenerator[TokenManager]:
    settings = tunables()
    async with TokenManager(grant, store=place.opened(), settings=settings) as manager:
        yield manager
