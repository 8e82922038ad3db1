"""Refreshes on each store, beside what the store alone takes for the same: lock, read, write, unlock.

The token endpoint answers from memory and at once, so that the store is what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from secrets import token_hex
from time import perf_counter

from atlassian_auth import TokenManager
from atlassian_auth.stores import Store, open_store
from benchmarks.places import Place, places
from benchmarks.rounds import paired, seconds
from benchmarks.row import Row
from benchmarks.scene import REFRESH_TOKEN, TokenEndpoint, grant
from benchmarks.storm import TIME_BUDGET, Storm


def measure(*, quick: bool) -> list[Row]:
    with places() as found:
        return [row for place in found for row in on_store(place, quick=quick)]


def on_store(place: Place, *, quick: bool) -> list[Row]:
    """Return the rows of one store, or one that says why there are none."""
    if place.url is None:
        return [Row(what=f"refreshes, {place.name}", values=(), note=place.note)]
    return [
        *_refreshes(place.name, place.url, quick=quick),
        *_storm(place.name, place.url, quick=quick),
    ]


def _refreshes(name: str, url: str, *, quick: bool) -> list[Row]:
    count, rounds = (4, 2) if quick else (50, 30)
    with asyncio.Runner() as runner:
        refreshes = Refreshes(runner, open_store(url), count)
        one = paired(refreshes.trips_in_turn, refreshes.in_turn, rounds=rounds)
        each = tuple(count / spent for spent in refreshes.spent)
        refreshes.spent.clear()
        paired(refreshes.trips_at_once, refreshes.at_once, rounds=rounds)
        refreshes.close()
    return [
        Row(what=f"refresh / its store alone, {name}", values=one),
        Row(what=f"refreshes in turn, {name}", values=each, unit="/s"),
        Row(
            what=f"refreshes at once, {name}",
            values=tuple(count / spent for spent in refreshes.spent),
            unit="/s",
        ),
    ]


def _storm(name: str, url: str, *, quick: bool) -> list[Row]:
    tasks, rounds = (100, 2) if quick else (1_000, 15)
    with asyncio.Runner() as runner:
        storm = Storm(runner, tasks, store=open_store(url), key=token_hex(8))
        ratios = paired(storm.valid, storm.expired, rounds=rounds)
        storm.close()
    what = f"storm of {tasks:,} on {name}"
    return [
        Row(what=f"{what}: token requests", values=tuple(storm.asked), unit="", budget=1),
        Row(what=f"{what}: time", values=ratios, budget=TIME_BUDGET),
    ]


class Refreshes:
    """Credentials of one manager in one store.

    Args:
        runner: The loop they are refreshed from.
        store: Where they are.
        count: How many.
    """

    def __init__(self, runner: asyncio.Runner, store: Store, count: int) -> None:
        self.spent: list[float] = []
        self._runner = runner
        self._store = store
        self._manager = TokenManager(grant(), store=store, sender=TokenEndpoint())
        self._keys = [token_hex(8) for _ in range(count)]
        runner.run(self._add())

    def trips_in_turn(self) -> float:
        """Return the seconds of the store alone, key after key."""
        return self._seconds(self._trips_in_turn)

    def in_turn(self) -> float:
        """Return the seconds of refreshes, key after key."""
        return self._keep(self._seconds(self._in_turn))

    def trips_at_once(self) -> float:
        """Return the seconds of the store alone, all keys at once."""
        return self._seconds(self._trips_at_once)

    def at_once(self) -> float:
        """Return the seconds of refreshes, all keys at once."""
        return self._keep(self._seconds(self._at_once))

    def close(self) -> None:
        self._runner.run(self._close())

    def _seconds(self, work: Callable[[], object]) -> float:
        return seconds(work, perf_counter)

    def _keep(self, spent: float) -> float:
        self.spent.append(spent)
        return spent

    def _in_turn(self) -> None:
        async def refresh() -> None:
            for key in self._keys:
                await self._manager.refresh(key)

        self._runner.run(refresh())

    def _at_once(self) -> None:
        async def refresh() -> None:
            await asyncio.gather(*map(self._manager.refresh, self._keys))

        self._runner.run(refresh())

    def _trips_in_turn(self) -> None:
        async def trips() -> None:
            for key in self._keys:
                await self._trip(key)

        self._runner.run(self._manager.perform(trips))

    def _trips_at_once(self) -> None:
        async def trips() -> None:
            await asyncio.gather(*map(self._trip, self._keys))

        self._runner.run(self._manager.perform(trips))

    async def _trip(self, key: str) -> None:
        async with self._store.lock("tokens", key, timeout_seconds=60):
            stored = await self._store.get("tokens", key)
            assert stored is not None
            await self._store.put("tokens", key, stored.value, expected=stored.version)

    async def _add(self) -> None:
        for number, key in enumerate(self._keys):
            await self._manager.add(key, refresh_token=f"{REFRESH_TOKEN}{number}")
            await self._manager.token(key)

    async def _close(self) -> None:
        for key in self._keys:
            await self._manager.forget(key)
        await self._manager.aclose()
