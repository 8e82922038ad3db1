"""The stage of all benchmarks: one Cloud app, its token endpoint, and the API behind it.

Everything answers from memory, so that what is measured is the client's side.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx

from atlassian_auth import AtlassianAuth, CloudGrant, Endpoints
from atlassian_auth.manager import DEFAULT_KEY
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, Sender
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.stores import MemoryStore, Store

URL = "https://api.atlassian.com/ex/jira/3f0c1b9e-4a52-4a6c-9a43-5b8c1f0a7d11/rest/api/3/myself"
SCOPES = ("read:jira-work", "manage:jira-configuration", "offline_access")

# Cloud's access tokens are JWTs of some 2,000 characters, its refresh tokens not much shorter.
ACCESS_TOKEN = "eyJraWQi" + "A" * 1992
REFRESH_TOKEN = "eyJraWQi" + "R" * 1492


def grant(token_url: str | None = None) -> CloudGrant:
    cloud = Endpoints.cloud()
    return CloudGrant(
        client_id="client",
        client_secret="secret",
        redirect_uri="http://127.0.0.1:8765/callback",
        scopes=SCOPES,
        endpoints=replace(cloud, token_url=token_url or cloud.token_url),
    )


def answer(number: int) -> bytes:
    """Return what the token endpoint says to the request with this number."""
    document = {
        "access_token": f"{ACCESS_TOKEN}{number}",
        "refresh_token": f"{REFRESH_TOKEN}{number}",
        "expires_in": 3600,
        "token_type": "Bearer",
        "scope": " ".join(SCOPES),
    }
    return json.dumps(document).encode()


class TokenEndpoint:
    """A `Sender` with the token endpoint at its other end; counts what reaches it.

    Args:
        status: What it answers.
        latency_seconds: How long it takes.
    """

    def __init__(self, *, status: int = 200, latency_seconds: float = 0) -> None:
        self.status = status
        self.requests = 0
        self._latency_seconds = latency_seconds

    async def send(self, request: HTTPRequest) -> HTTPResponse:  # noqa: ARG002
        self.requests += 1
        await asyncio.sleep(self._latency_seconds)
        body = answer(self.requests) if self.status == 200 else b""
        return HTTPResponse(self.status, {"content-type": "application/json"}, body)

    async def aclose(self) -> None:
        pass


def api(library: Any = httpx) -> Any:
    """Return the API, for async and sync clients of httpx or httpx2."""
    return library.MockTransport(lambda _: library.Response(200))


async def authorized(
    sender: Sender,
    *,
    clock: Clock = SYSTEM_CLOCK,
    store: Store | None = None,
    key: str = DEFAULT_KEY,
) -> AtlassianAuth:
    """Return an auth with a valid token, kept in memory unless another store is given."""
    store = store or MemoryStore()
    auth = AtlassianAuth(grant(), store=store, key=key, sender=sender, clock=clock)
    await auth.manager.add(auth.key, refresh_token=REFRESH_TOKEN)
    await auth.token()
    return auth
