"""One credential at an emulated Atlassian, in a store, behind a manager; and what must hold in the end."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel
import pytest

from atlassian_auth import AuthorizationRequired, Settings, TokenManager
from atlassian_auth._runtime.runner import InlineRunner, ThreadRunner
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.stores import FileStore, MemoryStore, SQLiteStore
from atlassian_auth.testing import (
    FakeAtlassian,
    Fault,
    ManualClock,
    cloud_grant,
    data_center_grant,
)
from tests.cancellations.track import (
    APITransport,
    TokenTransport,
    Track,
    TrackedClock,
    TrackedStore,
)
from tests.model.acceptor import accept
from tests.model.recording import watch

KEY = "acme"
PRODUCTS = ("cloud", "data_center")
STORES = ("memory", "sqlite", "file")
THREAD = ThreadRunner(exit_timeout_seconds=300)


class World:
    """Everything one scenario needs, made anew for each."""

    def __init__(self, product, store, folder, *, inline=False):
        self.product = product
        self.clock = ManualClock()
        self.track = Track()
        self.atlassian = FakeAtlassian(self.clock)
        self.runner = InlineRunner() if inline else THREAD
        self.store = TrackedStore(_new_store(store, folder, self.clock), self.track)
        cloud = product == "cloud"
        self.app = self.atlassian.cloud_app if cloud else self.atlassian.data_center_app
        self.manager = TokenManager(
            (cloud_grant if cloud else data_center_grant)(self.atlassian),
            store=self.store,
            clock=TrackedClock(self.clock, self.track),
            settings=Settings(refresh_ahead_seconds=60, refresh_spread_seconds=0),
            transport=TokenTransport(self.atlassian, self.track),
            runner=self.runner,
            jitter=lambda: 0.0,
        )
        self.trace = []
        watch(self.manager, self.trace.append, "manager")
        self.auth = self.manager.auth(KEY)
        self.api = APITransport(self.atlassian, self.track)
        urls = self.atlassian.urls
        path = "/rest/api/2/myself"
        site = f"{urls.api_url}/ex/jira/{self.atlassian.cloud_id}{path}"
        self.url = site if cloud else f"{urls.dc_base_url}{path}"
        self.client = self.flow = self.callback = self.pasted = None

    # -- what a scenario begins with --------------------------------------------------------------

    def new_refresh_token(self):
        return self.atlassian.issue_grant(self.app).refresh_token

    async def nothing(self):
        """The key has no credential; there is one to paste, and a callback to complete."""
        self.pasted = self.new_refresh_token()
        request = await AuthorizationFlow(self.manager).start(KEY, started_by=None)
        self.callback = self.atlassian.browse(request.url)

    async def due(self):
        """A credential that was pasted, and has to be refreshed before its first use."""
        await self.manager.add(KEY, refresh_token=self.new_refresh_token())

    async def fresh(self):
        """A credential whose token is good for an hour."""
        await self.due()
        await self.manager.token(KEY)

    async def ageing(self):
        """A credential whose token is still valid, but about to end."""
        await self.fresh()
        token = self.manager.peek(KEY)
        self.clock.advance(token.expires_at.timestamp() - self.clock.time() - 15)

    async def refused(self):
        """A credential whose token looks good and is not."""
        await self.fresh()
        self.atlassian.expire_access_tokens()

    async def long_idle(self):
        """A credential nobody has used for so long that it would soon end of it."""
        await self.fresh()
        self.clock.advance(80 * 24 * 3600)

    def trouble(self):
        """The token endpoint refuses the next connection, and the store the next put."""
        self.atlassian.fault("token", Fault.refused_connection())
        self.store.failures = 1

    def code(self):
        return parse_qs(urlsplit(self.callback).query)["code"][0]

    # -- what must hold in the end ----------------------------------------------------------------

    def drain(self):
        """Wait until nothing is under way in the runner, blocking this thread."""
        self.runner.drain()
        life = self.runner._thread._life
        assert life is None or not life._tasks, "work that never ends"

    async def settled(self):
        """Let everybody go on, and wait until nothing is under way."""
        self.track.open()
        await self.idle()

    async def idle(self):
        if self.runner is THREAD:
            self.drain()
            return
        while self.runner._tasks:
            await anyio.lowlevel.checkpoint()

    async def check(self, *, has_credential):
        """Nobody lost anything, nothing is left behind, and the next call works at once."""
        await self.settled()
        self.atlassian.clear_faults()
        self.store.failures = 0
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
        await self.settled()
        accept(self.trace, self.product)

    async def _check_absent(self):
        with pytest.raises(AuthorizationRequired) as caught:
            await self.manager.token(KEY)
        assert caught.value.reason == "missing"

    async def _check_agreement(self):
        # token() returns a token that is still valid while its successor is under way in the background.
        await self.idle()
        stored = await self.store.inner.get("tokens", KEY)
        record = json.loads(stored.value)["record"]
        token = record["token"] or {"refresh_token": record["pasted_refresh_token"]}
        family = self.atlassian.family_of(token["refresh_token"])
        assert token["refresh_token"] == family.refresh_token, "store and server disagree"
        assert family.alive, "the grant is lost"
        reuses = self.atlassian.leeway_reuses + self.atlassian.reuses_outside_leeway
        assert not reuses, "a refresh token was presented twice"


def _new_store(kind, folder, clock):
    if kind == "sqlite":
        return SQLiteStore(folder / "tokens.db", clock=clock)
    if kind == "file":
        return FileStore(folder / "tokens", clock=clock)
    return MemoryStore(clock=clock)
