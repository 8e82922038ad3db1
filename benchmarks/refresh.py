"""A refresh from end to end (lock, read, exchange, save, publish) beside the bare POST it contains."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from time import perf_counter

import httpx

from atlassian_auth import CloudGrant, TokenManager
from atlassian_auth.stores import MemoryStore
from benchmarks.loopback import serving
from benchmarks.rounds import paired, seconds
from benchmarks.row import Row
from benchmarks.scene import REFRESH_TOKEN, answer, grant


def measure(*, quick: bool) -> list[Row]:
    count, rounds = (5, 2) if quick else (20, 60)
    numbers = itertools.count(1)
    in_process = httpx.MockTransport(lambda _: httpx.Response(200, content=answer(next(numbers))))
    with serving() as at_once, serving(latency_seconds=0.020) as later:
        near = _ratios(grant(at_once), None, count, rounds)
        far = _ratios(grant(later), None, count, 2 if quick else 10)
    nowhere = _ratios(grant(), in_process, count, rounds)
    return [
        Row(what="refresh / its POST, on loopback", values=near, budget=1.5),
        Row(what="refresh / its POST, 20 ms away", values=far),
        Row(what="refresh / its POST, in process", values=nowhere),
    ]


def _ratios(
    app: CloudGrant, transport: httpx.AsyncBaseTransport | None, count: int, rounds: int
) -> tuple[float, ...]:
    with asyncio.Runner() as runner:
        manager = TokenManager(app, store=MemoryStore(), transport=transport)
        runner.run(manager.add(refresh_token=REFRESH_TOKEN))
        client = httpx.AsyncClient(transport=transport)
        try:
            return paired(
                _bare(runner, client, app, count), _refreshes(runner, manager, count), rounds=rounds
            )
        finally:
            runner.run(manager.aclose())
            runner.run(client.aclose())


def _bare(
    runner: asyncio.Runner, client: httpx.AsyncClient, app: CloudGrant, count: int
) -> Callable[[], float]:
    request = app.refresh_request(REFRESH_TOKEN)

    async def post() -> None:
        for _ in range(count):
            await client.post(request.url, headers=dict(request.headers), content=request.body)

    return lambda: seconds(lambda: runner.run(post()), perf_counter)


def _refreshes(runner: asyncio.Runner, manager: TokenManager, count: int) -> Callable[[], float]:
    async def refresh() -> None:
        for _ in range(count):
            await manager.refresh()

    return lambda: seconds(lambda: runner.run(refresh()), perf_counter)
