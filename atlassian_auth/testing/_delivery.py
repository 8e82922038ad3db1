"""Delivers an answer: at once, late, after a gate opens, or byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from atlassian_auth.ports import Clock
from atlassian_auth.testing._elsewhere import run_elsewhere
from atlassian_auth.testing.wire import Reply

__all__ = ["carry", "carry_sync", "drip", "drip_sync"]


async def carry(reply: Reply, clock: Clock) -> None:
    """Wait until the answer may arrive."""
    if reply.gate is not None:
        await reply.gate.pass_through()
    if reply.delay_seconds:
        await clock.sleep(reply.delay_seconds)


def carry_sync(reply: Reply, clock: Clock) -> None:
    """Wait until the answer may arrive, blocking the thread."""
    if reply.gate is not None or reply.delay_seconds:
        run_elsewhere(lambda: carry(reply, clock))


async def drip(reply: Reply, clock: Clock) -> AsyncIterator[bytes]:
    """Yield the body byte by byte, with a pause before each."""
    for byte in reply.body:
        await clock.sleep(reply.pause_seconds)
        yield bytes([byte])


def drip_sync(reply: Reply, clock: Clock) -> Iterator[bytes]:
    """Yield the body byte by byte, blocking the thread for a pause before each."""
    for byte in reply.body:
        run_elsewhere(lambda: clock.sleep(reply.pause_seconds))
        yield bytes([byte])
