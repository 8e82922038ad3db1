"""What others take for the same request, where they are installed. They refresh less, and guard less."""

from __future__ import annotations

import asyncio
import importlib
import time
import warnings
from collections.abc import Callable

import httpx

from benchmarks.clients import ConstantHeader, async_client, of_async
from benchmarks.rounds import paired
from benchmarks.row import Row
from benchmarks.scene import ACCESS_TOKEN, REFRESH_TOKEN, answer, api, grant


def measure(*, quick: bool) -> list[Row]:
    return [
        _row("valid token, authlib", _authlib, quick=quick),
        _row("valid token, httpx-auth", _httpx_auth, quick=quick),
    ]


def _row(what: str, build: Callable[[], httpx.AsyncClient], *, quick: bool) -> Row:
    count, rounds = (10, 3) if quick else (100, 100)
    try:
        client = build()
    except ImportError as error:
        return Row(what=what, values=(), note=f"{error.name} is not installed")
    with asyncio.Runner() as runner:
        baseline = of_async(runner, async_client(ConstantHeader()), count)
        return Row(
            what=what, values=paired(baseline, of_async(runner, client, count), rounds=rounds)
        )


def _authlib() -> httpx.AsyncClient:
    with warnings.catch_warnings(record=True):  # it would rather stand on another client
        module = importlib.import_module("authlib.integrations.httpx_client")
    token_url = grant().endpoints.token_url
    client = module.AsyncOAuth2Client(token=_token(), token_endpoint=token_url, transport=api())
    if isinstance(client, httpx.AsyncClient):
        return client
    raise ImportError(name="authlib for httpx")


def _token() -> dict[str, str | float]:
    return {
        "access_token": ACCESS_TOKEN,
        "refresh_token": REFRESH_TOKEN,
        "token_type": "Bearer",
        "expires_at": time.time() + 3600,
    }


def _httpx_auth() -> httpx.AsyncClient:
    module = importlib.import_module("httpx_auth")
    endpoint = httpx.MockTransport(lambda _: httpx.Response(200, content=answer(1)))
    auth = module.OAuth2ClientCredentials(
        grant().endpoints.token_url, "client", "secret", client=httpx.Client(transport=endpoint)
    )
    return async_client(auth)
