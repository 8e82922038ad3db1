"""Event loops come and go, and threads ask at the same time: one credential, one exchange."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
import trio

from atlassian_auth.ports._runtime.runner import InlineRunner
from atlassian_auth.testing import Gate

pytestmark = pytest.mark.every_loop

REQUEST_ID = contextvars.ContextVar("REQUEST_ID", default="none")


def start(manager, gate):
    """A main function that ends while the exchange it started is under way."""

    async def main():
        asyncio.ensure_future(manager.token("acme"))  # noqa: RUF006 -- asyncio.run cancels it
        await gate.arrived()

    return main()


def test_loop_may_end_in_mid_exchange(product, atlassian, new_manager, enrol):
    """A second `asyncio.run` gets the token whose refresh the first one began."""
    manager = asyncio.run(enrol(new_manager(product)))
    gate = atlassian.hold("token")

    asyncio.run(start(manager, gate))
    gate.open()
    token = asyncio.run(manager.token("acme"))

    assert token == manager.peek("acme")
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize("operation", ["get", "put", "saved", "released"])
def test_loop_may_end_while_the_store_works(
    operation, product, atlassian, store, new_manager, enrol
):
    """A save is finished and the lock released, even if the caller's loop has ended."""
    manager = asyncio.run(enrol(new_manager(product)))
    gate = store.hold(operation)

    asyncio.run(start(manager, gate))
    gate.open()
    asyncio.run(manager.token("acme"))
    asyncio.run(manager.aclose())  # a token is returned as soon as it is saved

    assert len(atlassian.token_requests) == 1
    assert not store.held


def test_trio_run_may_end_in_mid_exchange(atlassian, new_manager, enrol):
    """The end of ``trio.run`` does not reach the exchange either, and asyncio gets the result."""
    manager = asyncio.run(enrol(new_manager()))
    gate = atlassian.hold("token")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.token, "acme")
            await gate.arrived()
            nursery.cancel_scope.cancel()

    trio.run(main)
    gate.open()
    asyncio.run(manager.token("acme"))

    assert len(atlassian.token_requests) == 1


def test_all_callers_share_one_exchange(atlassian, new_manager, enrol):
    """Two asyncio loops, trio and sync callers, each in a thread: one exchange, the same token."""
    manager = asyncio.run(enrol(new_manager()))
    gate = atlassian.hold("token")
    ways = [
        lambda: asyncio.run(manager.token("acme")),
        lambda: asyncio.run(manager.token("acme")),
        lambda: trio.run(manager.token, "acme"),
        lambda: manager.token_sync("acme"),
        lambda: manager.token_sync("acme"),
    ]

    with ThreadPoolExecutor(len(ways)) as pool:
        answers = [pool.submit(way) for way in ways]
        gate.arrived_sync()
        gate.open()

    assert len({answer.result().access_token for answer in answers}) == 1
    assert len(atlassian.token_requests) == 1


def test_sync_and_async_clients_share_one_exchange(atlassian, new_manager, enrol):
    """``httpx.Client`` in a thread and ``httpx.AsyncClient`` send the token of one exchange."""
    manager = asyncio.run(enrol(new_manager()))
    gate = atlassian.hold("token")
    auth = manager.auth("acme")

    def sync_get():
        with httpx.Client(auth=auth) as client:
            return client.get("https://api.atlassian.com/me").status_code

    async def async_get():
        async with httpx.AsyncClient(auth=auth) as client:
            return (await client.get("https://api.atlassian.com/me")).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(sync_get), pool.submit(asyncio.run, async_get())]
        gate.arrived_sync()
        gate.open()

    assert [answer.result() for answer in answers] == [200, 200]
    assert len(atlassian.token_requests) == 1


def test_threads_storm_one_credential(product, atlassian, atlassian_clock, new_manager, enrol):
    """Sixteen threads that start together at each expiry make one exchange each time."""
    manager = asyncio.run(enrol(new_manager(product)))
    barrier = threading.Barrier(16)

    def ask(_):
        barrier.wait()
        return manager.token_sync("acme").access_token

    with ThreadPoolExecutor(16) as pool:
        for expiry in range(1, 6):
            tokens = set(pool.map(ask, range(16)))
            atlassian_clock.advance(3600)

            assert len(tokens) == 1
            assert len(atlassian.token_requests) == expiry


def test_waiter_whose_loop_is_gone_does_no_harm(atlassian, new_manager, enrol):
    """If one waiting caller's loop was closed, the others get the outcome."""
    manager = asyncio.run(enrol(new_manager()))
    gate = atlassian.hold("token")

    asyncio.run(start(manager, gate))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(manager.token_sync, "acme")
        gate.open()

    assert waiting.result() == manager.peek("acme")


def test_inline_loop_may_end_in_mid_exchange(atlassian, store, new_manager, enrol):
    """Without a thread the exchange ends with its loop, and Cloud's leeway saves the consent."""
    manager = asyncio.run(enrol(new_manager(runner=InlineRunner())))
    gate = atlassian.hold("token")

    async def begin():
        await start(manager, gate)
        store.recorder.was("acme", "killed")

    asyncio.run(begin())
    token = asyncio.run(asyncio.wait_for(manager.token("acme"), 300))

    assert token == manager.peek("acme")
    assert atlassian.leeway_reuses == 1


def test_no_caller_joins_a_call_of_a_loop_that_stands_still(atlassian, store, new_manager, enrol):
    """A loop that was left with an exchange under way does not hold up the callers of other loops."""
    # To the model, one manager that works in two loops at a time is two processes of one name.
    manager = asyncio.run(enrol(new_manager(runner=InlineRunner(), traced=False)))
    store.locks = False  # the loop that stands still would hold it for ever
    gate = atlassian.hold("token")

    with asyncio.Runner() as standing:
        standing.run(gate_arrives(manager, gate))
        token = asyncio.run(asyncio.wait_for(manager.token("acme"), 300))

    assert token == manager.peek("acme")


async def gate_arrives(manager, gate):
    """Return while a task of this loop waits for the answer."""
    manager.waiting = asyncio.create_task(manager.token("acme"))
    await gate.arrived()


async def test_refreshes_do_not_run_in_the_callers_context(new_manager, enrol):
    """A refresh does not inherit a caller's context variables or deadline."""
    seen = []
    manager = new_manager(on_event=lambda _event: seen.append(REQUEST_ID.get()))
    await enrol(manager)
    REQUEST_ID.set("42")

    with anyio.CancelScope(deadline=anyio.current_time() + 60):
        await manager.token("acme")
    await manager.aclose()

    assert set(seen) == {"none"}


async def test_first_callers_deadline_is_its_own(atlassian, new_manager, enrol):
    """The refresh of a caller with a short deadline goes on for the callers with a longer one."""
    manager = await enrol(new_manager())
    gate = atlassian.hold("token")

    with anyio.move_on_after(0) as impatient:
        await manager.token("acme")
    await gate.arrived()
    gate.open()
    await manager.token("acme")

    assert impatient.cancelled_caught
    assert len(atlassian.token_requests) == 1


def test_two_managers_in_two_threads_take_turns(
    product, atlassian, atlassian_clock, new_manager, enrol
):
    """Managers that share a store but nothing else present each refresh token once."""
    managers = [asyncio.run(enrol(new_manager(product))), new_manager(product)]
    gate = Gate()

    def ask(manager):
        gate.open()
        return manager.token_sync("acme").access_token

    with ThreadPoolExecutor(2) as pool:
        for expiry in range(1, 4):
            tokens = set(pool.map(ask, managers))
            atlassian_clock.advance(3600)

            assert len(tokens) == 1
            assert len(atlassian.token_requests) == expiry
