"""Many callers at once cost the server no more than one, and a failure of one key does not touch another."""

from __future__ import annotations

import anyio
import httpx
import pytest

from atlassian_auth import AtlassianAuthError, Settings, TransientError
from atlassian_auth.events import RefreshSucceeded
from atlassian_auth.testing import Fault, Gate

pytestmark = pytest.mark.every_loop

CROWD = 1_000


@pytest.fixture
def crowd():
    """Ask all at once and collect what each of them gets."""

    async def crowd(ask, size=CROWD, meanwhile=None):
        answers = []

        async def one():
            try:
                answers.append(await ask())
            except AtlassianAuthError as error:
                answers.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(size):
                group.start_soon(one)
            if meanwhile is not None:
                await meanwhile()
        return answers

    return crowd


async def test_crowd_shares_one_exchange(product, atlassian, new_manager, enrol, crowd):
    """A thousand tasks at the moment of expiry: one token request, one token."""
    manager = await enrol(new_manager(product))

    tokens = await crowd(lambda: manager.token("acme"))

    assert len({token.access_token for token in tokens}) == 1
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault.status(503), Fault.html(), Fault.refused_connection(), Fault.status(400)],
    ids=lambda fault: fault.name,
)
async def test_crowd_shares_one_failure(fault, atlassian, new_manager, enrol, crowd):
    """A thousand waiters on a failing endpoint: one exchange's attempts, an exception for each."""
    manager = await enrol(new_manager())
    atlassian.fault("token", fault, times=None)

    errors = await crowd(lambda: manager.token("acme"))

    assert len(atlassian.token_requests) <= Settings().attempts
    assert len({id(error) for error in errors}) == CROWD
    assert {(error.__cause__, error.__context__) for error in errors} == {(None, None)}


async def test_no_request_before_the_pause_ends(
    atlassian, atlassian_clock, new_manager, enrol, crowd
):
    """Between a failure and the end of its pause there is no request; then there is one exchange."""
    manager = await enrol(new_manager(settings=Settings(attempts=1)))
    atlassian.fault("token", Fault.status(503), times=None)

    counts = []
    for step in (0, 0.999, 0.001, 1.999, 0.001):
        atlassian_clock.advance(step)
        await crowd(lambda: manager.token("acme"), size=10)
        counts.append(len(atlassian.token_requests))

    assert counts == [1, 1, 2, 2, 3]


async def test_every_kind_of_call_shares_the_failure(atlassian, new_manager, enrol, crowd):
    """Plain ``token``, with a margin, ``refresh`` and requests: one failing exchange for all of them."""
    manager = await enrol(new_manager())
    atlassian.fault("token", Fault.status(503), times=None)
    kinds = [
        manager.token("acme"),
        manager.token("acme", margin=Settings().unrecoverable_token_failing_period),
        manager.refresh("acme"),
        manager.execute("acme", anyio.sleep),
    ]
    calls = iter(kinds)

    errors = await crowd(lambda: next(calls), size=len(kinds))

    assert {type(error) for error in errors} == {TransientError}
    assert len(atlassian.token_requests) == Settings().attempts


async def test_refused_tokens_are_replaced_once(product, atlassian, new_manager, enrol, crowd):
    """A hundred requests with a revoked token share one exchange and are sent again."""
    manager = await enrol(new_manager(product))
    await manager.token("acme")
    atlassian.expire_access_tokens()
    urls = atlassian.urls
    url = urls.identity_url if product == "cloud" else f"{urls.dc_base_url}/rest/api/2/myself"
    async with httpx.AsyncClient(auth=manager.auth("acme")) as client:
        answers = await crowd(lambda: client.get(url), size=100)

    assert {answer.status_code for answer in answers} == {200}
    assert len(atlassian.token_requests) == 2


async def test_late_401_adopts_what_is_there(product, atlassian, new_manager, enrol):
    """A 401 for a token that was replaced meanwhile costs no exchange, here or in another process."""
    manager, other = await enrol(new_manager(product)), new_manager(product)
    old = await manager.token("acme")
    await other.token("acme")
    new = await manager.refresh("acme")

    here = await manager.token("acme", rejected=old)
    there = await other.token("acme", rejected=old)

    assert here == there == new
    assert len(atlassian.token_requests) == 2


@pytest.mark.parametrize("stripes", [1, 64])
async def test_hanging_server_holds_up_one_key_only(stripes, atlassian, new_manager, enrol, crowd):
    """While one key's exchange hangs, the others' go on, also on the same stripe."""
    manager = await enrol(new_manager(settings=Settings(stripes=stripes)), "stalled", "well")
    gate = atlassian.hold("token")
    tokens = []

    async def ask_for_the_other():
        await gate.arrived()
        tokens.append(await manager.token("well"))
        gate.open()

    await crowd(lambda: manager.token("stalled"), size=2, meanwhile=ask_for_the_other)

    assert tokens == [manager.peek("well")]


@pytest.mark.parametrize(("operation", "stripes"), [("get", 64), ("put", 64), ("put", 1)])
async def test_slow_store_holds_up_one_key_only(
    operation, stripes, store, new_manager, enrol, crowd
):
    """While the store is slow for one key, another is served; on the same stripe as soon as it is read."""
    manager = await enrol(new_manager(settings=Settings(stripes=stripes)), "stalled", "well")
    gate = store.hold(operation)
    tokens = []

    async def ask_for_the_other():
        await gate.arrived()
        tokens.append(await manager.token("well"))
        gate.open()

    await crowd(lambda: manager.token("stalled"), size=2, meanwhile=ask_for_the_other)

    assert tokens == [manager.peek("well")]


async def test_keep_fresh_is_not_held_up_by_one_key(atlassian, new_manager, consent):
    """``keep_fresh`` refreshes the other keys while the server hangs for one of them."""
    refreshed = Gate()

    def watch(event):
        if isinstance(event, RefreshSucceeded) and event.key == "well":
            refreshed.open()

    manager = new_manager(on_event=watch)
    stalled = consent(manager)
    await manager.add("stalled", refresh_token=stalled)
    await manager.add("well", refresh_token=consent(manager))
    gate = atlassian.hold(lambda request: request.fields.get("refresh_token") == stalled)

    async with anyio.create_task_group() as group:
        group.start_soon(manager.keep_fresh)
        await gate.arrived()
        await refreshed.pass_through()
        group.cancel_scope.cancel()
    gate.open()

    assert manager.peek("well") is not None


async def test_ahead_of_expiry_no_caller_waits(
    atlassian, atlassian_clock, new_manager, enrol, crowd
):
    """In the refresh-ahead window a crowd goes on with the token it has, and one refresh starts."""
    manager = await enrol(new_manager())
    old = await manager.token("acme")
    atlassian_clock.advance(3540)
    gate = atlassian.hold("token")

    tokens = await crowd(lambda: manager.token("acme"))
    await gate.arrived()
    gate.open()
    await manager.aclose()

    assert set(tokens) == {old}
    assert manager.peek("acme") not in {old, None}
    assert len(atlassian.token_requests) == 2
