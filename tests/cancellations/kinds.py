"""How a caller is made to leave, and what it then sees: one function for each way.

Each is given the call, what to wait for before it strikes, and the world. It returns only after the
call has ended: where the refresh is held at that moment, the cancellation was prompt.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings

import anyio
import anyio.lowlevel
import pytest

FOREVER = 1e6


class Sibling(Exception):
    """What a task raises beside the caller."""


class RingingMixin:
    """A loop whose far deadlines ring when told: no test waits for one."""

    def call_later(self, delay, callback, *args, **kwargs):
        self._remember(delay, callback, args)
        return super().call_later(delay, callback, *args, **kwargs)

    def call_at(self, when, callback, *args, **kwargs):
        self._remember(when - self.time(), callback, args)
        return super().call_at(when, callback, *args, **kwargs)

    def _remember(self, delay, callback, args):
        if delay > FOREVER / 2:
            # Once, though uvloop's call_at calls call_later.
            self.__dict__.setdefault("distant", {})[callback, args] = None

    def ring(self):
        for callback, args in self.__dict__.pop("distant", ()):
            self.call_soon(callback, *args)


# -- asyncio's own --------------------------------------------------------------------------------


async def cancel(work, ready, world):
    task = asyncio.ensure_future(work())
    await ready()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_twice(work, ready, world):
    task = asyncio.ensure_future(work())
    await ready()
    task.cancel()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_unstarted(work, ready, world):
    task = asyncio.ensure_future(work())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_just_before_the_end(work, ready, world):
    """The refresh has ended; in the same turn of the loop the cancellation reaches the caller first."""
    task = asyncio.ensure_future(work())
    await ready()
    world.track.open()
    world.drain()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_just_after_the_end(work, ready, world):
    """The outcome reaches the caller first; the cancellation comes before the caller goes on."""
    task = asyncio.ensure_future(work())
    await ready()
    world.track.open()
    world.drain()
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


async def timeout(work, ready, world):
    async def expire(deadline):
        await ready()
        deadline.reschedule(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as deadline:
            expiring = asyncio.ensure_future(expire(deadline))
            await work()
    await expiring


async def wait_for(work, ready, world):
    async def expire():
        await ready()
        asyncio.get_running_loop().ring()

    expiring = asyncio.ensure_future(expire())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), FOREVER)
    await expiring


async def task_group(work, ready, world):
    async def fail():
        await ready()
        raise Sibling

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(fail())
    assert caught.group_contains(Sibling)


# -- anyio's, also on trio ------------------------------------------------------------------------


async def _strike_in_scope(work, ready, scope, strike):
    async def strike_when_ready():
        await ready()
        strike(scope)

    async with anyio.create_task_group() as group:
        with scope:
            group.start_soon(strike_when_ready)
            await work()


async def scope_cancel(work, ready, world):
    scope = anyio.CancelScope()
    await _strike_in_scope(work, ready, scope, lambda scope: scope.cancel())
    assert scope.cancelled_caught


async def scope_cancelled_already(work, ready, world):
    """The call begins in a scope that is cancelled: it asks, and does not wait for the answer."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await work()
    assert scope.cancelled_caught


async def scope_cancel_just_before_the_end(work, ready, world):
    """The outcome is at the door when the scope is cancelled; either may win, the caller ends."""

    def strike(scope):
        world.track.open()
        world.drain()
        scope.cancel()

    await _strike_in_scope(work, ready, anyio.CancelScope(), strike)


def _expire(scope):
    scope.deadline = -sys.maxsize


async def move_on_after(work, ready, world):
    scope = anyio.move_on_after(FOREVER)
    await _strike_in_scope(work, ready, scope, _expire)
    assert scope.cancelled_caught


async def fail_after(work, ready, world):
    async def expire(scope):
        await ready()
        _expire(scope)

    async with anyio.create_task_group() as group:
        with pytest.raises(TimeoutError), anyio.fail_after(FOREVER) as scope:
            group.start_soon(expire, scope)
            await work()


async def anyio_task_group(work, ready, world):
    async def fail():
        await ready()
        raise Sibling

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            group.start_soon(fail)
    assert caught.group_contains(Sibling)


# -- trio's own -----------------------------------------------------------------------------------


async def trio_scope(work, ready, world):
    import trio

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await ready()
            scope.cancel()
    assert scope.cancelled_caught


async def trio_fail_after(work, ready, world):
    import trio

    async def expire(scope):
        await ready()
        _expire(scope)

    async with trio.open_nursery() as nursery:
        with pytest.raises(trio.TooSlowError), trio.fail_after(FOREVER) as scope:
            nursery.start_soon(expire, scope)
            await work()


async def trio_nursery(work, ready, world):
    import trio

    async def fail():
        await ready()
        raise Sibling

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            nursery.start_soon(fail)
    assert caught.group_contains(Sibling)


# -- not the caller, but what it works with -------------------------------------------------------


async def manager_closed(work, ready, world):
    """Another task closes the manager in the middle: the call ends as if it had not."""
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await ready()
        group.start_soon(world.manager.aclose)
        await anyio.lowlevel.checkpoint()
        world.track.open()


async def client_closed(work, ready, world):
    """Another task closes the client in the middle of its request: the refresh goes on."""
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await ready()
        await world.client.aclose()
        world.track.open()


async def flow_closed(work, ready, world):
    """Another task closes the auth flow while its request is under way."""
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await ready()
        await world.flow.aclose()
        group.cancel_scope.cancel()


async def flow_collected(work, ready, world):
    """No variable holds the auth flow any more: the garbage collector ends it, from another task."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # trio tells the user
        await scope_cancel(work, ready, world)
        world.flow = None
        gc.collect()
        for _ in range(3):
            await anyio.lowlevel.checkpoint()


UNSTARTED = {cancel_unstarted}
AT_ONCE = {*UNSTARTED, scope_cancelled_already}
SAME_TURN = {
    cancel_just_before_the_end,
    cancel_just_after_the_end,
    scope_cancel_just_before_the_end,
}
ANYIO = (
    scope_cancel,
    scope_cancelled_already,
    scope_cancel_just_before_the_end,
    move_on_after,
    fail_after,
    anyio_task_group,
)
ASYNCIO = (
    cancel,
    cancel_twice,
    cancel_unstarted,
    cancel_just_before_the_end,
    cancel_just_after_the_end,
    timeout,
    wait_for,
    task_group,
    *ANYIO,
)
TRIO = (trio_scope, trio_fail_after, trio_nursery, *ANYIO)
DISTURBANCES = (manager_closed, client_closed, flow_closed, flow_collected)
