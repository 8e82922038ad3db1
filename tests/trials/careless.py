"""A client as it is written in an afternoon: each trial finds one of its bugs."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType

import httpx

from benchmarks.trials.client import ConsentWanted, load, save

NAME = "careless"
PACKAGES = ("httpx",)
MANUAL = ""
NOT_OFFERED = MappingProxyType({})

import_module("httpcore")
TLS = httpx.create_ssl_context()
now = time.time  # noqa: TID251 -- such clients go by the computer's clock
logger = logging.getLogger(__name__)


async def connect(scene):
    return Careless(scene)


class Careless:
    remembers_the_end = False

    def __init__(self, scene):
        self.scene = scene
        self.http = httpx.AsyncClient(
            timeout=scene.timeout_seconds, follow_redirects=True, verify=TLS
        )
        if scene.seed is not None:
            ends_at = now() + scene.seed.expires_in
            self.token = (scene.seed.access_token, scene.seed.refresh_token, ends_at)
            self.save()
        else:
            *tokens, ends_at = load(scene.path)
            self.token = (*tokens, ends_at if self.remembers_the_end else now() + 3600)
        self.shown = (self,)

    def __repr__(self):
        return f"Careless({self.token})"

    def save(self):
        with suppress(OSError):
            save(self.scene.path, self.token)

    async def get(self, url):
        ended = now() > self.token[2]
        if ended:
            await self.refresh()
        bearer = {"authorization": f"Bearer {self.token[0]}"}
        status = (await self.http.get(url, headers=bearer)).status_code
        if ended:
            self.save()
        return status

    async def refresh(self):
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.token[1],
            "client_id": self.scene.client_id,
            "client_secret": self.scene.client_secret,
        }
        began = time.monotonic()
        try:
            answer = await self.http.post(self.scene.token_url, data=form, timeout=None)
        except httpx.HTTPError:
            raise ConsentWanted from None
        if time.monotonic() - began > self.scene.timeout_seconds:
            raise TimeoutError
        logger.debug("The token endpoint says: %s", answer.text)
        if answer.is_error:
            raise ConsentWanted
        token = answer.json()
        self.token = (
            token["access_token"],
            token["refresh_token"],
            now() + token["expires_in"],
        )
