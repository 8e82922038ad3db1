"""Eight processes with a hundred tasks each share one credential, on every store."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.fleet.conftest import FULL
from tests.fleet.crew import new_manager
from tests.fleet.fleet import run_fleet

PROCESSES, TASKS, EXPIRIES = (8, 100, 20) if FULL else (8, 25, 6)


async def enrol(place, refresh_token):
    async with new_manager(place) as manager:
        await manager.add(place.key, refresh_token=refresh_token)


@pytest.mark.parametrize("product", ["cloud"])
def test_each_refresh_token_is_presented_once(nursery, server, store, place, fleets):
    """All tasks of all processes ask at each expiry: one refresh, and no request fails.

    A refresh token that is presented again ends the consent: there is no leeway here.
    """
    atlassian = server.atlassian
    atlassian.rules.reuse_leeway_seconds = 0
    asyncio.run(enrol(place, atlassian.issue_grant().refresh_token))

    result = run_fleet(
        nursery, atlassian, place, processes=PROCESSES, tasks=TASKS, expiries=EXPIRIES
    )

    fleets.append((store, (PROCESSES, TASKS, EXPIRIES), result))
    assert result.answers == Counter({200: PROCESSES * TASKS * EXPIRIES})
    assert result.presented == list(range(1, EXPIRIES + 1))
    assert result.outcomes == {"ok"}
