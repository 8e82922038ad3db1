"""A manager for the length of one command."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from atlassian_auth.cli.profile import Profile, tunables, usual_store
from atlassian_auth.cli.registration import grant_of
from atlassian_auth.cli.secret import read_secret
from atlassian_auth.exceptions import StoreError
from atlassian_auth.grants import ClientCredentialsGrant, Grant
from atlassian_auth.manager import TokenManager
from atlassian_auth.stores import SQLiteStore

__all__ = ["enrolling", "looking", "obtaining"]

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
    async with _managing(grant_of(profile, client_secret), profile.store_path) as manager:
        yield manager


@asynccontextmanager
async def enrolling(profile: Profile) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can add a refresh token, which takes no client secret."""
    async with _managing(grant_of(profile, _UNUSED), profile.store_path) as manager:
        yield manager


@asynccontextmanager
async def looking(store: Path) -> AsyncGenerator[TokenManager]:
    """Yield a manager that can tell what is stored, and forget it."""
    async with _managing(_NOBODY, store) as manager:
        yield manager


@asynccontextmanager
async def _managing(grant: Grant, store: Path) -> AsyncGenerator[TokenManager]:
    settings = tunables()
    if store == usual_store():
        _make_folder(store.parent)
    async with TokenManager(grant, store=SQLiteStore(store), settings=settings) as manager:
        yield manager


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    else:
        return
    raise StoreError(f"The store's folder {folder} cannot be made: {wrong}.")
