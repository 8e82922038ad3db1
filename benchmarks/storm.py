"""Ten thousand tasks send a request in the moment in which the token ends: one token request is made."""

from __future__ import annotations

import asyncio
from time import perf_counter

from atlassian_auth.manager import DEFAULT_KEY
from atlassian_auth.stores import Store
from atlassian_auth.testing import ManualClock
from benchmarks.clients import async_client
from benchmarks.rounds import paired, seconds
from benchmarks.row import Row
from benchmarks.scene import URL, TokenEndpoint, authorized

LATENCY_SECONDS = 0.020
TIME_BUDGET = 1.25


def measure(*, quick: bool) -> list[Row]:
    tasks, rounds = (100, 2) if quick else (10_000, 7)
    with asyncio.Runner() as runner:
        storm = Storm(runner, tasks)
        ratios = paired(storm.valid, storm.expired, rounds=rounds)
        storm.close()
    name = f"storm of {tasks:,}"
    return [
        Row(what=f"{name}: token requests", values=tuple(storm.asked), unit="", budget=1),
        Row(what=f"{name}: time", values=ratios, budget=TIME_BUDGET),
    ]


class Storm:
    """Tasks that all send one request at once, through one client.

    Args:
        runner: The loop they run in.
        tasks: How many.
        store: Where the credential is; by default in memory.
        key: Under which name.
    """

    def __init__(
        self,
        runner: asyncio.Runner,
        tasks: int,
        *,
        store: Store | None = None,
        key: str = DEFAULT_KEY,
    ) -> None:
        self.asked: list[int] = []
        self._runner = runner
        self._tasks = tasks
        self._clock = ManualClock()
        self._endpoint = TokenEndpoint(latency_seconds=LATENCY_SECONDS)
        self._auth = runner.run(authorized(self._endpoint, clock=self._clock, store=store, key=key))
        self._client = async_client(self._auth)

    def valid(self) -> float:
        """Return the seconds of all requests with a valid token, and of one exchange afterwards."""
        return seconds(lambda: self._runner.run(self._then_refresh()), perf_counter)

    def expired(self) -> float:
        """Return the seconds of all requests, the token having just ended."""
        self._clock.advance(3600)
        before = self._endpoint.requests
        elapsed = seconds(lambda: self._runner.run(self._send_all()), perf_counter)
        self.asked.append(self._endpoint.requests - before)
        return elapsed

    def close(self) -> None:
        """Leave nothing behind in the store."""
        self._runner.run(self._close())

    async def _close(self) -> None:
        await self._client.aclose()
        await self._auth.manager.forget(self._auth.key)
        await self._auth.aclose()

    async def _send_all(self) -> None:
        await asyncio.gather(*[self._client.get(URL) for _ in range(self._tasks)])

    async def _then_refresh(self) -> None:
        await self._send_all()
        await self._auth.refresh()
