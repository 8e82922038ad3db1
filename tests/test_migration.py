"""Credentials move between stores: none is lost, none has two holders, whatever is interrupted when."""

from __future__ import annotations

import itertools

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    StoreError,
    TokenManager,
    TransientError,
)
from atlassian_auth.migration import Transfer, Transferred, _Transit
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.stores.base import Store
from atlassian_auth.testing import cloud_grant

KEY, VALUE = "acme", b'{"schema":1,"record":{}}'


@pytest.fixture
def source(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def target(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


async def held(store, key=KEY):
    """What a service finds in the store; None if it cannot use it."""
    stored = await store.get("tokens", key)
    return None if stored is None or b"in transit" in stored.value else stored.value


async def is_empty(store, *namespaces):
    return [await store.keys(namespace) for namespace in namespaces] == [[]] * len(namespaces)


# -- the way it should go --------------------------------------------------------------------------


async def test_a_credential_moves(source, target):
    """A moved credential is in the target only, and no mark is left in either store."""
    await source.put("tokens", KEY, VALUE)
    transfer = Transfer(source, target)

    assert await transfer.keys() == [KEY]
    assert await transfer.move(KEY) == Transferred.MOVED

    assert await held(target) == VALUE
    assert await is_empty(source, "tokens", "arrivals")
    assert await is_empty(target, "arrivals")


async def test_it_goes_on_in_the_target(atlassian, atlassian_clock, tmp_path):
    """After a move the target's manager refreshes the credential; the source's says it is missing."""
    grant, options = cloud_grant(atlassian), {"clock": atlassian_clock}
    old = TokenManager(grant, store=SQLiteStore(tmp_path / "old.db", **options), **options)
    new = TokenManager(grant, store=SQLiteStore(tmp_path / "new.db", **options), **options)
    await old.add(KEY, refresh_token=atlassian.issue_grant().refresh_token)
    before = await old.token(KEY)

    await Transfer(old.store, new.store).move(KEY)

    assert await new.token(KEY) == before
    atlassian_clock.advance(3600)
    await new.token(KEY)
    with pytest.raises(AuthorizationRequired) as caught:
        await old.token(KEY)
    assert caught.value.reason == "missing"
    assert atlassian.leeway_reuses == 0
    await old.aclose()
    await new.aclose()


async def test_moving_again_changes_nothing(source, target):
    """Moving a moved credential again changes nothing."""
    await source.put("tokens", KEY, VALUE)
    transfer = Transfer(source, target)
    await transfer.move(KEY)
    refreshed = await target.put("tokens", KEY, b"refreshed")

    assert await transfer.move(KEY) == Transferred.PRESENT

    assert (await target.get("tokens", KEY)).version == refreshed


async def test_stores_are_closed(tmp_path):
    """Both; and they open again when they are used."""
    one, other = SQLiteStore(tmp_path / "one.db"), SQLiteStore(tmp_path / "other.db")
    transfer = Transfer(one, other)
    await one.put("tokens", KEY, VALUE)

    await transfer.move(KEY)
    await transfer.aclose()

    assert not list(tmp_path.glob("*-wal"))


# -- refusals --------------------------------------------------------------------------------------


async def test_nothing_to_move(source, target):
    """A key that neither store has is most likely misspelled."""
    with pytest.raises(ConfigurationError, match="Neither the source nor the target has") as caught:
        await Transfer(source, target).move("acem")

    assert caught.value.argument == "key"


async def test_a_key_must_be_one(source, target):
    """A key that cannot name a record is refused."""
    with pytest.raises(ConfigurationError, match="cannot name a record"):
        await Transfer(source, target).move("")


async def test_the_target_is_not_overwritten(source, target):
    """Two credentials of one name are for a person to tell apart; both stay."""
    await source.put("tokens", KEY, VALUE)
    await target.put("tokens", KEY, b"other")

    with pytest.raises(ConfigurationError, match="use overwrite to replace") as caught:
        await Transfer(source, target).move(KEY)

    assert caught.value.argument == "overwrite"
    assert (await held(source), await held(target)) == (VALUE, b"other")


async def test_the_target_is_overwritten_on_demand(source, target):
    """With `overwrite=True` the moved credential replaces that of the target."""
    await source.put("tokens", KEY, VALUE)
    await target.put("tokens", KEY, b"other")

    await Transfer(source, target, overwrite=True).move(KEY)

    assert (await held(source), await held(target)) == (None, VALUE)


async def test_one_store_by_two_names(tmp_path):
    """A move from a store to itself is refused at once, even with two names for one path."""
    one, same = SQLiteStore(tmp_path / "a.db"), SQLiteStore(tmp_path / "." / "a.db")
    await one.put("tokens", KEY, VALUE)

    with pytest.raises(ConfigurationError, match="the same store") as caught:
        await Transfer(one, same).move(KEY)

    assert caught.value.argument == "target"
    assert await held(one) == VALUE
    assert await is_empty(one, "arrivals")
    await one.aclose()
    await same.aclose()


@pytest.mark.parametrize("whose", ["source", "target"])
async def test_a_refresh_is_waited_for(source, target, whose):
    """In either store; if it takes too long, nothing has changed."""
    await source.put("tokens", KEY, VALUE)
    busy = {"source": source, "target": target}[whose]

    async with busy.lock("tokens", KEY, timeout_seconds=1):
        with pytest.raises(TransientError, match="Nothing was changed; try again later"):
            await Transfer(source, target, lock_timeout_seconds=0).move(KEY)

    assert (await held(source), await held(target)) == (VALUE, None)


# -- interruptions ---------------------------------------------------------------------------------


class Fate:
    """Decides at which use of a store the process is killed: before it is done, or after."""

    def __init__(self, at, *, done):
        self.at = at
        self.done = done
        self.uses = itertools.count(1)

    async def meet(self, use):
        number = next(self.uses)
        if number > self.at or (number == self.at and not self.done):
            raise StoreError("killed")
        result = await use()
        if number == self.at:
            raise StoreError("killed")
        return result


class Mortal(Store):
    """A store whose user is killed by and by."""

    def __init__(self, store, fate):
        self.store = store
        self.fate = fate

    async def get(self, *args):
        return await self.fate.meet(lambda: self.store.get(*args))

    async def put(self, *args, **options):
        return await self.fate.meet(lambda: self.store.put(*args, **options))

    async def delete(self, *args, **options):
        return await self.fate.meet(lambda: self.store.delete(*args, **options))

    async def keys(self, namespace):
        return await self.store.keys(namespace)

    def lock(self, *args, **options):
        return self.store.lock(*args, **options)

    async def aclose(self):
        await self.store.aclose()


async def interrupted(source, target, at, *, done, overwrite=False):
    """Start a move that is killed; return whether it was."""
    fate = Fate(at, done=done)
    transfer = Transfer(Mortal(source, fate), Mortal(target, fate), overwrite=overwrite)
    try:
        await transfer.move(KEY)
    except StoreError:
        return True
    return False


USES = 11
MOMENTS = list(itertools.product(range(1, USES + 2), [False, True]))


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize(("at", "done"), MOMENTS)
async def test_killed_at_any_moment(source, target, at, done, overwrite):
    """Never can both stores use it; services refresh it meanwhile; the next run finishes, with the newest."""
    await source.put("tokens", KEY, VALUE)
    if overwrite:
        await target.put("tokens", KEY, b"to be replaced")

    killed = await interrupted(source, target, at, done=done, overwrite=overwrite)
    holders = [
        store for store in (source, target) if await held(store) not in (None, b"to be replaced")
    ]
    newest = VALUE
    for store in holders:
        newest = b"refreshed"
        await store.put("tokens", KEY, newest)
    await Transfer(source, target, overwrite=overwrite).move(KEY)

    assert len(holders) <= 1
    assert killed == (at <= USES)
    assert (await held(source), await held(target)) == (None, newest)
    assert await is_empty(source, "tokens")
    assert KEY not in await target.keys("arrivals")


async def on_its_way(source, target):
    """Kill a move when the credential has left the source and is not in the target."""
    await source.put("tokens", KEY, VALUE)
    moments = itertools.count(1)
    while await held(source) is not None:
        await interrupted(source, target, next(moments), done=True)


async def test_it_goes_where_it_was_going(source, target, atlassian_clock):
    """A half-moved credential cannot go to another target, which might make two copies."""
    await on_its_way(source, target)
    other = MemoryStore(clock=atlassian_clock)

    with pytest.raises(ConfigurationError, match="being moved to another store") as caught:
        await Transfer(source, other).move(KEY)

    assert caught.value.argument == "target"
    assert (await held(source), await held(other)) == (None, None)
    assert await Transfer(source, target).move(KEY) == Transferred.FINISHED
    assert await held(target) == VALUE


async def test_the_target_is_gone_for_good(source, target, atlassian_clock):
    """With `overwrite=True` a half-moved credential can go to another target."""
    await on_its_way(source, target)
    other = MemoryStore(clock=atlassian_clock)

    assert await Transfer(source, other, overwrite=True).move(KEY) == Transferred.FINISHED

    assert (await held(source), await held(other)) == (None, VALUE)


async def test_a_credential_on_its_way_is_not_used(atlassian, atlassian_clock, source, target):
    """A manager with the old store raises an error, and neither spends nor replaces it."""
    manager = TokenManager(cloud_grant(atlassian), store=source, clock=atlassian_clock)
    await on_its_way(source, target)

    with pytest.raises(StoreError, match="is being moved to another store"):
        await manager.token(KEY)
    with pytest.raises(StoreError):
        await manager.add(KEY, refresh_token=atlassian.issue_grant().refresh_token)

    assert atlassian.token_requests == ()
    await manager.aclose()


async def test_what_is_on_its_way_shows_nothing(source, target):
    """The repr of a half-moved credential shows no secret."""
    assert "secret" not in repr(_Transit("a", 0, b"secret"))


async def test_a_cancelled_caller(source, target):
    """A move whose caller is cancelled is finished."""
    await source.put("tokens", KEY, VALUE)
    reached, go_on = SharedFuture[None](), SharedFuture[None]()

    class Slow(MemoryStore):
        async def get(self, *args):
            reached.set_result(None)
            await go_on.wait()
            return await source.get(*args)

        async def delete(self, *args, **options):
            return await source.delete(*args, **options)

        async def put(self, *args, **options):
            return await source.put(*args, **options)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Transfer(Slow(), target).move, KEY)
        await reached.wait()
        tasks.cancel_scope.cancel()
    before = await held(target)
    go_on.set_result(None)
    await anyio.to_thread.run_sync(SHARED_RUNNER.drain)

    assert (before, await held(target)) == (None, VALUE)


@pytest.mark.parametrize(
    "rest",
    [b"", b'"name": "a"}', b'"name": "a", "replaces": 0, "record": 7}', b'"x": ' + b"[" * 100_000],
    ids=["cut", "incomplete", "of-another-type", "nested"],
)
async def test_a_damaged_mark(source, target, rest):
    """A mark without its target is reported as damaged, and left as it is."""
    damaged = b'{"schema": "in transit", ' + rest
    await source.put("tokens", KEY, damaged)

    with pytest.raises(StoreError, match="marked as being moved to another store, but is damaged"):
        await Transfer(source, target).move(KEY)

    assert (await source.get("tokens", KEY)).value == damaged
    assert await is_empty(target, "tokens")
