"""What each request pays while the token is valid: next to nothing, beside a constant header."""

from __future__ import annotations

import asyncio

from atlassian_auth import AtlassianAuth
from benchmarks.clients import ConstantHeader, async_client, of_async, of_sync, sync_client
from benchmarks.rounds import paired
from benchmarks.row import Row
from benchmarks.scene import TokenEndpoint, authorized

BUDGET = 1.03


def measure(*, quick: bool) -> list[Row]:
    count, rounds = (10, 3) if quick else (100, 300)
    with asyncio.Runner() as runner:
        auth = runner.run(authorized(TokenEndpoint()))
        return [_async_row(runner, auth, count, rounds), _sync_row(auth, count, rounds)]


def _async_row(runner: asyncio.Runner, auth: AtlassianAuth, count: int, rounds: int) -> Row:
    ratios = paired(
        of_async(runner, async_client(ConstantHeader()), count),
        of_async(runner, async_client(auth), count),
        rounds=rounds,
    )
    return Row(what="valid token, AsyncClient", values=ratios, budget=BUDGET)


def _sync_row(auth: AtlassianAuth, count: int, rounds: int) -> Row:
    ratios = paired(
        of_sync(sync_client(ConstantHeader()), count),
        of_sync(sync_client(auth), count),
        rounds=rounds,
    )
    return Row(what="valid token, Client", values=ratios, budget=BUDGET)
