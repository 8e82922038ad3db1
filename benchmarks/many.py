"""A hundred thousand credentials in one manager: what each holds, and what it costs to look one up."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable
from time import process_time

from atlassian_auth import Token, TokenManager
from benchmarks.fleet import manager_of, names
from benchmarks.rounds import paired, seconds
from benchmarks.row import Row
from benchmarks.scene import REFRESH_TOKEN

FEW = 10


def measure(*, quick: bool) -> list[Row]:
    small = asyncio.run(manager_of(FEW))
    sizes = (100,) if quick else (1_000, 100_000)
    return [row for many in sizes for row in _rows(small, many, quick=quick)]


def _rows(small: TokenManager, many: int, *, quick: bool) -> list[Row]:
    lookups, rounds = (1_000, 3) if quick else (100_000, 60)
    large, size = _weigh(many)
    baseline = _lookups(small, FEW, lookups)
    same = paired(baseline, _lookups(large, FEW, lookups), rounds=rounds)
    each = paired(baseline, _lookups(large, many, lookups), rounds=rounds)
    lookup = f"lookup among {many:,} / {FEW}"
    return [
        Row(what=f"memory of 1 of {many:,} credentials", values=(size,), unit="B", budget=2048),
        Row(what=f"{lookup}, the same keys", values=same, budget=1.1),
        Row(what=f"{lookup}, each in turn", values=each),
    ]


def _weigh(count: int) -> tuple[TokenManager, float]:
    """Return a manager with so many credentials, and what it holds for each of them."""
    tracemalloc.start()
    try:
        before = _memory_in_use()
        manager = asyncio.run(manager_of(count))
        held = _memory_in_use() - before
    finally:
        tracemalloc.stop()
    return manager, (held - sum(_text(manager, key) for key in names(count))) / count


def _memory_in_use() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _text(manager: TokenManager, key: str) -> int:
    token = manager.current(key)
    assert isinstance(token, Token)
    return sys.getsizeof(token.access_token) + sys.getsizeof(f"{REFRESH_TOKEN}{key}")


def _lookups(manager: TokenManager, keys: int, count: int) -> Callable[[], float]:
    wanted = list(itertools.islice(itertools.cycle(names(keys)), count))

    def look_up() -> None:
        for key in wanted:
            manager.current(key)

    return lambda: seconds(look_up, process_time)
