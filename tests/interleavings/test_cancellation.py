"""A caller may leave at any moment: the refresh that was begun for it is finished and saved."""

from __future__ import annotations

import asyncio

import anyio
import httpx
import pytest

from atlassian_auth import TransientError
from atlassian_auth.ports._runtime.runner import InlineRunner

pytestmark = pytest.mark.every_loop


async def native_cancel(work, started):
    task = asyncio.ensure_future(work)
    await started()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def native_timeout(work, started):
    async def stop_when_started(deadline):
        await started()
        deadline.reschedule(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as deadline:
            stopper = asyncio.ensure_future(stop_when_started(deadline))
            await work
    await stopper


async def native_task_group(work, started):
    async def fail_when_started():
        await started()
        raise LookupError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(work)
            group.create_task(fail_when_started())


async def scope_cancel(work, started):
    async def cancel_when_started(scope):
        await started()
        scope.cancel()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(cancel_when_started, scope)
            await work
    assert scope.cancelled_caught


NATIVE = [native_cancel, native_timeout, native_task_group, scope_cancel]


def asyncio_only(test):
    backends = [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})]
    return pytest.mark.parametrize("anyio_backend", backends, ids=["asyncio", "uvloop"])(test)


@asyncio_only
@pytest.mark.parametrize("leave", NATIVE)
async def test_cancelled_caller_loses_nothing(
    leave, product, atlassian, new_manager, enrol, anyio_backend
):
    """If the only caller is cancelled during an exchange, the next caller gets its token."""
    manager = await enrol(new_manager(product))
    gate = atlassian.hold("token")

    await leave(manager.token("acme"), gate.arrived)
    gate.open()
    token = await manager.token("acme")

    assert token == manager.peek("acme")
    assert len(atlassian.token_requests) == 1


async def test_cancelled_caller_loses_nothing_on_any_backend(
    product, atlassian, new_manager, enrol
):
    """A cancelled scope around the only caller, also of trio, leaves the exchange undisturbed."""
    manager = await enrol(new_manager(product))
    gate = atlassian.hold("token")

    await scope_cancel(manager.token("acme"), gate.arrived)
    gate.open()
    token = await manager.token("acme")

    assert token == manager.peek("acme")
    assert len(atlassian.token_requests) == 1


@asyncio_only
async def test_inline_refresh_survives_its_caller(
    product, atlassian, new_manager, enrol, anyio_backend
):
    """With `InlineRunner` too, the cancellation of a caller does not stop the refresh."""
    manager = await enrol(new_manager(product, runner=InlineRunner()))
    gate = atlassian.hold("token")

    await native_cancel(manager.token("acme"), gate.arrived)
    gate.open()
    await manager.token("acme")

    assert len(atlassian.token_requests) == 1


@asyncio_only
async def test_an_inline_refresh_that_is_cancelled_before_it_begins(
    atlassian, new_manager, enrol, anyio_backend
):
    """If a program cancels the tasks of its loop and goes on, callers get an error, the next one a token."""
    manager = await enrol(new_manager(runner=InlineRunner()))
    caller, others = asyncio.ensure_future(manager.token("acme")), asyncio.all_tasks()
    await asyncio.sleep(0)

    [refresh] = asyncio.all_tasks() - others
    refresh.cancel()

    with pytest.raises(TransientError, match="has ended"):
        await caller
    assert await manager.token("acme") == manager.peek("acme")
    assert len(atlassian.token_requests) == 1


class Twice(InlineRunner):
    """Submits each piece of work twice, as two threads can do that join one call at the same moment."""

    def submit(self, work):
        super().submit(work)
        self.first = {*self._tasks}
        super().submit(work)
        self.second = self._tasks - self.first


@asyncio_only
async def test_a_call_that_was_submitted_twice_is_one_exchange(
    atlassian, new_manager, enrol, anyio_backend
):
    """If two threads submit the call that they share, the token is refreshed once."""
    manager = await enrol(new_manager(runner=InlineRunner()))
    runner = manager._calls._runner = Twice()

    await manager.refresh("acme")
    await asyncio.gather(*runner.first, *runner.second)

    assert len(atlassian.token_requests) == 1


@asyncio_only
@pytest.mark.parametrize("which", ["first", "second"])
async def test_an_inline_refresh_that_was_submitted_twice_is_cancelled_once(
    which, atlassian, new_manager, enrol, anyio_backend
):
    """The next caller joins the refresh that goes on."""
    manager = await enrol(new_manager(runner=InlineRunner()))
    runner = manager._calls._runner = Twice()
    gate = atlassian.hold("token")
    caller = asyncio.ensure_future(manager.token("acme"))
    await asyncio.sleep(0)

    [refresh] = getattr(runner, which)
    refresh.cancel()

    with pytest.raises(TransientError, match="has ended"):
        await caller
    next_caller = asyncio.ensure_future(manager.token("acme"))
    await gate.arrived()
    gate.open()
    assert await next_caller == manager.peek("acme")
    assert len(atlassian.token_requests) == 1


async def test_cancelled_waiter_leaves_the_others(atlassian, new_manager, enrol):
    """If one of many waiting callers is cancelled, the others get the token."""
    manager = await enrol(new_manager())
    gate = atlassian.hold("token")
    tokens = []

    async def wait():
        tokens.append(await manager.token("acme"))

    async with anyio.create_task_group() as group:
        for _ in range(9):
            group.start_soon(wait)
        await scope_cancel(manager.token("acme"), gate.arrived)
        gate.open()

    assert len(tokens) == 9
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize("operation", ["get", "put", "saved", "released"])
async def test_cancelled_while_the_store_works(
    operation, product, atlassian, store, new_manager, enrol
):
    """A caller that leaves while the store reads, saves or unlocks leaves nothing undone."""
    manager = await enrol(new_manager(product))
    gate = store.hold(operation)

    await scope_cancel(manager.token("acme"), gate.arrived)
    gate.open()
    await manager.token("acme")
    await manager.aclose()  # a token is returned as soon as it is saved

    assert len(atlassian.token_requests) == 1
    assert not store.held


async def test_cancelled_save_is_finished(product, atlassian, store, new_manager, enrol):
    """The caller of ``add`` may leave while the pasted token is being saved."""
    manager = new_manager(product)
    gate = store.hold("put")

    await scope_cancel(enrol(manager), gate.arrived)
    gate.open()
    await manager.aclose()
    await manager.token("acme")

    assert len(atlassian.token_requests) == 1


async def test_cancelled_request_loses_nothing(atlassian, new_manager, enrol):
    """A request that is given up while its auth waits for a token leaves the refresh undisturbed."""
    manager = await enrol(new_manager())
    gate = atlassian.hold("token")

    async with httpx.AsyncClient(auth=manager.auth("acme")) as client:
        await scope_cancel(client.get("https://api.atlassian.com/me"), gate.arrived)
    gate.open()
    async with httpx.AsyncClient(auth=manager.auth("acme")) as client:
        response = await client.get("https://api.atlassian.com/me")

    assert response.status_code == 200
    assert len(atlassian.token_requests) == 1


async def test_flow_closed_by_another_task_holds_nothing(atlassian, store, new_manager, enrol):
    """A flow may be closed by another task: no lock is left behind, the next request works."""
    manager = await enrol(new_manager())
    request = httpx.Request("GET", "https://api.atlassian.com/me")
    flow = manager.auth("acme").async_auth_flow(request)
    await anext(flow)

    async def close():
        await flow.aclose()

    async with anyio.create_task_group() as group:
        group.start_soon(close)
    token = await manager.refresh("acme")

    assert token == manager.peek("acme")
    assert not store.held


async def test_flow_closed_after_a_401_leaves_the_refresh(atlassian, new_manager, enrol):
    """A flow that is cancelled while it replaces a refused token: the new one is saved, asked once."""
    manager = await enrol(new_manager())
    request = httpx.Request("GET", "https://api.atlassian.com/me")
    flow = manager.auth("acme").async_auth_flow(request)
    refused = httpx.Response(401, request=await anext(flow), content=b"{}")
    old = manager.peek("acme")
    gate = atlassian.hold("token")

    await scope_cancel(flow.asend(refused), gate.arrived)
    await flow.aclose()
    gate.open()
    token = await manager.token("acme", rejected=old)

    assert token != old
    assert len(atlassian.token_requests) == 2
