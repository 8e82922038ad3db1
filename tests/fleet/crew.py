"""What the processes of a fleet do: they refresh on command, or send requests all at once."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import httpx

from atlassian_auth import AuthorizationRequired, Settings, TokenManager, TransientError
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.ports._runtime.runner import InlineRunner
from atlassian_auth.stores import RedisStore, open_store
from atlassian_auth.testing import FakeAtlassian
from atlassian_auth.testing.urls import Urls
from tests.fleet.points import Killer, ReportingSender, ReportingStore
from tests.harness.clocks import MovedClock
from tests.harness.world import GRANTS
from tests.model.recording import append_to, watch

TLS = httpx.create_ssl_context()
LEASES = ("redis:", "rediss:", "unix:")
LEASE_SECONDS = 10  # of Redis: enough on a busy machine; the tests end those of dead processes
_IMPORTED_LATE = (
    *(f"atlassian_auth.stores.{name}" for name in ("file", "postgres", "redis", "sqlite")),
    *("psycopg", "redis.asyncio"),
)
# The server hangs up after 5 idle seconds, which is httpx's own limit: so neither races the other.
_LIMITS = httpx.Limits(max_connections=100, keepalive_expiry=1)


@dataclass(frozen=True)
class Place:
    """Where a credential is kept, and whose it is.

    Args:
        origin: Of the emulated Atlassian.
        product: ``"cloud"`` or ``"data_center"``.
        store: The store's URL.
        key: The credential's.
        trace: The file to which all processes append what they do; None for no trace.
    """

    origin: str
    product: str
    store: str
    key: str
    trace: Path | None = None


@dataclass(frozen=True)
class Refresh:
    """Orders: refresh the credential on each command, and die as the command says.

    Args:
        place: Where the credential is.
        count_steps: Whether a command may say a number of steps to die after.
        seconds_to_live: From now on; 0 for no limit.
    """

    place: Place
    count_steps: bool = False
    seconds_to_live: float = 0

    async def follow(self, link):
        await _refresh(link, self)


@dataclass(frozen=True)
class Ask:
    """Orders: send so many requests at once on each command."""

    place: Place
    tasks: int

    async def follow(self, link):
        await _ask(link, self)


def warm_up():
    """Import and build what is made at its first use, so that forked processes have it already."""
    for name in _IMPORTED_LATE:
        import_module(name)
    asyncio.run(_fail_to_refresh(Place("http://127.0.0.1:1", "cloud", "memory:", "unused")))


def work(link):
    """Follow the orders that come first, and return the exit code."""
    with suppress(EOFError):
        orders = link.recv()
        try:
            asyncio.run(orders.follow(link))
        except Exception:  # noqa: BLE001 -- the test has to see any error
            link.send(("failed", traceback.format_exc()))
            return 1
    return 0


def new_manager(place, store=None, **options):
    # Each emulator registers the same apps, so this one knows those of the one on the server.
    atlassian = FakeAtlassian()
    urls = Urls.below(place.origin, atlassian.urls.dc_base_url)
    grant = GRANTS[place.product](atlassian, urls)
    if "sender" not in options:
        options["verify"] = TLS
    manager = TokenManager(grant, store=store or _open(place.store), **options)
    if place.trace:
        watch(manager, append_to(place.trace), os.getpid())
    return manager


def _open(store):
    if store.startswith(LEASES):
        return RedisStore(store, lease_seconds=LEASE_SECONDS)
    return open_store(store)


async def _fail_to_refresh(place):
    settings = Settings(attempts=1)
    async with new_manager(place, settings=settings, runner=InlineRunner()) as manager:
        await manager.add(place.key, refresh_token="never-issued")
        with suppress(TransientError):
            await manager.token(place.key)


async def _refresh(link, orders):
    signal.setitimer(signal.ITIMER_REAL, orders.seconds_to_live)
    killer = Killer(lambda point: _die(link, point))
    if orders.count_steps:
        killer.count_steps()
    place, key = orders.place, orders.place.key
    store = ReportingStore(_open(place.store), killer)
    sender = ReportingSender(HttpxSender(verify=TLS), killer)
    # The manager gives up a lock that a dead process still holds before the test gives up.
    settings = Settings(lock_timeout_seconds=20)
    manager = new_manager(place, store, sender=sender, settings=settings)
    records = Records(store, "tokens", TokenRecord)
    found = await manager.perform(lambda: records.get(key))
    link.send(("found", found and found.value.refresh_token))
    while (command := link.recv()) is not None:
        if isinstance(command, str):
            await manager.add(key, refresh_token=command)
            link.send(("added", None))
            continue
        killer.begin(command)
        try:
            await manager.refresh(key)
        except AuthorizationRequired as error:
            link.send(("lost", error.reason))
        else:
            link.send(("refreshed", killer.end()))
    await manager.aclose()


def _die(link, point):
    link.send(("at", point))
    link.recv()  # does not return: the test kills this process now


async def _ask(link, orders):
    clock = MovedClock()
    manager = new_manager(orders.place, clock=clock)
    url = manager.grant.endpoints.resources_url
    options = {"auth": manager.auth(orders.place.key), "limits": _LIMITS, "timeout": 60}
    async with manager, httpx.AsyncClient(verify=TLS, **options) as client:
        link.send(("ready", None))
        while (ahead_seconds := link.recv()) is not None:
            clock.ahead_seconds = ahead_seconds
            answers = await asyncio.gather(*(client.get(url) for _ in range(orders.tasks)))
            link.send(("answered", Counter(answer.status_code for answer in answers)))
    link.send(("closed", None))
