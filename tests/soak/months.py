"""Months in the life of a service: two hosts, one store, four credentials, and a trouble every few days."""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx

from atlassian_auth import Settings, StoreError, TokenResponseError, TransientError
from atlassian_auth.events import AuthorizationNeeded
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.ports import SystemClock
from atlassian_auth.testing import FakeAtlassian, Fault, ManualClock
from tests.harness.clocks import ShiftedClock
from tests.harness.judge import check_consent, stored_refresh_token
from tests.harness.store import WatchedStore
from tests.harness.world import World

MONTH = timedelta(days=30.5)
HOUR = 3600
STEP_SECONDS = 47 * 60  # drifts through the lifetime of access tokens
TLS = httpx.create_ssl_context()

# How often each credential is used, in steps: always, daily, weekly, and never but by `keep_alive`.
EVERY = {"busy": 1, "daily": 29, "weekly": 211}
KEYS = (*EVERY, "idle")


@dataclass(frozen=True)
class Held:
    """What is held after a month. Objects are those of the library, and not of its emulator."""

    objects: int
    threads: int
    descriptors: int
    records: int
    files: int
    kilobytes: int


def count_descriptors():
    return len([*Path("/proc/self/fd").glob("*")])  # 0 where there is no such folder


def join_threads_of_stores(others):
    """Wait for the threads of closed stores: `aclose` returns a moment before its thread has ended."""
    for thread in {*threading.enumerate()} - others:
        if "Store " in thread.name:
            thread.join(timeout=10)  # one that does not end is counted


async def measure(hosts, folder, others):
    """Return what the store, this process and its files hold when all connections are closed."""
    spaces = ("tokens", "flows", "pasted")
    records = sum([len(await hosts[0].store.inner.keys(space)) for space in spaces])
    for host in hosts:
        await host.manager.aclose()
    join_threads_of_stores(others)
    gc.collect()
    modules = [str(type(thing).__module__) for thing in gc.get_objects()]
    ours = [name for name in modules if name.startswith("atlassian_auth")]
    files = [file for file in folder.rglob("*") if file.is_file()]
    return Held(
        objects=len(ours) - len([name for name in ours if ".testing" in name]),
        threads=threading.active_count(),
        descriptors=count_descriptors(),
        records=records,
        files=len(files),
        kilobytes=sum(file.stat().st_size for file in files) // 1024,
    )


class PatientClock(ManualClock):
    """Pauses before another attempt pass at once; the hours between two rounds of `keep_alive` are lived."""

    def __init__(self):
        super().__init__()
        self.sleepers = 0  # how many wait for their next round
        self._may_wake = anyio.Event()
        self._may_wake.set()

    async def sleep(self, seconds):
        if seconds < HOUR:
            await super().sleep(seconds)
            return
        self.sleepers += 1
        try:
            with suppress(TimeoutError):
                async with self.timeout(seconds):
                    await anyio.sleep_forever()
            while not self._may_wake.is_set():
                await self._may_wake.wait()
        finally:
            self.sleepers -= 1

    @contextmanager
    def hold_sleepers(self):
        """Let no sleeper wake in this block, also if its time has come."""
        self._may_wake = anyio.Event()
        yield
        self._may_wake.set()


class WaitingClock(SystemClock):
    """The time of the service, for stores: waiting for a lock takes a real while, and ends no exchange."""

    def __init__(self, clock):
        self.time = clock.time


class Host:
    """One process of the service, with a clock of its own and its way to the store."""

    def __init__(self, service):
        self.clock = ShiftedClock(service.clock)
        self.store = WatchedStore(service.new_store(service.clock_of_stores))
        self.manager = service.new_manager(
            self.store, clock=self.clock, verify=TLS, on_event=service.hear
        )
        self._life, self._ended = anyio.CancelScope(), anyio.Event()

    async def keep_alive(self):
        with self._life:
            await self.manager.keep_alive()
        self._ended.set()

    async def aclose(self):
        self._life.cancel()
        await self._ended.wait()  # it would open the store again
        await self.manager.aclose()


class Service(World):
    """The service, and what happens to it each month at the same time.

    Args:
        product: ``"cloud"`` or ``"data_center"``.
        new_store: Opens the store with a clock, once for each host.
        folder: Where its files are.
        month: How long a month lasts; tests shorten it, and all troubles with it.
    """

    def __init__(self, product, new_store, folder, month=MONTH):
        super().__init__(product, FakeAtlassian(PatientClock()))
        self.new_store = new_store
        self.clock_of_stores = WaitingClock(self.clock)
        self.folder = folder
        self.month_seconds = month.total_seconds()
        self.needed = []
        self.failed = self.steps = 0
        self.others = {*threading.enumerate()}  # such as those of stores that other tests keep open
        self.hosts = [Host(self), Host(self)]
        self.troubles = (
            (0.05, self.shorten_tokens),
            (0.10, lambda: self.break_down(Fault.status(503))),
            (0.37, self.repair),  # eight days later
            (0.40, lambda: self.break_down(Fault.refused_connection())),
            (0.41, lambda: self.break_down(Fault.rate_limited(600))),
            (0.42, lambda: self.break_down(Fault.html())),
            (0.43, self.repair),
            (0.45, self.fail_stores),
            (0.50, lambda: self.set_clock(1, timedelta(days=8))),
            (0.55, lambda: self.set_clock(1, timedelta())),
            (0.60, lambda: self.set_clock(0, -timedelta(hours=1))),
            (0.65, lambda: self.set_clock(0, timedelta())),
            (0.70, self.restart),
            (0.80, self.authorize_again),
            (0.85, self.abandon_a_login),
            (0.90, self.use_the_api),
        )

    def hear(self, event):
        """Keep what no operator should ever hear of here: a credential that needs a person."""
        if isinstance(event, AuthorizationNeeded):
            self.needed.append(f"{event.key}: {event.reason}")

    # -- troubles ---------------------------------------------------------------------------------

    async def shorten_tokens(self):
        self.atlassian.expire_access_tokens()

    async def break_down(self, fault):
        self.atlassian.clear_faults()
        self.atlassian.fault("token", fault, times=None)

    async def repair(self):
        self.atlassian.clear_faults()

    async def fail_stores(self):
        for host in self.hosts:
            for point in ("get", "lock", "list"):
                host.store.fail(point, 5)
            host.store.fail("put", 2)  # the third attempt saves

    async def set_clock(self, number, ahead):
        self.hosts[number].clock.ahead_seconds = ahead.total_seconds()

    async def restart(self):
        old = self.hosts.pop()  # the other one runs for all the months
        await old.aclose()
        for known in (self.managers, self.recorders, self.trace):
            known.clear()
        self.hosts.append(Host(self))
        self.tasks.start_soon(self.hosts[1].keep_alive)

    async def authorize_again(self):
        manager = self.hosts[0].manager
        await manager.forget("daily")
        flow = AuthorizationFlow(manager)
        login = await flow.start("daily", started_by=None)
        await flow.complete(self.atlassian.browse(login.url), started_by=None)

    async def abandon_a_login(self):
        await AuthorizationFlow(self.hosts[0].manager).start("busy", started_by=None)

    async def use_the_api(self):
        """End all access tokens. If a refresh in progress brings one of them, requests work after a pause."""
        self.atlassian.expire_access_tokens()
        for host in self.hosts:
            async with httpx.AsyncClient(auth=host.manager.auth("busy"), verify=TLS) as client:
                get = partial(client.get, self.identity_url)
                if (await self.insist(get)).status_code == 401:
                    self.clock.advance(Settings().configuration_backoff_seconds)
                assert (await self.insist(get)).status_code == 200

    # -- life -------------------------------------------------------------------------------------

    async def live(self, months, forget):
        """Live so many months, and return what the process and the store hold after each of them.

        Args:
            months: How many.
            forget: Called after each month, before that is counted.
        """
        held = []
        async with anyio.create_task_group() as self.tasks:
            for host in self.hosts:
                self.tasks.start_soon(host.keep_alive)
            for key in KEYS:
                await self.hosts[0].manager.add(key, refresh_token=self.new_refresh_token())
            for _ in range(months):
                await self.live_a_month()
                await self.check()
                with self.clock.hold_sleepers():
                    await self.rest()
                    forget()
                    held.append(await measure(self.hosts, self.folder, self.others))
            self.tasks.cancel_scope.cancel()
        for host in self.hosts:
            await host.manager.aclose()
        return held

    async def live_a_month(self):
        began = self.clock.time()
        for share, trouble in self.troubles:
            await self.live_until(began + share * self.month_seconds)
            await trouble()
        await self.live_until(began + self.month_seconds)

    async def live_until(self, then):
        while self.clock.time() < then:
            self.clock.advance(STEP_SECONDS)
            self.steps += 1
            for key, every in EVERY.items():
                if self.steps % every == 0:
                    await self.use(key)

    async def use(self, key):
        for host in self.hosts:
            try:
                await host.manager.token(key)
            except (StoreError, TokenResponseError, TransientError):
                self.failed += 1

    async def insist(self, call):
        """Call, and call again if the last step of the clock ended a refresh in progress."""
        try:
            return await call()
        except TransientError:
            self.clock.advance(STEP_SECONDS)  # longer than the backoff
            return await call()

    async def rest(self):
        """Wait until each `keep_alive` has ended its round, which would open a closed store again."""
        while self.clock.sleepers < len(self.hosts):
            await anyio.lowlevel.checkpoint()

    async def check(self):
        """See that each credential works, is the server's newest, and was never presented twice."""
        store = self.hosts[0].store.inner
        for key in KEYS:
            for host in self.hosts:
                await self.insist(partial(host.manager.token, key))
            while not await self.check_consent(store, key):
                # A refresh is in progress: until its answer is saved, store and server differ.
                await anyio.lowlevel.checkpoint()
        assert self.atlassian.leeway_reuses == self.atlassian.reuses_outside_leeway == 0
        assert self.needed == []

    async def check_consent(self, store, key):
        """Check the stored refresh token while no refresh runs, and return whether that was possible."""
        with suppress(TimeoutError):
            async with store.lock("tokens", key, timeout_seconds=0):
                stored = await store.get("tokens", key)
                check_consent(self.atlassian, stored_refresh_token(stored.value))
                return True
        return False
