"""A thousand tasks while the token endpoint is down: one exchange's attempts, an error for each task."""

from __future__ import annotations

import asyncio

from atlassian_auth import Settings, TransientError
from atlassian_auth.testing import ManualClock
from benchmarks.clients import async_client
from benchmarks.row import Row
from benchmarks.scene import URL, TokenEndpoint, authorized

TASKS = 1_000


def measure(*, quick: bool) -> list[Row]:  # noqa: ARG001  (it counts, and takes no time)
    requests, errors = asyncio.run(_storm())
    shared = TASKS - len({id(error) for error in errors if isinstance(error, TransientError)})
    name = f"failing storm of {TASKS:,}"
    attempts = Settings().attempts
    return [
        Row(what=f"{name}: token requests", values=(requests,), unit="", budget=attempts),
        Row(what=f"{name}: shared errors", values=(shared,), unit="", budget=0),
    ]


async def _storm() -> tuple[int, list[object]]:
    clock, endpoint = ManualClock(), TokenEndpoint(latency_seconds=0.005)
    auth = await authorized(endpoint, clock=clock)
    endpoint.status = 503
    clock.advance(3600)
    before = endpoint.requests
    async with async_client(auth) as client:
        tasks = [client.get(URL) for _ in range(TASKS)]
        errors: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
    return endpoint.requests - before, errors
