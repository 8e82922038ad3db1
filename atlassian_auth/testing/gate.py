"""Holds an answer: the server has done its work, and the test decides when the client gets the answer."""

from __future__ import annotations

from atlassian_auth.ports._runtime.future import SharedFuture

__all__ = ["Gate"]


class Gate:
    """Holds the emulator's answer until it is opened; usable from any thread and event loop."""

    def __init__(self) -> None:
        self._arrived = SharedFuture[None]()
        self._opened = SharedFuture[None]()

    async def arrived(self) -> None:
        """Return when a request has been served and its answer waits here."""
        await self._arrived.wait()

    def arrived_sync(self) -> None:
        """Block the thread until a request has been served and its answer waits here."""
        self._arrived.wait_sync()

    def open(self) -> None:
        """Let the answer and all later ones pass."""
        self._opened.set_result(None)

    async def pass_through(self) -> None:
        """Wait until the gate is open; the emulator calls it before it delivers an answer."""
        self._arrived.set_result(None)
        await self._opened.wait()
