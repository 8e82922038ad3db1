"""Sends requests with one credential, and records their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlassian_auth._cli.demo.logbook import Logbook
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.exceptions import AtlassianAuthError

__all__ = ["DemoCaller"]


class DemoCaller:
    """The ``httpx.AsyncClient`` of one credential, with a logbook.

    Args:
        key: The credential's name.
        client: Sends its bearer.
        logbook: Records the requests.
    """

    def __init__(self, key: str, client: httpx.AsyncClient, logbook: Logbook) -> None:
        self.key = key
        self._client = client
        self._logbook = logbook

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of the answer; on failure, record it and return None."""
        return await self._ask(self._client.build_request("GET", path, params=params))

    async def post(self, path: str, document: object) -> Any:
        """Send ``document``, and return the JSON of the answer; on failure, record it and return None."""
        return await self._ask(self._client.build_request("POST", path, json=document))

    async def _ask(self, request: httpx.Request) -> Any:
        self._logbook.requests[self.key] += 1
        try:
            response = await self._client.send(request)
            response.raise_for_status()
        except (httpx.HTTPError, AtlassianAuthError) as error:
            self._logbook.failures.append(f"{self.key}: {type(error).__name__}: {error}")
            return None
        self._logbook.answered[self.key] += 1
        return response.json()
