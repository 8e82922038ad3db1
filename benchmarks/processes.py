"""Eight processes with a hundred tasks each, through twenty expiries of the one credential that they share.

The tests' own fleet, on stores that processes can share: see `tests/fleet`.
"""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import Any

from atlassian_auth.testing import FakeAtlassian, LoopbackServer
from benchmarks.places import Place, places
from benchmarks.row import Row


def measure(*, quick: bool) -> list[Row]:
    if not hasattr(os, "fork"):
        return [Row(what="processes on one credential", values=(), note="no fork on this platform")]
    try:
        crew, fleet, nursery = (
            import_module(f"tests.fleet.{name}") for name in ("crew", "fleet", "nursery")
        )
    except ImportError as error:
        return [Row(what="processes on one credential", values=(), note=str(error))]
    with places() as found, nursery.Nursery() as processes:
        shared = [place for place in found if place.name != "memory"]
        return [
            row
            for place in shared
            for row in _measure_fleet(place, crew, fleet, processes, quick=quick)
        ]


def _measure_fleet(place: Place, crew: Any, fleet: Any, nursery: Any, *, quick: bool) -> list[Row]:
    processes, tasks, expiries = (2, 5, 2) if quick else (8, 100, 20)
    what = f"{processes} × {tasks} tasks × {expiries} expiries, {place.name}"
    if place.url is None:
        return [Row(what=what, values=(), note=place.note)]
    with LoopbackServer(FakeAtlassian()) as server:
        atlassian = server.atlassian
        atlassian.rules.reuse_leeway_seconds = 0
        credential = crew.Place(server.origin, "cloud", place.url, key=f"benchmark-{server.origin}")
        asyncio.run(_enrol(crew, credential, atlassian.issue_grant().refresh_token))
        result = fleet.run_fleet(
            nursery, atlassian, credential, processes=processes, tasks=tasks, expiries=expiries
        )
    return [
        Row(what=f"{what}: failed requests", values=(result.failed,), unit="", budget=0),
        Row(
            what=f"{what}: token requests",
            values=(len(result.presented),),
            unit="",
            budget=expiries,
        ),
        Row(what=f"{what}: presented twice", values=(_twice(result),), unit="", budget=0),
        Row(what=f"{what}: wall", values=(result.seconds,), unit="s"),
    ]


async def _enrol(crew: Any, credential: Any, refresh_token: str) -> None:
    async with crew.new_manager(credential) as manager:
        await manager.add(credential.key, refresh_token=refresh_token)


def _twice(result: Any) -> int:
    return len(result.presented) - len(set(result.presented))
