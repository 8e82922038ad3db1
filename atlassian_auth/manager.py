"""Hands out fresh tokens for keys.

A request with a fresh token reads a dictionary and a clock. All other work is handed to the runner, where
no caller's cancellation reaches it.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict, TypeVar

from atlassian_auth._tokens.credentials.checks import (
    check_left_out,
    check_ports,
    checked_callback,
    checked_grant,
    checked_key,
    checked_settings,
    checked_store_for,
)
from atlassian_auth._tokens.credentials.methods import DEFAULT_KEY, Credentials
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth._tokens.refresh.cache import Entry
from atlassian_auth._tokens.refresh.calls import Calls
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth._tokens.refresh.refresh import Refresher
from atlassian_auth.events import Event
from atlassian_auth.exceptions import ConfigurationError, TokenRejected
from atlassian_auth.grants.base import Grant
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, Network, Runner, Sender, system_jitter
from atlassian_auth.ports._runtime.closing import Closing
from atlassian_auth.ports._runtime.event_hub import EventHub
from atlassian_auth.ports._runtime.event_stream import EventStream
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import Store
from atlassian_auth.stores.opening import AnyStore

if TYPE_CHECKING:
    from atlassian_auth.auth import AtlassianAuth

__all__ = ["DEFAULT_KEY", "ManagerOptions", "TokenManager"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("atlassian_auth")


class ManagerOptions(TypedDict, total=False):
    """What `AtlassianAuth` passes on to `TokenManager`, which explains each."""

    store: AnyStore | None
    settings: Settings | None
    clock: Clock
    on_event: Callable[[Event], None] | None
    sender: Sender | None
    transport: httpx.AsyncBaseTransport | None
    verify: ssl.SSLContext | bool
    proxy: str | None
    runner: Runner
    jitter: Callable[[], float]


class TokenManager(Credentials, Closing):
    """Returns a fresh token for each key, and never loses a refresh token.

    One manager serves any number of credentials of one registered app, from any number of event loops
    (asyncio, trio) and threads. Managers that share a store, in other processes or on other hosts, share
    its credentials: each refresh token is presented once.

    Args:
        grant: The registered app and how it obtains tokens.
        store: Where credentials are kept: a store, its URL, or the path of a SQLite file, as `open_store`
            takes them. Required if refresh tokens rotate (Cloud 3LO, Data Center), where losing one ends
            the consent; memory is the default for client credentials.
        settings: Buffer, timeouts, pauses; see `Settings`.
        clock: What time it is.
        on_event: Called with each `Event`, on the runner's thread: it must be quick and thread-safe.
        sender: Carries token requests in place of an ``httpx.AsyncClient`` of the manager's own.
        transport: An httpx transport for token requests.
        verify: TLS verification for token requests, as for ``httpx.AsyncClient``.
        proxy: A proxy for token requests, as for ``httpx.AsyncClient``.
        runner: Where refreshes run; by default one thread for the whole process.
        jitter: Returns a number from 0 up to 1; it spreads the refreshes of many processes.

    Raises:
        ConfigurationError: if an argument is wrong, or ``store`` is missing where it is required.
    """

    def __init__(
        self,
        grant: Grant,
        *,
        store: AnyStore | None = None,
        settings: Settings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        on_event: Callable[[Event], None] | None = None,
        sender: Sender | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        runner: Runner = SHARED_RUNNER,
        jitter: Callable[[], float] = system_jitter,
    ) -> None:
        self.grant: Grant = checked_grant(grant)
        settings = checked_settings(settings)
        check_ports(clock=clock, runner=runner)
        self.clock: Clock = clock
        self._time = clock.time
        if sender is not None:
            check_ports(sender=sender)
            check_left_out(
                transport=transport, verify=None if verify is True else verify, proxy=proxy
            )
        self.network: Network = Network(verify=verify, proxy=proxy, clock=clock, settings=settings)
        self._sender = sender or HttpxSender(
            settings, verify=verify, proxy=proxy, transport=transport, clock=clock
        )
        self.store: Store = checked_store_for(grant, store, clock)
        self._hub = EventHub(checked_callback(on_event))
        parts = Parts.assemble(
            grant,
            store=self.store,
            sender=self._sender,
            settings=settings,
            clock=clock,
            jitter=jitter,
            tell=self._hub.tell,
        )
        self._entry = parts.cache.get
        super().__init__(parts, Calls(parts, Refresher(parts), runner))

    def peek(self, key: str = DEFAULT_KEY) -> Token | None:
        """Return the key's token if a fresh one is cached: no lock, no waiting, no I/O.

        It starts no refresh; `token` does.
        """
        entry = self._entry(key)
        return entry.token if entry is not None and self._time() < entry.fresh_until else None

    async def token(
        self,
        key: str = DEFAULT_KEY,
        *,
        margin: timedelta | None = None,
        rejected: Token | None = None,
    ) -> Token:
        """Return a fresh token; refresh and save it first if it is due.

        Cancelling the caller does not stop the refresh it waits for.

        Args:
            key: Which credential.
            margin: The token must live longer than this; by default longer than ``buffer_seconds``. A
                margin beyond the lifetime refreshes with each call.
            rejected: The token that an API refused: the call returns another one, if there can be another.

        Raises:
            AuthorizationRequired: if a person has to authorize first, or again.
            ConfigurationError: if the app's registration is wrong, or the key belongs to another one.
            TransientError: if the token endpoint is temporarily unavailable and no valid token is cached.
            TokenResponseError: if something else answers in place of the token endpoint.
            StoreError: if the store fails and no valid token is cached.
        """
        token = self.current(key) if margin is None and rejected is None else None
        return token or await self._ask(key, margin, rejected).wait()

    def token_sync(
        self,
        key: str = DEFAULT_KEY,
        *,
        margin: timedelta | None = None,
        rejected: Token | None = None,
    ) -> Token:
        """Return the same as `token`, blocking this thread."""
        token = self.current(key) if margin is None and rejected is None else None
        if token is not None:
            return token
        self._calls.check_may_wait()
        return self._ask(key, margin, rejected).wait_sync()

    def current(self, key: str = DEFAULT_KEY) -> Token | None:
        """Return the same as `peek`, and start a refresh that is due, without waiting for it."""
        entry = self._entry(key)
        if entry is None:
            return None
        now = self._time()
        if now < entry.ahead_at:
            return entry.token
        return self._ageing(key, entry, now)

    async def refresh(self, key: str = DEFAULT_KEY) -> Token:
        """Refresh now, even if the current token is still valid, and return the new token.

        Callers at the same time share one refresh. After a failure it waits only for this manager's own
        pause.

        Raises:
            AtlassianAuthError: as `token` does, even while the current token is valid.
        """
        entry = self._entry(checked_key(key))
        requirement = Requirement(rejected=entry.token.access_token if entry else None, forced=True)
        return await self._calls.ask(key, requirement).wait()

    async def execute(
        self,
        key: str,
        fn: Callable[[Token], Awaitable[T]],
        *,
        margin: timedelta | None = None,
    ) -> T:
        """Call ``fn`` with a fresh token, which is saved before, and return what it returns.

        Args:
            key: Which credential.
            fn: Called in the caller's task. If it raises `TokenRejected`, it is called once more, with
                another token.
            margin: As for `token`.

        Raises:
            TokenRejected: if the API refuses the second token too.
            AtlassianAuthError: as `token` does.
        """
        if not callable(fn):
            raise ConfigurationError.wrong_type("fn", "an async function of a Token", fn)
        token = await self.token(key, margin=margin)
        try:
            return await fn(token)
        except TokenRejected:
            pass
        return await fn(await self.token(key, rejected=token))

    def auth(self, key: str = DEFAULT_KEY) -> AtlassianAuth:
        """Return an ``httpx.Auth`` for this key that shares the manager's tokens and locks."""
        # The manager's door to httpx: the one import that goes up.
        from atlassian_auth.auth import AtlassianAuth  # noqa: PLC0415

        return AtlassianAuth(self, key=key)

    # -- life -------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Return if the store can be reached and read: for a readiness probe, such as Kubernetes has.

        It does not ask Atlassian and reads no credential: if the authorization server is down, or a person
        has to consent again, restarting this process would not help. It takes as long as the store does;
        add a timeout of your own.

        Raises:
            StoreError: if the store cannot be read.
            ConfigurationError: if the store's own configuration is wrong.
        """
        await self.perform(self._parts.repository.ping)

    def ping_sync(self) -> None:
        """Do the same as `ping`, blocking this thread."""
        self._calls.perform_sync(self._parts.repository.ping)

    def events(self, *, limit: int = 1000) -> EventStream:
        """Return the events from now on, as an async iterator for any event loop.

        Args:
            limit: How many events wait for a slow reader; then the oldest are dropped and counted.
        """
        return self._hub.stream(limit)

    def refused(self, key: str, token: Token) -> None:
        """Note that an API refused ``token``, which had just replaced a rejected one.

        For a while no refresh is started for that reason: otherwise an API that refuses every token would
        cost one rotation for each request.
        """
        self._parts.cache.refuse(key, token)

    def expired(self, token: Token) -> bool:
        """Return whether ``token`` has expired by this manager's clock."""
        return self._time() >= token.expires_at.timestamp()

    async def perform(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` to its end where refreshes run, and return what it returns: for changes of the store.

        Cancelling the caller does not stop the work, which must not close the manager: `aclose` waits for it.

        Args:
            work: Uses the manager's ``store``, which is used in that event loop only.

        Raises:
            AtlassianAuthError: what ``work`` raises; any other exception is replaced by one of these.
        """
        return await self._calls.perform(work)

    async def aclose(self) -> None:
        """Finish what is under way, save what is still unsaved, and close the store and connections.

        Under way are refreshes, and calls such as `add`, even if their caller was cancelled. The manager may
        be used again; it then opens what it needs.

        Raises:
            StoreError: if a token still cannot be saved.
        """
        await self.perform(self._close)

    def close(self) -> None:
        """Do the same as `aclose`, blocking this thread: for programs without an event loop."""
        self._calls.perform_sync(self._close)

    # -- on the caller's side ---------------------------------------------------------------------

    def _ageing(self, key: str, entry: Entry, now: float) -> Token | None:
        if now >= entry.fresh_until:
            return None
        # Every request of this window asks with the same requirement, so that they share one call.
        margin_seconds = entry.token.expires_at.timestamp() - entry.ahead_at
        try:
            self._calls.ask(key, Requirement(margin_seconds=margin_seconds))
        except Exception as error:  # noqa: BLE001 -- no thread or no loop: the token is still valid
            logger.warning(
                "Key %r could not be refreshed ahead of time: %s", key, error, extra={"key": key}
            )
        return entry.token

    def _ask(
        self, key: str, margin: timedelta | None, rejected: Token | None
    ) -> SharedFuture[Token]:
        checked_key(key)
        if rejected is not None and self._parts.cache.is_refused(key, rejected):
            answer = SharedFuture[Token]()
            answer.set_result(rejected)
            return answer
        requirement = Requirement(
            margin_seconds=margin.total_seconds() if margin else 0,
            rejected=rejected.access_token if rejected else None,
        )
        return self._calls.ask(key, requirement)

    async def _close(self) -> None:
        # Of this moment only: other tasks may start new ones without end.
        await self._calls.idle()
        try:
            await self._parts.repository.flush()
        finally:
            await self._sender.aclose()
            await self._parts.repository.aclose()
