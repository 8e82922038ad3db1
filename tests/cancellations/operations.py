"""What callers do when they are cancelled: each operation that may have to wait for a refresh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import httpx

from atlassian_auth.exceptions import TokenRejected
from atlassian_auth.flows import AuthorizationFlow
from tests.cancellations.track import IDLE_SECONDS
from tests.cancellations.world import TrackedWorld
from tests.harness.world import KEY

EVERY = timedelta(seconds=IDLE_SECONDS)


@dataclass(frozen=True)
class Operation:
    """A call and the state it finds.

    Args:
        run: The call.
        begin: Brings about the state, a method of `TrackedWorld`.
        had: Whether there is a credential before.
        has: Whether there is one after it, however its caller ended.
    """

    run: Callable[[TrackedWorld], Awaitable[object]]
    begin: Callable[[TrackedWorld], Awaitable[None]] = TrackedWorld.due
    had: bool = True
    has: bool = True


async def token(world):
    assert await world.manager.token(KEY)


async def refresh(world):
    await world.manager.refresh(KEY)


async def execute(world):
    """The function refuses the first token, and so is called twice."""
    seen = []

    async def use(token):
        seen.append(token)
        await world.track.reach("function")
        if len(seen) == 1:
            raise TokenRejected

    await world.manager.execute(KEY, use)


async def request(world):
    async with httpx.AsyncClient(auth=world.auth, transport=world.api) as world.client:
        response = await world.client.get(world.identity_url)
    assert response.status_code == 200


async def flow(world):
    """The steps of an ``httpx.Auth``, as a client takes them, with a 401 in between."""
    steps = world.flow = world.auth.async_auth_flow(httpx.Request("GET", world.identity_url))
    sent = await anext(steps)
    await world.track.reach("yield")
    await steps.asend(httpx.Response(401, request=sent, content=b"{}"))
    await world.track.reach("yield")
    with suppress(StopAsyncIteration):
        await steps.asend(httpx.Response(200, request=sent))


async def complete(world):
    await AuthorizationFlow(world.manager).complete(world.callback, started_by=None)


async def add(world):
    await world.manager.add(KEY, refresh_token=world.pasted)


async def forget(world):
    await world.manager.forget(KEY)


async def revoke(world):
    await world.manager.revoke(KEY)


async def keep_fresh(world):
    await world.manager.keep_fresh(every=EVERY)


async def keep_alive(world):
    await world.manager.keep_alive(every=EVERY)


async def ahead(world):
    """A request starts a refresh and does not wait for it; then the manager is closed."""
    assert world.manager.current(KEY)
    await world.manager.aclose()


OPERATIONS = {
    "token": Operation(token),
    "refresh": Operation(refresh, TrackedWorld.fresh),
    "execute": Operation(execute),
    "request": Operation(request),
    "request with a dead token": Operation(request, TrackedWorld.refused),
    "flow": Operation(flow),
    "complete": Operation(complete, TrackedWorld.nothing, had=False),
    "add": Operation(add, TrackedWorld.nothing, had=False),
    "forget": Operation(forget, TrackedWorld.fresh, has=False),
    "revoke": Operation(revoke, TrackedWorld.fresh, has=False),
    "keep_fresh": Operation(keep_fresh, TrackedWorld.ageing),
    "keep_alive": Operation(keep_alive, TrackedWorld.long_idle),
    "aclose": Operation(ahead, TrackedWorld.ageing),
}
ENDLESS = {"keep_fresh", "keep_alive"}
