"""Runs async code from sync code, also in a thread with a running event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

__all__ = ["run_elsewhere"]

T = TypeVar("T")


def run_elsewhere(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` in a new thread with its own event loop, and return its result."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, work).result()
