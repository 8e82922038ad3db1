"""Authlib: an ``AsyncOAuth2Client`` that saves its tokens with ``update_token``.

It stands on httpx2 where that is installed, otherwise on httpx.
"""

from __future__ import annotations

import importlib
import time
import warnings
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from benchmarks.trials.client import Client, Scene, load, save

_BASE = "httpx2" if find_spec("httpx2") else "httpx"

NAME = f"Authlib on {_BASE}"
PACKAGES = ("authlib", _BASE)
MANUAL = "https://docs.authlib.org/en/latest/client/oauth2.html"
NOT_OFFERED = MappingProxyType[str, str]({})

with warnings.catch_warnings(record=True):  # it says that httpx is deprecated
    _authlib: Any = importlib.import_module("authlib.integrations.httpx_client")


async def connect(scene: Scene) -> Client:
    if scene.seed is not None:
        token = {
            "access_token": scene.seed.access_token,
            "refresh_token": scene.seed.refresh_token,
            "token_type": "Bearer",
            "expires_at": int(time.time()) + scene.seed.expires_in,
        }
        save(scene.path, token)
    return _Client(scene)


class _Client:
    def __init__(self, scene: Scene) -> None:
        async def update_token(token: dict[str, Any], **_: object) -> None:
            save(scene.path, token)

        self._client = _authlib.AsyncOAuth2Client(
            scene.client_id,
            scene.client_secret,
            token_endpoint=scene.token_url,
            token_endpoint_auth_method="client_secret_post",
            token=load(scene.path),
            update_token=update_token,
            timeout=scene.timeout_seconds,
        )
        self.shown: tuple[object, ...] = (self._client,)

    async def get(self, url: str) -> int:
        return int((await self._client.get(url)).status_code)
