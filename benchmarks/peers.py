"""What others take for the same request, where they are installed. They refresh less, and guard less."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import httpx

from benchmarks.clients import async_client, constant_header, of_async
from benchmarks.rounds import paired
from benchmarks.row import Row
from benchmarks.scene import ACCESS_TOKEN, REFRESH_TOKEN, URL, answer, api, grant


def measure(*, quick: bool) -> list[Row]:
    return [
        _row("valid token, authlib", _authlib, quick=quick),
        _row("valid token, httpx-auth", _httpx_auth, quick=quick),
        _row("valid token, mcp", _mcp, quick=quick),
    ]


def _row(what: str, build: Callable[[], Any], *, quick: bool) -> Row:
    count, rounds = (10, 3) if quick else (100, 100)
    try:
        client = build()
    except ImportError as error:
        return Row(what=what, values=(), note=f"{error.name} is not installed")
    with asyncio.Runner() as runner:
        library = httpx if isinstance(client, httpx.AsyncClient) else import_module("httpx2")
        baseline = of_async(runner, async_client(constant_header(library), library), count)
        return Row(
            what=what, values=paired(baseline, of_async(runner, client, count), rounds=rounds)
        )


def _authlib() -> Any:
    with warnings.catch_warnings(record=True):  # where httpx2 is missing, it says so
        module = import_module("authlib.integrations.httpx_client")
    kind = module.AsyncOAuth2Client
    library = httpx if issubclass(kind, httpx.AsyncClient) else import_module("httpx2")
    token_url = grant().endpoints.token_url
    return kind(token=_token(), token_endpoint=token_url, transport=api(library))


def _token() -> dict[str, str | float]:
    return {
        "access_token": ACCESS_TOKEN,
        "refresh_token": REFRESH_TOKEN,
        "token_type": "Bearer",
        "expires_at": time.time() + 3600,
    }


def _httpx_auth() -> Any:
    module = import_module("httpx_auth")
    endpoint = httpx.MockTransport(lambda _: httpx.Response(200, content=answer(1)))
    auth = module.OAuth2ClientCredentials(
        grant().endpoints.token_url, "client", "secret", client=httpx.Client(transport=endpoint)
    )
    return async_client(auth)


def _mcp() -> Any:
    models = import_module("mcp.shared.auth")
    provider = import_module("mcp.client.auth").OAuthClientProvider(
        server_url=URL,
        client_metadata=models.OAuthClientMetadata(redirect_uris=["http://127.0.0.1:8765/"]),
        storage=_Storage(models),
    )
    return async_client(provider, import_module("httpx2"))


class _Storage:
    """What the provider of the MCP SDK keeps its tokens in."""

    def __init__(self, models: Any) -> None:
        self._tokens = models.OAuthToken(**_token() | {"expires_in": 3600})

    async def get_tokens(self) -> Any:
        return self._tokens

    async def get_client_info(self) -> None:
        pass
