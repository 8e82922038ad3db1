"""Clients that send the same requests to the same API, each with its own way to sign them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from time import process_time
from typing import Any

import httpx

from benchmarks.rounds import seconds
from benchmarks.scene import ACCESS_TOKEN, URL, api


class _ConstantHeader:
    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        request.headers["Authorization"] = f"Bearer {ACCESS_TOKEN}"
        yield request


def constant_header(library: Any = httpx) -> Any:
    """Return the least that an auth of httpx or httpx2 can do: what all the others are compared with."""
    return type("ConstantHeader", (_ConstantHeader, library.Auth), {})()


def async_client(auth: Any, library: Any = httpx) -> Any:
    return library.AsyncClient(auth=auth, transport=api(library))


def sync_client(auth: Any, library: Any = httpx) -> Any:
    return library.Client(auth=auth, transport=api(library))


def of_async(runner: asyncio.Runner, client: Any, count: int) -> Callable[[], float]:
    """Return a function that returns the seconds of ``count`` requests, one after the other."""

    async def send() -> None:
        for _ in range(count):
            await client.get(URL)

    return lambda: seconds(lambda: runner.run(send()), process_time)


def of_sync(client: Any, count: int) -> Callable[[], float]:
    """Return the same for a sync client, or a session of requests."""

    def send() -> None:
        for _ in range(count):
            client.get(URL)

    return lambda: seconds(send, process_time)
