"""Users' code is called with nothing held: it may use the same auth, raise, or take its time."""

from __future__ import annotations

import asyncio
import threading

import anyio
import httpx
import pytest

from atlassian_auth import ConfigurationError
from atlassian_auth.events import RefreshSucceeded
from atlassian_auth.exceptions import TokenRejected
from atlassian_auth.testing import Gate

pytestmark = pytest.mark.every_loop

URL = "https://api.atlassian.com/me"


@pytest.fixture
def heard():
    """What a callback has heard and done."""
    return []


async def test_no_lock_is_held_while_a_callback_runs(store, new_manager, enrol, heard):
    """When a callback gets an event, the store's lock is free and the token is published."""
    manager = new_manager(
        on_event=lambda event: heard.append((event, set(store.held), manager.peek("acme")))
    )
    await enrol(manager)

    token = await manager.token("acme")
    await manager.aclose()

    [(held, published)] = [rest for event, *rest in heard if isinstance(event, RefreshSucceeded)]
    assert held == set()
    assert published == token


async def test_callback_may_use_the_same_auth(new_manager, enrol, heard):
    """A callback that waits for a thread which refreshes the same credential does not wait for ever."""

    def on_event(event):
        if isinstance(event, RefreshSucceeded) and not heard:
            heard.append(event)
            thread = threading.Thread(target=ask)
            thread.start()

    def ask():
        heard.append(manager.token_sync("acme"))
        done.open()

    done = Gate()
    manager = await enrol(new_manager(on_event=on_event))

    token = await manager.token("acme")
    await done.pass_through()

    assert heard[1] == token


async def test_callback_that_would_wait_for_itself_raises(new_manager, enrol, heard):
    """A blocking call on the thread that refreshes is an error there, not a standstill."""

    def on_event(event):
        try:
            manager.token_sync("unknown")
        except ConfigurationError as error:
            heard.append(error)

    manager = await enrol(new_manager(on_event=on_event))

    await manager.token("acme")
    await manager.aclose()

    assert heard


@pytest.mark.parametrize(
    "error", [LookupError, SystemExit, KeyboardInterrupt, asyncio.CancelledError]
)
async def test_callback_that_raises_stops_nothing(
    error, atlassian_clock, new_manager, enrol, caplog
):
    """Whatever a callback raises, ``sys.exit()`` included, refreshes go on; the log names the event."""

    def on_event(event):
        raise error

    manager = await enrol(new_manager(on_event=on_event))
    await manager.token("acme")
    atlassian_clock.advance(3600)

    token = await manager.token("acme")

    assert manager.peek("acme") == token
    await manager.aclose()  # after the last event
    failed = [one for one in caplog.records if one.exc_info]
    assert {(one.event, one.key) for one in failed} == {
        ("RefreshStarted", "acme"),
        ("RefreshSucceeded", "acme"),
    }
    assert failed[0].getMessage() == "The callback on_event raised for RefreshStarted."


async def test_slow_callback_delays_no_waiter(new_manager, enrol):
    """A caller that waits for the token has it before the callback gets the event."""
    served = threading.Event()

    def on_event(event):
        if isinstance(event, RefreshSucceeded):
            heard.append(served.wait(100))

    heard = []
    manager = await enrol(new_manager(on_event=on_event))

    await manager.token("acme")
    served.set()
    await manager.aclose()

    assert heard == [True]


async def test_execute_holds_nothing(new_manager, enrol, store):
    """The function that ``execute`` calls may refresh and forget the credential it was given."""
    manager = await enrol(new_manager())
    calls = []

    async def use(token):
        calls.append((token, set(store.held)))
        if len(calls) == 1:
            await manager.token("acme", rejected=token)
            raise TokenRejected("not this one")
        await manager.forget("acme")

    await manager.execute("acme", use)

    assert [held for _, held in calls] == [set(), set()]
    assert calls[0][0] != calls[1][0]


async def test_request_under_way_holds_nothing(atlassian, store, new_manager, enrol):
    """While a response is being awaited or streamed, others refresh the same credential."""
    manager, other = await enrol(new_manager()), new_manager()
    gate = atlassian.hold("api")
    statuses = []

    async def get():
        async with httpx.AsyncClient(auth=manager.auth("acme")) as client:
            statuses.append((await client.get(URL)).status_code)

    async with anyio.create_task_group() as group:
        group.start_soon(get)
        await gate.arrived()
        held = set(store.held)
        new = await other.token("acme", rejected=manager.peek("acme"))
        here = await manager.refresh("acme")
        gate.open()

    assert statuses == [200]
    assert held == set()
    assert here == new


async def test_hooks_of_the_client_may_use_the_auth(atlassian, new_manager, enrol):
    """An event hook of the user's client that sends through the same auth does not lock itself out."""
    manager = await enrol(new_manager())
    auth, statuses = manager.auth("acme"), []

    async def hook(request):
        async with httpx.AsyncClient(auth=auth) as other:
            statuses.append((await other.get(URL)).status_code)

    async with httpx.AsyncClient(auth=auth, event_hooks={"request": [hook]}) as client:
        statuses.append((await client.get(URL)).status_code)

    assert statuses == [200, 200]
    assert len(atlassian.token_requests) == 1
