"""Clients that send the same requests to the same API, each with its own way to sign them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from time import process_time

import httpx

from benchmarks.rounds import seconds
from benchmarks.scene import ACCESS_TOKEN, URL, api


class ConstantHeader(httpx.Auth):
    """The least an ``httpx.Auth`` can do: what all the others are compared with."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {ACCESS_TOKEN}"
        yield request


def async_client(auth: httpx.Auth) -> httpx.AsyncClient:
    return httpx.AsyncClient(auth=auth, transport=api())


def sync_client(auth: httpx.Auth) -> httpx.Client:
    return httpx.Client(auth=auth, transport=api())


def of_async(runner: asyncio.Runner, client: httpx.AsyncClient, count: int) -> Callable[[], float]:
    """Return a function that returns the seconds of ``count`` requests, one after the other."""

    async def send() -> None:
        for _ in range(count):
            await client.get(URL)

    return lambda: seconds(lambda: runner.run(send()), process_time)


def of_sync(client: httpx.Client, count: int) -> Callable[[], float]:
    """Return the same for a sync client."""

    def send() -> None:
        for _ in range(count):
            client.get(URL)

    return lambda: seconds(send, process_time)
