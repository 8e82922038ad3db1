"""The promises of every `Store`, as tests: subclass one class and create your store in a fixture.

::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, clock):
            return MyStore(..., clock=clock)

        @pytest.fixture
        def second(self, clock, store):  # optional: another handle on the same records
            return MyStore(..., clock=clock)

The tests need pytest and the plugin that comes with anyio. The store takes the time from ``clock``:
it stands still until a test moves it.
"""

# ruff: noqa: S101, ARG002 -- assert is how pytest speaks, and fixtures may be asked for their effect

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import ClassVar

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint

from atlassian_auth.exceptions import ConfigurationError, VersionConflict
from atlassian_auth.stores.base import ABSENT, Store, Stored
from atlassian_auth.testing.clock import ManualClock

__all__ = ["StoreContract", "ThreadSafeStoreContract"]

_PATIENCE_SECONDS = 1_000_000.0
_TICK_SECONDS = 0.01
_BACKENDS = ("asyncio", "trio") if find_spec("trio") else ("asyncio",)

_ODD_KEYS = {
    "space": " ",
    "dots": "..",
    "slashes": "../../etc/passwd",
    "drive": "C:\\tenant",
    "wildcards": "*?[a-z]%_",
    "quotes": "'\"`; DROP TABLE records; --",
    "newline": "a\nb\r",
    "nul": "a\0b",
    "unicode": "Ünïcøde ☂ 日本語 🔑",
    "long": "k" * 1000,
}

_TWINS = {
    "case": (("tokens", "Acme"), ("tokens", "acme")),
    "space": (("tokens", "acme"), ("tokens", "acme ")),
    "nul": (("tokens", "acme"), ("tokens", "acme\0")),
    "normal form": (("tokens", "\u00e9"), ("tokens", "e\u0301")),
    "namespace": (("tokens", "acme"), ("flows", "acme")),
    "border": (("a", "bc"), ("ab", "c")),
    "slash": (("a/b", "c"), ("a", "b/c")),
    "colon": (("a:b", "c"), ("a", "b:c")),
}


class StoreContract:
    """The promises for one event loop, for all stores."""

    pytestmark: ClassVar[pytest.MarkDecorator] = pytest.mark.anyio

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that the store is to use."""
        return ManualClock(autojump=False)

    @pytest.fixture
    def store(self, clock: ManualClock) -> Store:
        """Return the store that is tested, empty; override this one."""
        raise NotImplementedError("override the fixture `store`: it returns your store, empty")

    @pytest.fixture
    def second(self, store: Store) -> Store:
        """Return another handle on the records of ``store``; override this where there can be one."""
        pytest.skip("the fixture `second` is not overridden: no other handle on the same records")

    async def test_nothing_is_there_at_first(self, store: Store) -> None:
        """A record that was not stored is absent."""
        assert await store.get("tokens", "acme") is None
        assert await store.keys("tokens") == []
        assert not await store.delete("tokens", "acme")

    async def test_what_is_put_is_there(self, store: Store) -> None:
        """``get`` returns the bytes and the version that ``put`` returned."""
        version = await store.put("tokens", "acme", b"value")

        assert version > ABSENT
        assert await store.get("tokens", "acme") == Stored(b"value", version)

    async def test_put_replaces(self, store: Store) -> None:
        """The newest value counts, and its version is greater."""
        first = await store.put("tokens", "acme", b"old")
        second = await store.put("tokens", "acme", b"new")

        assert second > first
        assert await store.get("tokens", "acme") == Stored(b"new", second)

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(b"", id="empty"),
            pytest.param(bytes(range(256)), id="all bytes"),
            pytest.param(b"\0" * 1_000_000, id="large"),
        ],
    )
    async def test_any_bytes(self, store: Store, value: bytes) -> None:
        """Values come back byte for byte."""
        version = await store.put("tokens", "acme", value)

        assert await store.get("tokens", "acme") == Stored(value, version)

    @pytest.mark.parametrize("key", _ODD_KEYS.values(), ids=_ODD_KEYS.keys())
    async def test_any_key(self, store: Store, key: str) -> None:
        """Any text can be a namespace and a key: it is found, listed, locked and deleted."""
        version = await store.put(key, key, b"value")

        assert await store.get(key, key) == Stored(b"value", version)
        assert await store.keys(key) == [key]
        async with store.lock(key, key, timeout_seconds=0):
            assert await store.delete(key, key, expected=version)
        assert await store.keys(key) == []

    @pytest.mark.parametrize(("one", "other"), _TWINS.values(), ids=_TWINS.keys())
    async def test_names_are_exact(
        self, store: Store, one: tuple[str, str], other: tuple[str, str]
    ) -> None:
        """Names that look alike are different, each with its own record and lock."""
        await store.put(*one, b"one")
        await store.put(*other, b"other", expected=ABSENT)

        async with (
            store.lock(*one, timeout_seconds=0),
            store.lock(*other, timeout_seconds=0),
        ):
            assert await store.delete(*one)
        assert await store.get(*one) is None
        remaining = await store.get(*other)
        assert remaining is not None
        assert remaining.value == b"other"

    @pytest.mark.parametrize(
        ("namespace", "key", "argument"),
        [
            pytest.param("", "acme", "namespace", id="empty namespace"),
            pytest.param("tokens", "", "key", id="empty key"),
            pytest.param("tokens", "\ud800", "key", id="lone surrogate"),
            pytest.param(b"tokens", "acme", "namespace", id="bytes"),
            pytest.param("tokens", 42, "key", id="number"),
        ],
    )
    async def test_what_is_no_name(
        self, store: Store, namespace: str, key: str, argument: str
    ) -> None:
        """A name must be non-empty text that UTF-8 can write; the error for any other names it."""
        for call in (
            lambda: store.get(namespace, key),
            lambda: store.put(namespace, key, b"value"),
            lambda: store.delete(namespace, key),
            lambda: _enter(store, namespace, key),
        ):
            with pytest.raises(ConfigurationError) as raised:
                await call()
            assert raised.value.argument == argument

    async def test_keys_are_sorted(self, store: Store) -> None:
        """``keys`` lists its namespace, by code points."""
        for key in ("b", "é", "a", "B", "🔑", "\uffff"):
            await store.put("tokens", key, b"value")
        await store.put("flows", "c", b"value")

        assert await store.keys("tokens") == ["B", "a", "b", "é", "\uffff", "🔑"]
        assert await store.keys("flows") == ["c"]

    async def test_delete(self, store: Store) -> None:
        """A deleted record is absent, and deleting says whether there was one."""
        await store.put("tokens", "acme", b"value")

        assert await store.delete("tokens", "acme")
        assert not await store.delete("tokens", "acme")
        assert await store.get("tokens", "acme") is None
        assert await store.keys("tokens") == []

    async def test_put_at_the_expected_version(self, store: Store) -> None:
        """A caller that read the current version may change the record."""
        first = await store.put("tokens", "acme", b"1", expected=ABSENT)
        second = await store.put("tokens", "acme", b"2", expected=first)

        assert await store.get("tokens", "acme") == Stored(b"2", second)

    async def test_put_at_another_version(self, store: Store) -> None:
        """A caller with an older version, or none, gets a conflict and changes nothing."""
        old = await store.put("tokens", "acme", b"old")
        version = await store.put("tokens", "acme", b"new")

        for expected in (old, version + 1, ABSENT):
            with pytest.raises(VersionConflict):
                await store.put("tokens", "acme", b"mine", expected=expected)
        assert await store.get("tokens", "acme") == Stored(b"new", version)

    async def test_put_where_nothing_is_left(self, store: Store) -> None:
        """A caller that expects a version of an absent record gets a conflict; it stays absent."""
        version = await store.put("tokens", "acme", b"value")
        await store.delete("tokens", "acme")

        with pytest.raises(VersionConflict):
            await store.put("tokens", "acme", b"mine", expected=version)
        assert await store.get("tokens", "acme") is None

    async def test_delete_at_a_version(self, store: Store) -> None:
        """Only a caller with the current version may delete, and only once."""
        old = await store.put("tokens", "acme", b"old")
        version = await store.put("tokens", "acme", b"new")

        with pytest.raises(VersionConflict):
            await store.delete("tokens", "acme", expected=old)
        assert await store.get("tokens", "acme") == Stored(b"new", version)
        assert await store.delete("tokens", "acme", expected=version)
        with pytest.raises(VersionConflict):
            await store.delete("tokens", "acme", expected=version)

    async def test_conflicts_show_no_value(self, store: Store) -> None:
        """The text of a conflict holds neither the stored nor the refused value."""
        await store.put("tokens", "acme", b"stored-secret")

        with pytest.raises(VersionConflict) as raised:
            await store.put("tokens", "acme", b"refused-secret", expected=ABSENT)
        assert "secret" not in f"{raised.value!r} {raised.value}"

    async def test_versions_are_never_used_again(self, store: Store) -> None:
        """A record that was deleted and stored anew is not mistaken for the old one."""
        versions: list[int] = []
        for _ in range(3):
            versions.append(await store.put("tokens", "acme", b"same"))
            await store.delete("tokens", "acme")
        last = await store.put("tokens", "acme", b"same")

        assert len({*versions, last}) == 4
        for expected in versions:
            with pytest.raises(VersionConflict):
                await store.put("tokens", "acme", b"mine", expected=expected)
            with pytest.raises(VersionConflict):
                await store.delete("tokens", "acme", expected=expected)

    async def test_time_to_live(self, store: Store, clock: ManualClock) -> None:
        """A record exists until it expires, and is absent from that moment on."""
        await store.put("flows", "state", b"value", ttl_seconds=60)

        clock.advance(59.5)
        assert await store.get("flows", "state") is not None
        assert await store.keys("flows") == ["state"]
        clock.advance(0.5)
        assert await store.get("flows", "state") is None
        assert await store.keys("flows") == []
        assert not await store.delete("flows", "state")

    async def test_versions_after_the_time(self, store: Store, clock: ManualClock) -> None:
        """An expired record is absent also for a caller that expects a version."""
        old = await store.put("flows", "state", b"old", ttl_seconds=60)

        clock.advance(60)
        with pytest.raises(VersionConflict):
            await store.put("flows", "state", b"mine", expected=old)
        with pytest.raises(VersionConflict):
            await store.delete("flows", "state", expected=old)
        assert await store.put("flows", "state", b"new", expected=ABSENT) != old

    async def test_time_to_live_counts_from_the_last_put(
        self, store: Store, clock: ManualClock
    ) -> None:
        """Storing again sets a new expiry, or none; reading does not change it."""
        await store.put("flows", "longer", b"1", ttl_seconds=10)
        await store.put("flows", "shorter", b"1", ttl_seconds=60)
        await store.put("flows", "for good", b"1", ttl_seconds=10)
        await store.put("flows", "read", b"1", ttl_seconds=10)
        clock.advance(9)
        await store.put("flows", "longer", b"2", ttl_seconds=10)
        await store.put("flows", "shorter", b"2", ttl_seconds=5)
        await store.put("flows", "for good", b"2")
        await store.get("flows", "read")

        clock.advance(9)
        assert await store.keys("flows") == ["for good", "longer"]
        clock.advance(1)
        assert await store.keys("flows") == ["for good"]

    async def test_no_time_at_all(self, store: Store) -> None:
        """With an expiry of zero a record is absent at once."""
        await store.put("flows", "state", b"value", ttl_seconds=0)

        assert await store.get("flows", "state") is None

    @pytest.mark.parametrize("ttl_seconds", [-1, float("nan"), float("inf")])
    async def test_impossible_times(self, store: Store, ttl_seconds: float) -> None:
        """An expiry that is negative or not finite is refused, and nothing is stored."""
        with pytest.raises(ConfigurationError) as raised:
            await store.put("flows", "state", b"value", ttl_seconds=ttl_seconds)
        assert raised.value.argument == "ttl_seconds"
        assert await store.get("flows", "state") is None

    async def test_one_wins(self, store: Store) -> None:
        """Of many who change the version they all read, one succeeds and all others conflict."""
        version = await store.put("tokens", "acme", b"old")

        won = await _winners(
            lambda number: store.put("tokens", "acme", b"%d" % number, expected=version)
        )

        assert len(won) == 1
        stored = await store.get("tokens", "acme")
        assert stored is not None
        assert stored.value == b"%d" % won[0]

    async def test_one_creates(self, store: Store) -> None:
        """Of many who create a record, one succeeds."""
        won = await _winners(lambda _: store.put("tokens", "acme", b"value", expected=ABSENT))

        assert len(won) == 1

    async def test_one_consumes(self, store: Store) -> None:
        """Of many who delete the version they all read, one succeeds: a record is used once."""
        version = await store.put("flows", "state", b"value")

        won = await _winners(lambda _: store.delete("flows", "state", expected=version))

        assert len(won) == 1

    async def test_no_update_is_lost(self, store: Store) -> None:
        """Counting by compare and swap counts every caller."""
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(_count, store)

        stored = await store.get("tokens", "counter")
        assert stored is not None
        assert stored.value == b"10"

    async def test_the_lock_excludes(self, store: Store, clock: ManualClock) -> None:
        """One caller at a time holds the lock."""
        room = _Room(expected=10)

        async with _ticking(clock), anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(_visit, store, room)

        assert (room.visits, room.most) == (10, 1)

    async def test_a_free_lock_needs_no_time(self, store: Store) -> None:
        """A free lock is acquired, even with a timeout of zero."""
        await _enter(store, "tokens", "acme")
        await _enter(store, "tokens", "acme")

    async def test_the_lock_times_out(self, store: Store, clock: ManualClock) -> None:
        """A caller gets `TimeoutError` after its timeout, and not before."""
        async with _ticking(clock), store.lock("tokens", "acme", timeout_seconds=0):
            began = clock.time()
            with pytest.raises(TimeoutError):
                await _visit(store, _Room(), timeout_seconds=5)

        assert clock.time() - began >= 5

    async def test_after_a_timeout(self, store: Store, clock: ManualClock) -> None:
        """A caller that gave up waiting does not block others."""
        async with _ticking(clock):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                with pytest.raises(TimeoutError):
                    await _visit(store, _Room(), timeout_seconds=1)

            await _visit(store, _Room())

    async def test_the_lock_can_be_asked(self, store: Store) -> None:
        """``lock`` yields None, or a `Hold`, which confirms that the lock is held until it is released."""
        async with store.lock("tokens", "acme", timeout_seconds=0) as hold:
            assert hold is None or await hold.confirm()
        assert hold is None or not await hold.confirm()

        async with store.lock("tokens", "acme", timeout_seconds=0) as later:
            assert later is None or await later.confirm()
            assert hold is None or not await hold.confirm()

    async def test_the_lock_is_not_reentrant(self, store: Store, clock: ManualClock) -> None:
        """The lock is not reentrant; its holder still holds it after a failed attempt."""
        async with _ticking(clock), store.lock("tokens", "acme", timeout_seconds=0):
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await _visit(store, _Room(), timeout_seconds=1)

    async def test_an_exception_releases_the_lock(self, store: Store) -> None:
        """An exception releases the lock, and is passed on."""
        error = TimeoutError("the caller's own")

        with pytest.raises(TimeoutError) as raised:
            async with store.lock("tokens", "acme", timeout_seconds=0):
                raise error

        assert raised.value is error
        await _visit(store, _Room(), timeout_seconds=0)

    async def test_cancellation_releases_the_lock(self, store: Store) -> None:
        """A cancelled holder releases the lock."""
        with anyio.CancelScope() as scope:
            async with store.lock("tokens", "acme", timeout_seconds=0):
                scope.cancel()
                await anyio.sleep_forever()

        assert scope.cancelled_caught
        await _visit(store, _Room(), timeout_seconds=0)

    async def test_cancelled_while_waiting(self, store: Store, clock: ManualClock) -> None:
        """A cancelled waiter does not get the lock later, and others do."""
        room = _Room()

        async with (
            _ticking(clock),
            store.lock("tokens", "acme", timeout_seconds=0),
            anyio.create_task_group() as impatient,
        ):
            for _ in range(3):
                impatient.start_soon(_visit, store, room)
            await clock.sleep(1)
            impatient.cancel_scope.cancel()

        await _visit(store, room, timeout_seconds=0)
        assert room.visits == 1

    async def test_the_lock_is_handed_on(self, store: Store, clock: ManualClock) -> None:
        """Waiters get the lock even if earlier waiters gave up or were cancelled."""
        room = _Room()

        async with (
            _ticking(clock),
            anyio.create_task_group() as patient,
            store.lock("tokens", "acme", timeout_seconds=0),
            anyio.create_task_group() as impatient,
        ):
            impatient.start_soon(_visit, store, room)
            await clock.sleep(1)
            patient.start_soon(_visit, store, room)
            await clock.sleep(1)
            impatient.cancel_scope.cancel()

        assert room.visits == 1

    async def test_keys_are_locked_apart(self, store: Store) -> None:
        """A holder does not delay callers of another key or namespace."""
        async with store.lock("tokens", "acme", timeout_seconds=0):
            for number in range(100):
                await _enter(store, "tokens", f"acme {number}")
            await _enter(store, "flows", "acme")

    async def test_the_lock_hinders_no_record(self, store: Store) -> None:
        """A held lock does not block reading, writing, listing or deleting records."""
        async with store.lock("tokens", "acme", timeout_seconds=0):
            version = await store.put("tokens", "acme", b"value")
            assert await store.get("tokens", "acme") == Stored(b"value", version)
            assert await store.keys("tokens") == ["acme"]
            assert await store.delete("tokens", "acme", expected=version)

    async def test_used_after_closing(self, store: Store) -> None:
        """A closed store opens again on use, with its records."""
        await store.aclose()
        version = await store.put("tokens", "acme", b"value")
        await store.aclose()
        await store.aclose()

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        await _visit(store, _Room(), timeout_seconds=0)
        assert await store.put("tokens", "acme", b"new", expected=version) > version

    async def test_another_handle_sees_the_records(self, store: Store, second: Store) -> None:
        """Handles share records and versions."""
        version = await store.put("tokens", "acme", b"value")

        assert await second.get("tokens", "acme") == Stored(b"value", version)
        newer = await second.put("tokens", "acme", b"new", expected=version)
        with pytest.raises(VersionConflict):
            await store.put("tokens", "acme", b"mine", expected=version)
        assert await store.get("tokens", "acme") == Stored(b"new", newer)
        assert await store.delete("tokens", "acme", expected=newer)
        assert await second.keys("tokens") == []

    async def test_records_outlive_their_handle(self, store: Store, second: Store) -> None:
        """Closing one handle does not affect another; versions continue."""
        version = await store.put("tokens", "acme", b"value", ttl_seconds=60)
        deleted = await store.put("tokens", "other", b"value")
        await store.delete("tokens", "other")
        await store.aclose()

        assert await second.get("tokens", "acme") == Stored(b"value", version)
        # Versions are promised for each key, not across keys.
        assert await second.put("tokens", "other", b"value", expected=ABSENT) > deleted

    async def test_handles_exclude_each_other(
        self, store: Store, second: Store, clock: ManualClock
    ) -> None:
        """Another handle cannot acquire a lock until it is released."""
        async with _ticking(clock):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                with pytest.raises(TimeoutError):
                    await _visit(second, _Room(), timeout_seconds=1)

            await _visit(second, _Room())


class ThreadSafeStoreContract(StoreContract):
    """The promises of stores that many threads and event loops use at once."""

    async def test_loops_lose_no_update(self, store: Store) -> None:
        """Counting by compare and swap counts every caller of every event loop."""
        await _in_threads(lambda: _count(store))

        stored = await store.get("tokens", "counter")
        assert stored is not None
        assert stored.value == b"%d" % (4 * len(_BACKENDS))

    async def test_the_lock_excludes_loops(self, store: Store, clock: ManualClock) -> None:
        """One caller of all event loops at a time holds the lock."""
        room = _Room(expected=4 * len(_BACKENDS))

        async with _ticking(clock):
            await _in_threads(lambda: _visit(store, room))

        assert (room.visits, room.most) == (4 * len(_BACKENDS), 1)

    async def test_a_loop_that_ends(self, store: Store, clock: ManualClock) -> None:
        """A loop that ends with holders and waiters releases the lock."""
        async with _ticking(clock):
            await anyio.to_thread.run_sync(asyncio.run, _leave_tasks_behind(store, clock))

            await _visit(store, _Room())


class _Room:
    """Counts callers, and how many were inside at the same time.

    No caller leaves before all expected callers have arrived.
    """

    def __init__(self, expected: int = 1) -> None:
        self.expected = expected
        self.asked: list[None] = []
        self.visits = 0
        self.inside = 0
        self.most = 0

    async def visit(self) -> None:
        self.visits += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        while len(self.asked) < self.expected:
            await checkpoint()
        for _ in range(5):
            await checkpoint()
        self.inside -= 1


async def _visit(store: Store, room: _Room, timeout_seconds: float = _PATIENCE_SECONDS) -> None:
    room.asked.append(None)
    async with store.lock("tokens", "acme", timeout_seconds=timeout_seconds):
        await room.visit()


async def _enter(store: Store, namespace: str, key: str) -> None:
    async with store.lock(namespace, key, timeout_seconds=0):
        pass


async def _count(store: Store) -> None:
    while True:
        stored = await store.get("tokens", "counter") or Stored(b"0", ABSENT)
        following = b"%d" % (int(stored.value) + 1)
        try:
            await store.put("tokens", "counter", following, expected=stored.version)
        except VersionConflict:
            continue
        return


async def _winners(attempt: Callable[[int], Awaitable[object]]) -> list[int]:
    won: list[int] = []

    async def try_it(number: int) -> None:
        try:
            await attempt(number)
        except VersionConflict:
            return
        won.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(try_it, number)
    return won


async def _in_threads(visit: Callable[[], Awaitable[None]]) -> None:
    def live(backend: str) -> None:
        anyio.run(visit, backend=backend)

    async with anyio.create_task_group() as threads:
        for backend in _BACKENDS * 4:
            threads.start_soon(anyio.to_thread.run_sync, live, backend)


async def _stay(store: Store) -> None:
    async with store.lock("tokens", "acme", timeout_seconds=_PATIENCE_SECONDS):
        await anyio.sleep_forever()


async def _leave_tasks_behind(store: Store, clock: ManualClock) -> None:
    tasks = [asyncio.create_task(_stay(store)) for _ in range(3)]
    await clock.sleep(1)
    assert not any(task.done() for task in tasks)


@asynccontextmanager
async def _ticking(clock: ManualClock) -> AsyncGenerator[None]:
    """Advance the clock while the tasks run."""

    async def tick() -> None:
        while True:
            clock.advance(_TICK_SECONDS)
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        yield
        tasks.cancel_scope.cancel()
