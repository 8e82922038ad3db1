"""Knows which work is under way in the runner, so that what it uses is closed after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

__all__ = ["UnderWay"]

T = TypeVar("T")


class UnderWay:
    """The work of one owner. It goes on when its caller is cancelled; its owner waits here to close."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns; until then it is under way. Used in the runner only."""
        task = _current_task()
        self._tasks.add(task)
        try:
            return await work()
        finally:
            self._tasks.discard(task)

    async def idle(self) -> None:
        """Return when all other work that is under way now has ended. Used in the runner only."""
        task = _current_task()
        self._tasks.discard(task)  # two that wait here do not wait for each other
        # Tasks of a closed loop, or of a fork's parent, never end.
        others = [other for other in list(self._tasks) if other.get_loop() is task.get_loop()]
        if others:
            await asyncio.wait(others)


def _current_task() -> asyncio.Task[Any]:
    return cast("asyncio.Task[Any]", asyncio.current_task())  # a runner runs each work in a task
