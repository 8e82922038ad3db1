"""What a process on the ground does: it holds a manager and follows commands, one after the other.

A command may say where in the next refresh the process stops: as a whole, or until the next command.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
from dataclasses import dataclass

from atlassian_auth import AtlassianAuthError, Settings
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.stores import PostgresStore, RedisStore, open_store
from tests.fleet.crew import TLS, Place, new_manager
from tests.fleet.points import Kill, Killer, ReportingSender, ReportingStore
from tests.harness.clocks import MovedClock


@dataclass(frozen=True)
class Attend:
    """Orders: follow the commands that come over the link, one after the other.

    Args:
        place: Where the credential is, and whose it is.
        settings: The manager's.
        lease_seconds: Of locks in Redis.
    """

    place: Place
    settings: Settings
    lease_seconds: float

    async def follow(self, link):
        # What is logged is expected here, and would only disturb the table.
        logging.getLogger("atlassian_auth").addHandler(logging.NullHandler())
        actor = _Actor(self, link)
        async with actor.manager:
            link.send(("ready", None))
            while (command := link.recv()) is not None:
                name, *arguments = command
                link.send(await getattr(actor, name)(*arguments))
        link.send(("closed", None))


def open_place(place, lease_seconds=30):
    """Return the store of a place; in Redis it has a prefix of its own."""
    if place.store.startswith(("redis:", "unix:")):
        return RedisStore(place.store, prefix=place.key, lease_seconds=lease_seconds)
    if place.store.startswith("postgresql:"):
        return PostgresStore(place.store)
    return open_store(place.store)


class _Actor:
    def __init__(self, orders, link):
        self._link = link
        self._key = orders.place.key
        self._clock = MovedClock()
        self._stopped = False
        self._killer = Killer(self._stop)
        store = ReportingStore(open_place(orders.place, orders.lease_seconds), self._killer)
        sender = ReportingSender(HttpxSender(orders.settings, verify=TLS), self._killer)
        self._records = Records(store, "tokens", TokenRecord)
        self.manager = new_manager(
            orders.place, store, sender=sender, settings=orders.settings, clock=self._clock
        )

    async def add(self, key, refresh_token):
        return await _outcome_of(self.manager.add(key, refresh_token=refresh_token))

    async def remove(self):
        return await _outcome_of(self.manager.forget(self._key))

    async def token(self):
        return await _outcome_of(self.manager.token(self._key))

    async def refresh(self):
        return await _outcome_of(self.manager.refresh(self._key))

    async def tokens(self, keys):
        """Ask for all tokens at once, and return each kind of answer with one of its texts."""
        return "told", dict(
            await asyncio.gather(*(_outcome_of(self.manager.token(key)) for key in keys))
        )

    async def stored(self, key):
        async def look():
            found = await self._records.get(key)
            return found and found.value.refresh_token

        return "stored", await self.manager.perform(look)

    async def stop_at(self, point, stopped):
        """Stop at a point of the next refresh: by SIGSTOP, or until the next command."""
        self._stopped = stopped
        self._killer.begin(Kill("point", point))
        return "ready", None

    async def step(self, seconds):
        """Set the clock ahead of the computer's by so many seconds."""
        self._clock.ahead_seconds = seconds
        return "ready", None

    async def limit(self, what, soft):
        """Set a limit of the kernel's for this process; None takes it away again."""
        name = getattr(resource, f"RLIMIT_{what}")
        hard = resource.getrlimit(name)[1]
        resource.setrlimit(name, (hard if soft is None else soft, hard))
        return "ready", None

    async def become(self, user):
        os.setgid(user)
        os.setuid(user)
        return "ready", None

    def _stop(self, point):
        self._killer.begin(Kill())
        self._link.send(("at", point))
        if self._stopped:
            # To this thread: otherwise it would go on until another thread has taken the signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            return
        while (command := self._link.recv()) is not None:
            self._clock.ahead_seconds = command


async def _outcome_of(call):
    try:
        await call
    except AtlassianAuthError as error:
        return error.code, str(error)
    except Exception as error:  # noqa: BLE001 -- the table has to show any error
        return "unexpected", repr(error)
    return "token", None
