"""Holding one answer back: the work is done, and the test decides when that is known."""

from __future__ import annotations

from atlassian_auth._runtime.future import SharedFuture

__all__ = ["Gate"]


class Gate:
    """Stands between the emulator's work and its answer; usable from any thread and event loop."""

    def __init__(self) -> None:
        self._arrived = SharedFuture[None]()
        self._opened = SharedFuture[None]()

    async def arrived(self) -> None:
        """Return when a request has been served and its answer waits here."""
        await self._arrived.wait()

    def arrived_sync(self) -> None:
        """Return when a request has been served and its answer waits here; blocks the thread."""
        self._arrived.wait_sync()

    def open(self) -> None:
        """Let the answer go, and all that come after it."""
        self._opened.set_result(None)

    async def pass_through(self) -> None:
        """Wait at the gate; called by whoever carries the answer."""
        self._arrived.set_result(None)
        await self._opened.wait()
