"""httpx-auth: an ``OAuth2AuthorizationCode`` in an ``httpx.Client``, with its ``JsonTokenFileCache``.

A client for each process, its calls in threads: the manual shows sync clients only.
"""

from __future__ import annotations

import asyncio
import importlib
import time
import webbrowser
from types import MappingProxyType
from typing import Any

import httpx

from benchmarks.trials.client import Client, ConsentWanted, Scene, save

NAME = "httpx-auth"
PACKAGES = ("httpx-auth", "httpx")
MANUAL = "https://pypi.org/project/httpx-auth/"
NOT_OFFERED = MappingProxyType(
    {"cancelled": "its manual shows sync clients, and threads cannot be cancelled"}
)

_library: Any = importlib.import_module("httpx_auth")


class _NoBrowser(webbrowser.BaseBrowser):
    """There is no person in front of the screen."""

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        raise ConsentWanted


webbrowser.register("trial", None, _NoBrowser(), preferred=True)


async def connect(scene: Scene) -> Client:
    auth = _library.OAuth2AuthorizationCode(
        scene.authorize_url,
        scene.token_url,
        client_id=scene.client_id,
        client_secret=scene.client_secret,
        redirect_uri_port=0,
        client=httpx.Client(timeout=scene.timeout_seconds),
        timeout=scene.timeout_seconds,
    )
    if scene.seed is not None:
        expiry = time.time() + scene.seed.expires_in
        stored = {auth.state: (scene.seed.access_token, expiry, scene.seed.refresh_token)}
        save(scene.path, stored)
    _library.OAuth2.token_cache = _library.JsonTokenFileCache(scene.path)
    return _Client(auth, scene.timeout_seconds)


class _Client:
    def __init__(self, auth: Any, timeout_seconds: float) -> None:
        self._http = httpx.Client(auth=auth, timeout=timeout_seconds)
        self.shown: tuple[object, ...] = (auth, self._http)

    async def get(self, url: str) -> int:
        return (await asyncio.to_thread(self._http.get, url)).status_code
