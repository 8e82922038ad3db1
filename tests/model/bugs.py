"""Thirteen bugs that the library does not have, each with a short run in which it shows.

This is the one place where our own code is replaced, on purpose: to see that a trace tells the difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass

import anyio

from atlassian_auth import AtlassianAuthError, AuthorizationRequired, StoreError
from atlassian_auth._tokens.records.records import Records
from atlassian_auth._tokens.refresh.exchange import TokenExchange
from atlassian_auth._tokens.refresh.refresh import Refresher
from atlassian_auth._tokens.refresh.repository import CredentialRepository, _Unsaved
from atlassian_auth._tokens.refresh.single_flight import SingleFlight
from atlassian_auth.ports import utc_now
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import FakeAtlassian, Fault, ManualClock, mock_router
from tests.harness.store import WatchedStore
from tests.harness.world import KEY, World
from tests.model.recording import Event, describe

_HOUR = 3600


class FragileStore(WatchedStore):
    """A store in memory that can also fall back by a save, and take a lock away from its holder."""

    def __init__(self, clock):
        super().__init__(MemoryStore(clock=clock))
        self.backups = []

    async def reach(self, point, namespace, key, value=None):
        await super().reach(point, namespace, key, value)
        if point == "put":
            self.backups.append(await self.inner.get(namespace, key))

    def restore(self):
        """Fall back by one save, and return what is stored then."""
        older, name = self.backups.pop(), ("tokens", KEY)
        self.inner._entries[name] = type(self.inner._entries[name])(older, None)
        return describe(older.value)

    def take_lock_away(self):
        self.inner._lines.pop(("tokens", KEY))
        self.held.clear()


class Scene(World):
    """A world with a store and two managers on it."""

    def __init__(self, product):
        super().__init__(product, FakeAtlassian(ManualClock()))
        self.store = FragileStore(self.clock)
        for _ in range(2):
            self.new_manager(self.store)

    async def consent(self, number=0):
        """Give one of the managers a new consent."""
        await self.managers[number].add(KEY, refresh_token=self.new_refresh_token())

    async def refresh(self, number=0, *, after_seconds=_HOUR):
        """A caller of one manager wants another token, after the pause that an error has brought."""
        self.clock.advance(after_seconds)
        with suppress(AtlassianAuthError):
            token = await self.managers[number].refresh(KEY)
            self.recorders[number].handed_out(KEY, token)

    def look(self, number=0):
        """A caller takes the token that is in memory."""
        token = self.managers[number].peek(KEY)
        if token is not None:
            self.recorders[number].handed_out(KEY, token)

    def withdraw(self):
        """The person withdraws the consent."""
        self.atlassian.revoke_grant(self.family.refresh_token)
        self.happened("withdrawn")


async def play(
    run: Callable[[Scene], Awaitable[None]],
    product: str,
    seed: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[Event]:
    """Play a run on a new scene, once there is a consent, and return its trace."""
    scene = Scene(product)
    with mock_router(scene.atlassian):
        await scene.consent()
        with seed():
            await run(scene)
        for manager in scene.managers:
            await manager.aclose()
    return scene.trace


# -- runs -----------------------------------------------------------------------------------------


async def refreshed(scene):
    await scene.refresh()


async def overtaken_before_the_lock(scene):
    gate = scene.store.hold("lock")
    async with anyio.create_task_group() as group:
        group.start_soon(scene.refresh, 1)
        await gate.arrived()
        await scene.refresh(after_seconds=0)
        gate.open()


async def overtaken_in_mid_exchange(scene):
    gate = scene.atlassian.hold("token")
    async with anyio.create_task_group() as group:
        group.start_soon(scene.refresh)
        await gate.arrived()
        scene.recorders[0].was(KEY, "lock taken away")
        scene.store.take_lock_away()
        await scene.consent(1)
        gate.open()


async def cancelled_in_mid_exchange(scene):
    gate = scene.atlassian.hold("token")
    async with anyio.create_task_group() as group:
        group.start_soon(scene.refresh)
        await gate.arrived()
        group.cancel_scope.cancel()
    await scene.managers[0].status(
        KEY
    )  # it is answered where exchanges run, after what is queued there
    gate.open()
    await scene.refresh(after_seconds=0)


async def looked_at_in_mid_save(scene):
    gate = scene.store.hold("put")
    async with anyio.create_task_group() as group:
        group.start_soon(scene.refresh)
        await gate.arrived()
        scene.look()
        gate.open()


async def refused(scene):
    scene.withdraw()
    await scene.refresh()
    await scene.refresh(1)


async def unsaved(scene):
    scene.store.fail("put", 3)
    await scene.refresh()
    await scene.refresh()


async def restored(scene):
    await scene.refresh()
    await scene.refresh()
    scene.happened("restored", scene.store.restore())
    await scene.refresh()


async def answers_lost(scene):
    scene.atlassian.fault("token", Fault.lost_answer(), times=3)
    await scene.refresh()


async def refused_unheard(scene):
    """The server refuses what is presented after the leeway; the answers are lost, the refusal is not."""
    scene.store.fail("put", 3)
    await scene.refresh(1)
    scene.atlassian.fault("token", Fault.lost_answer(), times=3)
    await scene.refresh()
    await scene.refresh(1)


async def replaced_while_unsaved(scene):
    scene.store.fail("put", 3)
    await scene.refresh()
    await scene.consent(1)
    await scene.refresh()


# -- bugs -----------------------------------------------------------------------------------------


@contextmanager
def replaced(owner: type, **methods: object) -> Iterator[None]:
    """Let a class of the library have other methods for a while."""
    before = {name: getattr(owner, name) for name in methods}
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(owner, name, method)


class _Free:
    async def confirm(self, seconds=0):
        return True


@contextmanager
def no_lock():
    async def try_lock(self, held, key):
        return _Free()

    with replaced(CredentialRepository, try_lock=try_lock):
        yield


@contextmanager
def read_before_the_lock():
    durable, load, seen = CredentialRepository.durable, CredentialRepository.load, {}

    async def look(self, key):
        seen[self] = await self._records.get(key)
        return await durable(self, key)

    async def read(self, key):
        return seen.get(self, await load(self, key))

    with replaced(CredentialRepository, durable=look, load=read):
        yield


@contextmanager
def save_over_anything():
    put = Records.put

    async def put_anyway(self, key, record, *, expected=None, ttl_seconds=None):
        return await put(self, key, record, ttl_seconds=ttl_seconds)

    with replaced(Records, put=put_anyway):
        yield


@contextmanager
def publish_first():
    save = Refresher._save

    async def publish_and_save(self, refresh, stored, token, started):
        self._cache.publish(refresh.key, token)
        return await save(self, refresh, stored, token, started)

    with replaced(Refresher, _save=publish_and_save):
        yield


@contextmanager
def believe_a_refusal():
    async def believe(self, refresh, presented, hold, reason):
        refused = presented.value.after_refusal(reason, utc_now(self._clock))
        await self._repository.mark(refresh.key, presented, refused)
        raise AuthorizationRequired(reason, key=refresh.key, reason="refused")

    with replaced(Refresher, _handle_refusal=believe):
        yield


@contextmanager
def no_confirmation():
    async def never_asked(self, confirm):
        return True

    with replaced(TokenExchange, _confirm_lock=never_asked):
        yield


@contextmanager
def drop_the_unsaved():
    put = CredentialRepository._put_patiently

    async def put_or_drop(self, key, unsaved, expected):
        try:
            return await put(self, key, unsaved, expected)
        except StoreError:
            self.discard_unsaved(key)
            raise

    with replaced(CredentialRepository, _put_patiently=put_or_drop):
        yield


@contextmanager
def no_put_back():
    current = CredentialRepository._current_record

    def without_last_saved(self, key, stored):
        self._last_saved.pop(key, None)
        return current(self, key, stored)

    with replaced(CredentialRepository, _current_record=without_last_saved):
        yield


@contextmanager
def repeat_as_often_as_on_cloud():
    with replaced(TokenExchange, _repeats=lambda self: self._settings.attempts):
        yield


@contextmanager
def present_what_was_refused():
    with replaced(Refresher, _check_refreshable=lambda self, key, stored: None):
        yield


@contextmanager
def unsaved_always_counts():
    with replaced(_Unsaved, supersedes=lambda self, stored: True):
        yield


@contextmanager
def unlock_before_the_save():
    try_lock, save, locks = CredentialRepository.try_lock, CredentialRepository.save, {}

    async def lock(self, held, key):
        locks[key] = held
        return await try_lock(self, held, key)

    async def unlock_and_save(self, key, record, replaced):
        await locks[key].aclose()
        return await save(self, key, record, replaced)

    with replaced(CredentialRepository, try_lock=lock, save=unlock_and_save):
        yield


@contextmanager
def cancel_the_exchange_too():
    start, wait, exchanges = SingleFlight._start, SharedFuture.wait, []

    def remember(self, refresh):
        exchanges.append(start(self, refresh))
        return exchanges[-1]

    async def wait_or_cancel(self):
        try:
            return await wait(self)
        except BaseException:  # trio's cancellations as well
            for exchange in exchanges:
                exchange.get_loop().call_soon_threadsafe(exchange.cancel)
            raise

    with replaced(SingleFlight, _start=remember), replaced(SharedFuture, wait=wait_or_cancel):
        yield


@dataclass(frozen=True)
class Bug:
    """A bug, and a run in which it shows.

    Args:
        name: What the code would do.
        seed: Puts it into the library for a while.
        run: The run.
        product: Whose rules hold.
        shows: The event with which the trace leaves the model.
    """

    name: str
    seed: Callable[[], AbstractContextManager[None]]
    run: Callable[[Scene], Awaitable[None]]
    product: str
    shows: str


BUGS = (
    Bug("refresh without the lock", no_lock, refreshed, "cloud", "send"),
    Bug(
        "present what was read before the lock",
        read_before_the_lock,
        overtaken_before_the_lock,
        "data_center",
        "send",
    ),
    Bug(
        "save without the expected version",
        save_over_anything,
        overtaken_in_mid_exchange,
        "cloud",
        "put ok",
    ),
    Bug("publish before the save", publish_first, looked_at_in_mid_save, "cloud", "handed out"),
    Bug("believe a refusal at once", believe_a_refusal, refused, "data_center", "saves"),
    Bug("do not confirm the lock", no_confirmation, refreshed, "cloud", "send"),
    Bug("drop what cannot be saved", drop_the_unsaved, unsaved, "data_center", "confirm true"),
    Bug("put nothing back", no_put_back, restored, "data_center", "confirm true"),
    Bug(
        "repeat as often as on Cloud",
        repeat_as_often_as_on_cloud,
        answers_lost,
        "data_center",
        "confirm true",
    ),
    Bug(
        "present again what was refused",
        present_what_was_refused,
        refused,
        "data_center",
        "confirm true",
    ),
    Bug(
        "save an unsaved pair over a new consent",
        unsaved_always_counts,
        replaced_while_unsaved,
        "cloud",
        "saves",
    ),
    Bug(
        "cancel the exchange together with its caller",
        cancel_the_exchange_too,
        cancelled_in_mid_exchange,
        "data_center",
        "is cut off",
    ),
    Bug("unlock before the save", unlock_before_the_save, refreshed, "cloud", "unlock"),
)
