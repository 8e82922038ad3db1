"""One credential at an emulated Atlassian, in a store, behind a manager; and what must hold in the end."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel
import pytest

from atlassian_auth import AuthorizationRequired, Settings
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.ports._runtime.runner import InlineRunner, ThreadRunner
from atlassian_auth.stores import FileStore, MemoryStore, SQLiteStore
from atlassian_auth.testing import FakeAtlassian, Fault, ManualClock
from tests.cancellations.track import (
    APITransport,
    TokenTransport,
    Track,
    TrackedClock,
    TrackedStore,
)
from tests.harness.judge import check_consent, stored_refresh_token
from tests.harness.world import KEY, World

STORES = ("memory", "sqlite", "file")
THREAD = ThreadRunner(exit_timeout_seconds=300)


class TrackedWorld(World):
    """Everything one scenario needs, made anew for each."""

    def __init__(self, product, store, folder, *, inline=False):
        super().__init__(product, FakeAtlassian(ManualClock()))
        self.track = Track()
        self.runner = InlineRunner() if inline else THREAD
        self.store = TrackedStore(_new_store(store, folder, self.clock), self.track)
        self.manager = self.new_manager(
            self.store,
            clock=TrackedClock(self.clock, self.track),
            settings=Settings(refresh_ahead_seconds=60, refresh_spread_seconds=0),
            transport=TokenTransport(self.atlassian, self.track),
            runner=self.runner,
        )
        self.auth = self.manager.auth(KEY)
        self.api = APITransport(self.atlassian, self.track)
        self.client = self.flow = self.callback = self.pasted = None

    # -- what a scenario begins with --------------------------------------------------------------

    async def nothing(self):
        """The key has no credential. There is a refresh token to paste, and a callback to complete."""
        self.pasted = self.new_refresh_token()
        request = await AuthorizationFlow(self.manager).start(KEY, started_by=None)
        self.callback = self.atlassian.browse(request.url)

    async def due(self):
        """The credential is a pasted refresh token: it has to be refreshed before its first use."""
        await self.manager.add(KEY, refresh_token=self.new_refresh_token())

    async def fresh(self):
        """The credential has a token that is valid for an hour."""
        await self.due()
        await self.manager.token(KEY)

    async def ageing(self):
        """The token is still valid, but ends soon."""
        await self.fresh()
        token = self.manager.peek(KEY)
        self.clock.advance(token.expires_at.timestamp() - self.clock.time() - 15)

    async def refused(self):
        """The token looks valid, and the API refuses it."""
        await self.fresh()
        self.atlassian.expire_access_tokens()

    async def long_idle(self):
        """The credential was not used for so long that inactivity will soon end its consent."""
        await self.fresh()
        self.clock.advance(80 * 24 * 3600)

    def trouble(self):
        """The token endpoint refuses the next connection, and the store the next put."""
        self.atlassian.fault("token", Fault.refused_connection())
        self.store.fail("put")

    def code(self):
        return parse_qs(urlsplit(self.callback).query)["code"][0]

    # -- what must hold in the end ----------------------------------------------------------------

    def drain(self):
        """Wait until nothing is under way in the runner, blocking this thread."""
        self.runner.drain()
        thread = self.runner._thread._current
        assert thread is None or not thread._tasks, "work that never ends"

    async def settle(self):
        """Let every call go on, and wait until nothing is under way."""
        self.track.open()
        await self.idle()

    async def idle(self):
        """Wait until nothing is under way in the runner."""
        if self.runner is THREAD:
            self.drain()
            return
        while self.runner._tasks:
            await anyio.lowlevel.checkpoint()

    async def check(self, *, has_credential):
        """See that nothing is lost, that no lock is held, and that the next call works at once."""
        await self.settle()
        self.atlassian.clear_faults()
        self.store.heal()
        assert not self.store.held, "a lock is held"
        if not has_credential:
            await self._check_absent()
            await self.due()
        await self._check_agreement()
        token = await self.manager.token(KEY)
        await self._check_agreement()
        refreshed = await self.manager.refresh(KEY)
        assert refreshed != token
        assert refreshed == self.manager.peek(KEY)
        await self._check_agreement()
        assert not self.store.held, "a lock is held"
        await self.manager.aclose()
        await self.settle()
        self.judge()

    async def _check_absent(self):
        with pytest.raises(AuthorizationRequired) as caught:
            await self.manager.token(KEY)
        assert caught.value.reason == "missing"

    async def _check_agreement(self):
        # token() returns a token that is still valid while its successor is under way in the background.
        await self.idle()
        stored = await self.store.inner.get("tokens", KEY)
        check_consent(self.atlassian, stored_refresh_token(stored.value))
        reuses = self.atlassian.leeway_reuses + self.atlassian.reuses_outside_leeway
        assert not reuses, "a refresh token was presented twice"


def _new_store(kind, folder, clock):
    if kind == "sqlite":
        return SQLiteStore(folder / "tokens.db", clock=clock)
    if kind == "file":
        return FileStore(folder / "tokens", clock=clock)
    return MemoryStore(clock=clock)
