"""A manager for the length of one command."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import Profile, tunables
from atlassian_auth._cli.registration import grant_of
from atlassian_auth._cli.secret import read_secret
from atlassian_auth.exceptions import AuthorizationRequired
from atlassian_auth.grants import ClientCredentialsGrant, Grant
from atlassian_auth.manager import TokenManager
from atlassian_auth.migration import Transfer

__all__ = [
    "authorizing",
    "check_stored",
    "enrolling",
    "grant_without_secret",
    "is_stored",
    "looking",
    "nothing_stored",
    "obtaining",
    "transferring",
]

_UNUSED = "unused"

# Whoever only looks at a store, or deletes from it, need not know how tokens are obtained.
_NOBODY = ClientCredentialsGrant.service_account(_UNUSED, _UNUSED)


def grant_without_secret(profile: Profile) -> Grant:
    """Return the grant of a profile, for everything that needs no client secret.

    Raises:
        ConfigurationError: if a setting is missing or wrong.
    """
    return grant_of(profile, _UNUSED)


@asynccontextmanager
async def obtaining(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can obtain tokens, and refresh those that are stored.

    Raises:
        AuthorizationRequired: if a person must consent first; no store is made then.
        ConfigurationError: if a setting or the client secret is missing or wrong.
        StoreError: if the store's folder is missing.
    """
    await check_stored(profile)
    async with authorizing(profile) as manager:
        yield manager


async def check_stored(profile: Profile) -> None:
    """Return if there is a credential, or none needs to be stored.

    Raises:
        AuthorizationRequired: if a person must consent first.
        ConfigurationError: if a setting is missing or wrong.
        StoreError: if the store's folder is missing, or the store cannot be read.
    """
    if grant_without_secret(profile).rotates and not await is_stored(profile):
        raise nothing_stored(profile)


async def is_stored(profile: Profile) -> bool:
    """Return whether the store has the credential; no store is made, and no client secret is asked for.

    Raises:
        StoreError: if the store's folder is missing, or the store cannot be read.
    """
    if not profile.place.exists():
        return False
    async with looking(profile.place) as manager:
        found = await manager.status(profile.store_key)
    return found.refresh_status_since is not None


def nothing_stored(profile: Profile) -> AuthorizationRequired:
    """Return the error for a credential that is not in its store."""
    message = (
        f"Nothing is stored for key {profile.store_key!r} in {profile.place}. If you have a refresh "
        f"token, run add in place of login. Run: atlassian-auth login {profile.arguments}"
    )
    return AuthorizationRequired(message, key=profile.store_key, reason="missing")


@asynccontextmanager
async def authorizing(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can obtain tokens, also the first ones of a store that is made for them.

    Raises:
        ConfigurationError: if a setting or the client secret is missing or wrong.
        StoreError: if the store's folder is missing.
    """
    # What is wrong with the settings is said before a person types a secret.
    grant_without_secret(profile)
    profile.place.check_folder()
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
    async with _managing(grant_without_secret(profile), profile.place) as manager:
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
