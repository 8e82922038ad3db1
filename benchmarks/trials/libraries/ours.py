"""This library: an `AtlassianAuth` in an ``httpx.AsyncClient``, its tokens in a `SQLiteStore`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import MappingProxyType

import httpx

from atlassian_auth import AtlassianAuth, CloudGrant, Endpoints, Settings
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.stores import SQLiteStore
from benchmarks.trials.client import Client, Scene, Seed

NAME = "atlassian-auth"
PACKAGES = ("atlassian-auth", "httpx")
MANUAL = "tutorial.md"
NOT_OFFERED = MappingProxyType[str, str]({})

# What is made or imported at its first use, so that the forked processes need not do it each for itself.
import_module("httpcore")
import_module("sqlite3")
TokenRecord.model_rebuild()
_TLS = httpx.create_ssl_context()
_KEY = "trial"
_HOUR = timedelta(hours=1)


async def connect(scene: Scene) -> Client:
    auth = AtlassianAuth(
        _grant(scene),
        store=SQLiteStore(scene.path),
        key=_KEY,
        settings=Settings(read_timeout_seconds=scene.timeout_seconds),
        verify=_TLS,
    )
    if scene.seed is not None:
        await _begin(auth, scene.seed)
    return _Client(auth, scene.timeout_seconds)


def _grant(scene: Scene) -> CloudGrant:
    endpoints = Endpoints(
        authorize_url=scene.authorize_url,
        token_url=scene.token_url,
        audience="api.atlassian.com",
        api_url=f"{scene.origin}/api",
    )
    return CloudGrant(
        client_id=scene.client_id,
        client_secret=scene.client_secret,
        redirect_uri=scene.redirect_uri,
        scopes=["read:jira-user"],
        endpoints=endpoints,
    )


async def _begin(auth: AtlassianAuth, seed: Seed) -> None:
    """Store what a login would have stored in the hour before."""
    expires_at = datetime.now(UTC) + timedelta(seconds=seed.expires_in)
    began_at = expires_at - _HOUR
    pair = TokenPair(seed.access_token, began_at, expires_at, refresh_token=seed.refresh_token)
    record = TokenRecord(
        configuration=auth.manager.grant.configuration,
        token=pair,
        status_since=began_at,
        authorized_at=began_at,
    )
    store = auth.manager.store
    await auth.manager.perform(lambda: Records(store, "tokens", TokenRecord).put(_KEY, record))


class _Client:
    def __init__(self, auth: AtlassianAuth, timeout_seconds: float) -> None:
        self._http = httpx.AsyncClient(auth=auth, timeout=timeout_seconds, verify=_TLS)
        self.shown: tuple[object, ...] = (auth, auth.manager, self._http)

    async def get(self, url: str) -> int:
        return (await self._http.get(url)).status_code
