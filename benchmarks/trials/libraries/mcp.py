"""The MCP Python SDK: an ``OAuthClientProvider`` in an ``httpx2.AsyncClient``, its ``TokenStorage`` a file.

Its storage keeps no expiry, so it begins with the consent itself: a person agrees at once. That person
is gone when the first process has begun.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.trials.client import Client, ConsentWanted, Scene, load, save

NAME = "MCP Python SDK"
PACKAGES = ("mcp", "httpx2")
MANUAL = (
    "https://github.com/modelcontextprotocol/python-sdk/blob/v2.3.0/docs/client/oauth-clients.md"
)
NOT_OFFERED = MappingProxyType[str, str]({})

_auth: Any = importlib.import_module("mcp.client.auth")
_models: Any = importlib.import_module("mcp.shared.auth")
_httpx2: Any = importlib.import_module("httpx2")


async def connect(scene: Scene) -> Client:
    client = _Client(scene)
    if scene.seed is not None:
        await client.get(f"{scene.origin}/api/me")
    client.person.gone = True
    return client


class _Storage:
    def __init__(self, scene: Scene) -> None:
        self._tokens = scene.path
        self._client_info = _models.OAuthClientInformationFull(
            client_id=scene.client_id,
            client_secret=scene.client_secret,
            redirect_uris=[scene.redirect_uri],
            token_endpoint_auth_method="client_secret_post",
        )

    async def get_tokens(self) -> Any:
        stored = load(self._tokens)
        return stored and _models.OAuthToken.model_validate(stored)

    async def set_tokens(self, tokens: Any) -> None:
        save(self._tokens, tokens.model_dump(mode="json"))

    async def get_client_info(self) -> Any:
        return self._client_info

    async def set_client_info(self, client_info: Any) -> None:
        self._client_info = client_info


class _Person:
    """Opens the authorization URL, and agrees."""

    def __init__(self) -> None:
        self.gone = False
        self._callback = ""

    async def open(self, url: str) -> None:
        if self.gone:
            raise ConsentWanted
        # Atlassian asks for a parameter of its own.
        answer = await self._browse(f"{url}&audience=api.atlassian.com")
        self._callback = answer.headers["location"]

    async def come_back(self) -> Any:
        values = parse_qs(urlsplit(self._callback).query)
        return _models.AuthorizationCodeResult(code=values["code"][0], state=values["state"][0])

    async def _browse(self, url: str) -> Any:
        async with _httpx2.AsyncClient() as browser:
            return await browser.get(url)


class _Client:
    def __init__(self, scene: Scene) -> None:
        self.person = _Person()
        provider = _auth.OAuthClientProvider(
            server_url=f"{scene.origin}/api/me",
            client_metadata=_models.OAuthClientMetadata(
                redirect_uris=[scene.redirect_uri],
                token_endpoint_auth_method="client_secret_post",
            ),
            storage=_Storage(scene),
            redirect_handler=self.person.open,
            callback_handler=self.person.come_back,
        )
        self._http = _httpx2.AsyncClient(auth=provider, timeout=scene.timeout_seconds)
        self.shown: tuple[object, ...] = (provider, self._http)

    async def get(self, url: str) -> int:
        return int((await self._http.get(url)).status_code)
