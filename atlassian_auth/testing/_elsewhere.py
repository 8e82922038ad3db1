"""Waiting for async code from sync code, also in a thread whose event loop is running."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

__all__ = ["run_elsewhere"]

T = TypeVar("T")


def run_elsewhere(work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns, having run it in an event loop and a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, work).result()
