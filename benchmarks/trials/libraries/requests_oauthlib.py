"""requests-oauthlib: ``OAuth2Session`` refreshes by itself and saves with ``token_updater``.

Each request has a session and a thread of its own: sessions of requests are not made for several threads.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from types import MappingProxyType
from typing import Any

from benchmarks.trials.client import Client, Scene, load, save

NAME = "requests-oauthlib"
PACKAGES = ("requests-oauthlib", "oauthlib", "requests")
MANUAL = "https://requests-oauthlib.readthedocs.io/en/latest/oauth2_workflow.html"
NOT_OFFERED = MappingProxyType({"cancelled": "a sync library, and threads cannot be cancelled"})

# The emulated server is at http://127.0.0.1, and so the library asks for this.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
_library: Any = importlib.import_module("requests_oauthlib")


async def connect(scene: Scene) -> Client:
    if scene.seed is not None:
        token = {
            "access_token": scene.seed.access_token,
            "refresh_token": scene.seed.refresh_token,
            "token_type": "Bearer",
            "expires_at": time.time() + scene.seed.expires_in,
        }
        save(scene.path, token)
    return _Client(scene)


class _Client:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.shown: tuple[object, ...] = (self._session(),)

    async def get(self, url: str) -> int:
        return await asyncio.to_thread(self._get, url)

    def _get(self, url: str) -> int:
        with self._session() as session:
            return int(session.get(url, timeout=self._scene.timeout_seconds).status_code)

    def _session(self) -> Any:
        scene = self._scene
        secrets = {"client_id": scene.client_id, "client_secret": scene.client_secret}
        return _library.OAuth2Session(
            scene.client_id,
            token=load(scene.path),
            auto_refresh_url=scene.token_url,
            auto_refresh_kwargs=secrets,
            token_updater=lambda token: save(scene.path, token),
        )
