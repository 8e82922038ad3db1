"""Opens a manager for one command, and closes it afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import Profile, library_settings
from atlassian_auth._cli.registration import grant_of
from atlassian_auth._cli.secret import read_secret
from atlassian_auth.exceptions import AuthorizationRequired
from atlassian_auth.grants import ClientCredentialsGrant, Grant
from atlassian_auth.manager import TokenManager
from atlassian_auth.migration import Transfer

__all__ = [
    "check_stored",
    "grant_without_secret",
    "is_stored",
    "nothing_stored",
    "open_manager",
    "open_manager_of_store",
    "open_manager_with_credential",
    "open_manager_without_secret",
    "open_transfer",
]

_PLACEHOLDER = "unused"


def grant_without_secret(profile: Profile) -> Grant:
    """Return the grant of a profile without its client secret.

    Raises:
        ConfigurationError: if a setting is missing or wrong.
    """
    return grant_of(profile, _PLACEHOLDER)


@asynccontextmanager
async def open_manager_with_credential(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager with a client secret, for a credential that is stored or needs no consent.

    Raises:
        AuthorizationRequired: if a person must consent first; no store is created then.
        ConfigurationError: if a setting or the client secret is missing or wrong.
        StoreError: if the store's folder is missing.
    """
    await check_stored(profile)
    async with open_manager(profile) as manager:
        yield manager


async def check_stored(profile: Profile) -> None:
    """Raise if the credential needs a consent and is not stored.

    Raises:
        AuthorizationRequired: if a person must consent first.
        ConfigurationError: if a setting is missing or wrong.
        StoreError: if the store's folder is missing, or the store cannot be read.
    """
    if grant_without_secret(profile).rotates and not await is_stored(profile):
        raise nothing_stored(profile)


async def is_stored(profile: Profile) -> bool:
    """Return whether the credential is stored. No store is created, and no client secret is read.

    Raises:
        StoreError: if the store's folder is missing, or the store cannot be read.
    """
    if not profile.place.exists():
        return False
    async with open_manager_of_store(profile.place) as manager:
        found = await manager.status(profile.store_key)
    return found.refresh_status_since is not None


def nothing_stored(profile: Profile) -> AuthorizationRequired:
    """Return the error for a credential that is not stored."""
    message = (
        f"Nothing is stored for key {profile.store_key!r} in {profile.place}. If you have a refresh "
        f"token, run add instead of login. Run: atlassian-auth login {profile.arguments}"
    )
    return AuthorizationRequired(message, key=profile.store_key, reason="missing")


@asynccontextmanager
async def open_manager(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager with a client secret. The store is created if it does not exist.

    Raises:
        ConfigurationError: if a setting or the client secret is missing or wrong.
        StoreError: if the store's folder is missing.
    """
    # Report wrong settings before a person types a secret.
    grant_without_secret(profile)
    profile.place.check_folder()
    client_secret = read_secret(
        "client_secret",
        file=profile.client_secret_file,
        given=profile.client_secret,
        piped=False,
    )
    async with _open(grant_of(profile, client_secret), profile.place) as manager:
        yield manager


@asynccontextmanager
async def open_manager_without_secret(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager without a client secret, which can add a refresh token."""
    async with _open(grant_without_secret(profile), profile.place) as manager:
        yield manager


@asynccontextmanager
async def open_manager_of_store(place: Place) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can only read stored credentials, and forget them."""
    # `TokenManager` requires a grant. Reading and deleting stored credentials uses none.
    unused = ClientCredentialsGrant.service_account(_PLACEHOLDER, _PLACEHOLDER)
    async with _open(unused, place) as manager:
        yield manager


@asynccontextmanager
async def open_transfer(
    source: Place, target: Place, *, overwrite: bool
) -> AsyncGenerator[Transfer]:
    """Yield a `Transfer` from one store to another.

    Raises:
        ConfigurationError: if a store's URL or key is wrong.
    """
    transfer = Transfer(
        source.open(),
        target.open(),
        overwrite=overwrite,
        lock_timeout_seconds=library_settings().lock_timeout_seconds,
    )
    try:
        yield transfer
    finally:
        await transfer.aclose()


@asynccontextmanager
async def _open(grant: Grant, place: Place) -> AsyncGenerator[TokenManager]:
    settings = library_settings()
    async with TokenManager(grant, store=place.open(), settings=settings) as manager:
        yield manager
