"""Hands out fresh tokens for keys: a cache in front, one refresh at a time behind.

The fast path looks at a dictionary and a clock. Everything else is handed to the runner, where no
caller's cancellation reaches it, and comes back as a value that each caller raises for itself.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar
from weakref import WeakSet

import anyio
import httpx

from atlassian_auth._http.sender import HttpxSender
from atlassian_auth._records.pending import PENDING_NAMESPACE, PendingFlow, mark_of
from atlassian_auth._records.records import STORE_TROUBLE, Records, TokenRecord
from atlassian_auth._refresh.backoff import Backoff
from atlassian_auth._refresh.cache import Entry, TokenCache
from atlassian_auth._refresh.exchange import TokenExchange
from atlassian_auth._refresh.housekeeping import Housekeeping
from atlassian_auth._refresh.lifecycle import Lifecycle
from atlassian_auth._refresh.pasted import PastedTokens
from atlassian_auth._refresh.refresh import Refresher
from atlassian_auth._refresh.repository import CredentialRepository
from atlassian_auth._refresh.single_flight import SingleFlight
from atlassian_auth._runtime.event_stream import EventStream
from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture
from atlassian_auth._runtime.runner import SHARED_RUNNER, run_into, start
from atlassian_auth.events import (
    AuthorizationNeeded,
    ConsentEndsSoon,
    Event,
    KeepsFailing,
    RotationUnsaved,
)
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    TokenRejected,
)
from atlassian_auth.grants.base import Grant
from atlassian_auth.ports import (
    SYSTEM_CLOCK,
    Clock,
    Network,
    Runner,
    Sender,
    system_jitter,
    utc_now,
)
from atlassian_auth.protocol.requirement import Requirement
from atlassian_auth.protocol.tokens import Token, is_visible_ascii
from atlassian_auth.settings import Settings
from atlassian_auth.status import CredentialStatus
from atlassian_auth.stores.base import Store
from atlassian_auth.stores.memory import MemoryStore
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.rules import check_names

if TYPE_CHECKING:
    from atlassian_auth.auth import AtlassianAuth

__all__ = ["DEFAULT_KEY", "KeySource", "TokenManager"]

T = TypeVar("T")
_Answer = SharedFuture[Token]

DEFAULT_KEY = "default"
"""The key of a service that has one credential only."""

# Enough that a server that hangs for some keys delays no others; few enough not to be a storm.
_KEPT_AT_ONCE = 32

# Strangers can begin logins, so a key may have any number of them. Some tell well enough until when one may
# come back.
_LOGINS_READ = 32

logger: logging.Logger = logging.getLogger("atlassian_auth")

# What somebody has to do something about, or may have to.
_FOR_PEOPLE = (AuthorizationNeeded, ConsentEndsSoon, KeepsFailing, RotationUnsaved)


_Question = tuple[str, Requirement]


@dataclass(slots=True, eq=False)
class _Call:
    """A question that somebody waits for the answer of.

    Args:
        answer: Where it will be.
        submitted: Whether it was handed to the runner; told by whoever did.
        begun: Whether the runner has taken it up.
    """

    answer: _Answer = field(default_factory=_Answer)
    submitted: bool = False
    begun: bool = False


@dataclass(slots=True)
class _Home:
    """What is under way in one event loop of the runner, and ends with it."""

    place: object
    calls: dict[_Question, _Call] = field(default_factory=dict[_Question, _Call])
    flights: SingleFlight | None = None


class TokenManager:
    """Always has a fresh token for each key, and never loses a refresh token.

    One manager serves any number of credentials of one registered app, from any number of event loops
    (asyncio, trio) and threads. Managers that share a store, in other processes or on other hosts, share
    its credentials: each refresh token is presented once.

    Args:
        grant: The registered app and how it obtains tokens.
        store: Where credentials are kept: a store, its URL, or the path of a SQLite file, as `open_store`
            takes them. Required if refresh tokens rotate (Cloud 3LO, Data Center), where losing one loses
            the grant; memory is the default for client credentials.
        settings: Buffer, timeouts, pauses; see `Settings`.
        clock: What time it is.
        on_event: Called with each `Event`, on the runner's thread: quick and thread-safe, please.
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
        self.grant: Grant = _checked_grant(grant)
        self._settings = settings = _checked_settings(settings)
        self.clock: Clock = clock
        self._time = clock.time
        self._on_event = _checked_callback(on_event)
        self._runner = runner
        if sender is not None:
            _check_left_out(
                transport=transport, verify=None if verify is True else verify, proxy=proxy
            )
        self.network: Network = Network(verify=verify, proxy=proxy, clock=clock, settings=settings)
        self._sender = sender or HttpxSender(
            settings, verify=verify, proxy=proxy, transport=transport, clock=clock
        )
        self.store: Store = _checked_store(grant, store, clock)
        records = Records(self.store, "tokens", TokenRecord)
        self._repository = repository = CredentialRepository(
            records, settings=settings, clock=clock
        )
        self._pending = Records(self.store, PENDING_NAMESPACE, PendingFlow)
        ahead_seconds = _ahead_seconds(grant, settings)
        self._cache = cache = TokenCache(
            settings, clock, ahead_seconds=ahead_seconds, jitter=jitter
        )
        self._entry = cache.get
        self._backoff = Backoff(settings, clock, jitter=jitter)
        service = TokenExchange(grant, self._sender, settings=settings, clock=clock, jitter=jitter)
        self._refresher = Refresher(
            grant, repository, service, cache, settings=settings, clock=clock
        )
        pasted = PastedTokens(self.store, repository)
        self._lifecycle = Lifecycle(
            grant, repository, service, cache, self._backoff, pasted=pasted, clock=clock
        )
        self._housekeeping = Housekeeping(
            grant, repository, cache, settings=settings, clock=clock, tell=self._tell
        )
        self._streams: WeakSet[EventStream] = WeakSet()
        self._home = _Home(None)
        self._guard = ForkLock(in_child=self._leave_to_the_parent)

    # -- tokens -----------------------------------------------------------------------------------

    def peek(self, key: str = DEFAULT_KEY) -> Token | None:
        """Return the key's token if a fresh one is at hand: no lock, no waiting, no I/O.

        A refresh that is due is not started by this; `token` does that.
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
        """Return a fresh token, refreshed and saved first if need be.

        A caller that is cancelled leaves the refresh it waits for undisturbed.

        Args:
            key: Which credential.
            margin: It must live longer than this; by default longer than ``buffer_seconds``. A margin
                beyond the lifetime refreshes with each call.
            rejected: The token an API has refused: another one is returned, if there can be another.

        Raises:
            AuthorizationRequired: if somebody has to authorize first, or again.
            ConfigurationError: if the app's registration is wrong, or the key belongs to another one.
            TransientError: if the token endpoint cannot be had right now and no valid token is at hand.
            TokenResponseError: if something else answers in its place.
            StoreError: if the store fails and no valid token is at hand.
        """
        token = self.current(key) if margin is None and rejected is None else None
        return token or await self._asked(key, margin, rejected).wait()

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
        self._runner.check_may_wait()
        return self._asked(key, margin, rejected).wait_sync()

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
        """Return another token than the present one, whatever that is worth.

        Callers at the same time share one refresh.

        Raises:
            AtlassianAuthError: as `token` does, even while the present token is valid.
        """
        entry = self._entry(_checked_key(key))
        requirement = Requirement(rejected=entry.token.access_token if entry else None, forced=True)
        return await self._call(key, requirement).wait()

    async def execute(
        self,
        key: str,
        fn: Callable[[Token], Awaitable[T]],
        *,
        margin: timedelta | None = None,
    ) -> T:
        """Return what ``fn`` makes of a fresh token, which is saved before ``fn`` runs.

        Args:
            key: Which credential.
            fn: Called with the token, in the caller's task; if it raises `TokenRejected` it is called once
                more, with another token.
            margin: As for `token`.

        Raises:
            TokenRejected: if the second token was refused as well.
            AtlassianAuthError: as `token` does.
        """
        token = await self.token(key, margin=margin)
        try:
            return await fn(token)
        except TokenRejected:
            pass
        return await fn(await self.token(key, rejected=token))

    # -- credentials ------------------------------------------------------------------------------

    async def add(
        self,
        key: str = DEFAULT_KEY,
        *,
        refresh_token: str,
        authorized_at: datetime | None = None,
    ) -> CredentialStatus:
        """Store a refresh token obtained elsewhere; the first request refreshes it.

        Adding the same one again, as a service does at each start, changes nothing: its successors are
        kept. Nobody else may use the token any more, not even another key of the same store.

        Args:
            key: Which credential.
            refresh_token: The token.
            authorized_at: When the person consented, aware. A Cloud grant ends 365 days after that: without
                this date the status names no such end, and `ConsentEndsSoon` does not tell of it. It may be
                told later, by adding the same token again.

        Raises:
            ConfigurationError: if it is empty or has blanks in it, another key was given it, the grant has no
                refresh tokens, or ``authorized_at`` is naive or in the future.
            StoreError: if it cannot be saved.
        """
        return self._described(
            key, await self.perform(self._paste(key, refresh_token, authorized_at))
        )

    def add_sync(
        self,
        key: str = DEFAULT_KEY,
        *,
        refresh_token: str,
        authorized_at: datetime | None = None,
    ) -> CredentialStatus:
        """Do the same as `add`, blocking this thread."""
        return self._described(
            key, self._perform_sync(self._paste(key, refresh_token, authorized_at))
        )

    async def authorize(
        self, key: str, code: str, *, code_verifier: str | None = None
    ) -> CredentialStatus:
        """Exchange an authorization code and store its token in place of whatever the key had.

        Args:
            key: Which credential.
            code: From the callback, whose ``state`` must have been checked.
            code_verifier: For PKCE: what the challenge was made from.

        Raises:
            AtlassianAuthError: as `token` does. A code works once: start anew.
        """
        _checked_key(key)
        redeem = functools.partial(self._lifecycle.redeem, key, code, code_verifier=code_verifier)
        return self._described(key, await self.perform(redeem))

    async def status(self, key: str = DEFAULT_KEY) -> CredentialStatus:
        """Return how the credential is doing, as its store has it. No server is asked.

        Raises:
            StoreError: if the store cannot be read.
        """
        return await self.perform(functools.partial(self._status, _checked_key(key)))

    def status_sync(self, key: str = DEFAULT_KEY) -> CredentialStatus:
        """Return the same as `status`, blocking this thread."""
        return self._perform_sync(functools.partial(self._status, _checked_key(key)))

    async def reveal_refresh_token(self, key: str = DEFAULT_KEY) -> str | None:
        """Return the stored refresh token, to take it to another program; None if there is none.

        Who has it can act for the person until the consent ends. It works once: hand it over, then `forget`
        the key here. Nothing else of the library shows it.

        Raises:
            StoreError: if the store cannot be read.
        """
        _checked_key(key)
        record = await self.perform(functools.partial(self._repository.peek, key))
        return record.refresh_token if record else None

    async def keys(self) -> list[str]:
        """Return the keys that the store has, sorted."""
        return await self.perform(self._repository.keys)

    async def forget(self, key: str = DEFAULT_KEY) -> bool:
        """Delete the credential here and in the store; return whether there was one.

        At Atlassian the grant lives on until it is revoked or runs out.
        """
        _checked_key(key)
        return await self.perform(functools.partial(self._lifecycle.forget, key))

    async def revoke(self, key: str = DEFAULT_KEY) -> bool:
        """End the credential at Atlassian, then delete it here; return whether there was one.

        What Cloud does with it is not documented for 3LO grants: the person can also remove the app under
        "Connected apps" of their account.

        Raises:
            ConfigurationError: if the grant's server has nowhere to revoke, as with client credentials.
            AtlassianAuthError: if the server did not revoke it, as `token` does; it is kept then.
        """
        _checked_key(key)
        return await self.perform(functools.partial(self._lifecycle.revoke, key))

    def auth(self, key: str = DEFAULT_KEY) -> AtlassianAuth:
        """Return an ``httpx.Auth`` for this key that shares the manager's tokens and locks."""
        # The manager's door to httpx: the one import that goes up.
        from atlassian_auth.auth import AtlassianAuth  # noqa: PLC0415

        return AtlassianAuth(self, key=key)

    def source(self, key: str = DEFAULT_KEY) -> KeySource:
        """Return this key's tokens as a `TokenSource`."""
        return KeySource(self, key)

    # -- life -------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Return if the store can be reached and read: for a readiness probe, such as Kubernetes has.

        Atlassian is not asked, and no credential is looked at: if the authorization server is down, or a
        person has to consent again, restarting or leaving out this process would not help. How long it
        takes is the store's matter; bound it by a timeout of your own.

        Raises:
            StoreError: if the store cannot be read.
            ConfigurationError: if it was set up in a way that cannot work.
        """
        await self.perform(self._repository.ping)

    def ping_sync(self) -> None:
        """Do the same as `ping`, blocking this thread."""
        self._perform_sync(self._repository.ping)

    def events(self, *, limit: int = 1000) -> EventStream:
        """Return the events from now on, as an async iterator for any event loop.

        Args:
            limit: So many wait for a slow reader; then the oldest are dropped, and counted.
        """
        stream = EventStream(limit)
        with self._guard.lock:
            self._streams.add(stream)
        return stream

    async def keep_fresh(self, *, every: timedelta = timedelta(seconds=30)) -> NoReturn:
        """Refresh credentials that are not used before they expire, until cancelled.

        Run it in a task group of your own. Trouble is reported by events and logged, not raised. A fresh
        credential costs a comparison at each look; one that another process has refused, or that another app
        has, is looked at every 15 minutes.

        Args:
            every: How often to look.
        """
        # What is due now, or would not live until the look after this one.
        margin_seconds = every.total_seconds() + self._settings.buffer_seconds
        keep = functools.partial(self._keep_fresh, margin_seconds=margin_seconds)
        look = functools.partial(self._housekeeping.due, {}, margin_seconds=margin_seconds)
        while True:
            await _each(await self.perform(look), keep)
            await self.clock.sleep(every.total_seconds())

    async def keep_alive(self, *, every: timedelta = timedelta(hours=6)) -> NoReturn:
        """Refresh credentials that nobody uses before they end of it, and warn of ends, until cancelled.

        For stores with many more credentials than are in use: each is refreshed once in a month or two, at
        a moment of its own. `ConsentEndsSoon` is told of what is near its end all the same. Run it in a task
        group of your own, in as many processes as you like. Trouble is logged, not raised.

        Args:
            every: How often to look.
        """
        last_look: datetime | None = None
        while True:
            now = utc_now(self.clock)
            keep = functools.partial(self._keep_alive, last_look=last_look)
            await _each(await self._stored_keys(), keep)
            last_look = now
            await self.clock.sleep(every.total_seconds())

    async def prune(self, now: datetime | None = None) -> list[str]:
        """Delete credentials that have been good for nothing for ``prune_after``; return their keys.

        That is: refused by the server, or failing for so long that they count as lost, or ended without
        a refresh token. Safe while others work with the store.

        Args:
            now: The time to judge by; by default the clock's.

        Raises:
            StoreError: if the store cannot be read or written.
        """
        return await self.perform(lambda: self._housekeeping.prune(now or utc_now(self.clock)))

    def refused(self, key: str, token: Token) -> None:
        """Take note that an API refused ``token`` although it had just replaced a rejected one.

        For a while it is not refreshed for that reason: an API that refuses every token would burn one
        rotation with each request.
        """
        self._cache.refuse(key, token)

    def expired(self, token: Token) -> bool:
        """Return whether the clock says that ``token`` has ended."""
        return self._time() >= token.expires_at.timestamp()

    async def perform(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns, run to its end where refreshes run: for changes of the store.

        A caller that is cancelled leaves it undisturbed.

        Args:
            work: Uses the manager's ``store``; its loop is the only one the store is used in.

        Raises:
            AtlassianAuthError: what ``work`` raises, or that it ended with something unexpected.
        """
        return await start(self._runner, work).wait()

    async def aclose(self) -> None:
        """Finish what is under way, save what could not be saved before, and close store and connections.

        The manager may be used again after that; it opens what it needs.

        Raises:
            StoreError: if something still could not be saved.
        """
        await self.perform(self._close)

    def close(self) -> None:
        """Do the same as `aclose`, blocking this thread: for programs without an event loop."""
        self._perform_sync(self._close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # -- on the caller's side ---------------------------------------------------------------------

    def _perform_sync(self, work: Callable[[], Awaitable[T]]) -> T:
        self._runner.check_may_wait()
        return start(self._runner, work).wait_sync()

    def _paste(
        self, key: str, refresh_token: str, authorized_at: datetime | None
    ) -> Callable[[], Awaitable[TokenRecord]]:
        _checked_key(key)
        checked = self._checked_refresh_token(refresh_token)
        consented_at = self._checked_past(authorized_at)
        return functools.partial(self._lifecycle.paste, key, checked, authorized_at=consented_at)

    def _ageing(self, key: str, entry: Entry, now: float) -> Token | None:
        if now >= entry.fresh_until:
            return None
        # The same requirement for each request of the window, so that they share one call.
        margin_seconds = entry.token.expires_at.timestamp() - entry.ahead_at
        try:
            self._call(key, Requirement(margin_seconds=margin_seconds))
        except Exception as error:  # noqa: BLE001 -- no thread, no loop: no trouble while the token is valid
            logger.warning("Key %r could not be refreshed ahead of time: %s", key, error)
        return entry.token

    def _asked(self, key: str, margin: timedelta | None, rejected: Token | None) -> _Answer:
        _checked_key(key)
        if rejected is not None and self._cache.is_refused(key, rejected):
            return _answered(rejected)
        return self._call(
            key,
            Requirement(
                margin_seconds=margin.total_seconds() if margin else 0,
                rejected=rejected.access_token if rejected else None,
            ),
        )

    def _call(self, key: str, requirement: Requirement) -> _Answer:
        """Join the call that asks for the same, or start it."""
        home, question = self._home_now(), (key, requirement)
        with self._guard.lock:
            call = home.calls.get(question)
            if call is None:
                call = home.calls[question] = _Call()
        if not call.submitted:
            # Also if whoever made it was interrupted, or could not have a thread, before it was submitted.
            # Submitted twice it is answered once.
            self._runner.submit(functools.partial(self._begin, home, question, call))
            call.submitted = True
        return call.answer

    def _home_now(self) -> _Home:
        # Calls live in one loop: those of a closed one, or of a fork's parent, would never end.
        place = self._runner.home()
        with self._guard.lock:
            if self._home.place is not place:
                self._home = _Home(place)
            return self._home

    async def _stored_keys(self) -> list[str]:
        try:
            return await self.perform(self._housekeeping.keys)
        except AtlassianAuthError as error:
            logger.warning("The store's keys could not be listed, to keep them alive: %s", error)
            return []

    async def _keep_fresh(self, key: str, *, margin_seconds: float) -> None:
        entry = self._entry(key)
        if entry is not None:
            ahead = entry.token.expires_at.timestamp() - entry.ahead_at
            margin_seconds = max(margin_seconds, ahead)
        try:
            await self.token(key, margin=timedelta(seconds=margin_seconds))
        except AuthorizationRequired:
            pass  # who uses it is told; and of a grant that was lost, AuthorizationNeeded told once
        except AtlassianAuthError as error:
            logger.warning("Key %r could not be kept fresh: %s", key, error)

    async def _keep_alive(self, key: str, *, last_look: datetime | None) -> None:
        try:
            due = await self.perform(lambda: self._housekeeping.look(key, last_look=last_look))
            if due is not None:
                rejected = due.token.bearer if due.token else None
                await self.token(key, rejected=rejected)
        except AuthorizationRequired:
            pass  # as above
        except AtlassianAuthError as error:
            logger.warning("Key %r could not be kept alive: %s", key, error)

    def _checked_refresh_token(self, refresh_token: str) -> str:
        if not self.grant.rotates:
            message = f"{type(self.grant).__name__} has no refresh tokens; there is nothing to add."
            raise ConfigurationError(message, argument="refresh_token")
        if not is_visible_ascii(refresh_token):
            message = (
                "This is no refresh token: it is empty, or has blanks, line breaks or characters in it that "
                "no token has. Paste it again, without what is around it."
            )
            raise ConfigurationError(message, argument="refresh_token")
        return refresh_token

    def _checked_past(self, authorized_at: object) -> datetime | None:
        if authorized_at is None:
            return None
        if not isinstance(authorized_at, datetime):
            raise ConfigurationError.wrong_type("authorized_at", "a datetime", authorized_at)
        if authorized_at.utcoffset() is None or authorized_at > utc_now(self.clock):
            message = (
                f"authorized_at={authorized_at} must be aware and in the past: when did the person consent? "
                "Write datetime(2026, 1, 31, tzinfo=timezone.utc)."
            )
            raise ConfigurationError(message, argument="authorized_at")
        return authorized_at

    # -- in the runner -------------------------------------------------------------------------

    async def _begin(self, home: _Home, question: _Question, call: _Call) -> None:
        if not call.begun:
            call.begun = True
            await run_into(call.answer, functools.partial(self._answer, home, question))

    async def _answer(self, home: _Home, question: _Question) -> Token:
        try:
            return await self._flights(home).token(*question)
        finally:
            with self._guard.lock:
                del home.calls[question]

    async def _status(self, key: str) -> CredentialStatus:
        record = await self._repository.peek(key)
        if record is not None:
            return self._described(key, record)
        return CredentialStatus.without_record(key, pending_until=await self._login_until(key))

    async def _login_until(self, key: str) -> datetime | None:
        """Return until when a login for this key may come back; None if none is under way."""
        mark = mark_of(key)
        names = [name for name in await self._pending.keys() if name.startswith(mark)]
        logins = [await self._login(name) for name in names[:_LOGINS_READ]]
        ends = [login.expires_at for login in logins if login and login.key == key]
        return max(ends, default=None)

    async def _login(self, name: str) -> PendingFlow | None:
        try:
            loaded = await self._pending.get(name)
        except STORE_TROUBLE as error:
            logger.warning("A login was passed over: %s", error)
            return None
        return loaded.value if loaded else None

    def _described(self, key: str, record: TokenRecord) -> CredentialStatus:
        return CredentialStatus.of(key, record, now=utc_now(self.clock), settings=self._settings)

    def _flights(self, home: _Home) -> SingleFlight:
        if home.flights is None:
            home.flights = SingleFlight(
                self._refresher,
                self._cache,
                self._backoff,
                settings=self._settings,
                clock=self.clock,
                tell=self._tell,
            )
        return home.flights

    async def _close(self) -> None:
        # Not until none is under way: others may use the manager on and on.
        await self._flights(self._home_now()).idle()
        try:
            await self._repository.flush()
        finally:
            await self._sender.aclose()
            await self._repository.aclose()

    def _leave_to_the_parent(self) -> None:
        self._repository.abandon()
        self._streams.clear()

    def _tell(self, events: Sequence[Event]) -> None:
        with self._guard.lock:
            streams = list(self._streams)
        for event in events:
            _log(event)
            for stream in streams:
                stream.put(event)
            if self._on_event is not None:
                _call_back(self._on_event, event)


class KeySource:
    """The tokens of one key of a manager, as a `TokenSource`.

    Args:
        manager: Whose.
        key: Which.
    """

    __slots__ = ("_current", "key", "manager")

    def __init__(self, manager: TokenManager, key: str) -> None:
        self.manager: TokenManager = manager
        self.key: str = _checked_key(key)
        self._current = manager.current

    def __repr__(self) -> str:
        return f"KeySource(key={getattr(self, 'key', None)!r})"  # None if the key was refused

    @property
    def origins(self) -> frozenset[str]:
        """Where its token may go: the grant's API."""
        return self.manager.grant.endpoints.origins

    def current(self) -> Token | None:
        """Return the token if a fresh one is at hand; start a refresh that is due."""
        return self._current(self.key)

    async def token(self, *, rejected: Token | None = None) -> Token:
        """Return a fresh token; see `TokenManager.token`."""
        return await self.manager.token(self.key, rejected=rejected)

    def token_sync(self, *, rejected: Token | None = None) -> Token:
        """Return the same, blocking this thread."""
        return self.manager.token_sync(self.key, rejected=rejected)

    def expired(self, token: Token) -> bool:
        """Return whether the clock says that ``token`` has ended."""
        return self.manager.expired(token)

    def refused(self, token: Token) -> None:
        """Take note of a brand-new token that was refused; see `TokenManager.refused`."""
        self.manager.refused(self.key, token)


def _checked_key(key: str) -> str:
    check_names(key=key)
    return key


def _checked_grant(grant: object) -> Grant:
    if not isinstance(grant, Grant):
        raise ConfigurationError.wrong_type("grant", "a grant such as CloudGrant", grant)
    return grant


def _checked_settings(settings: object) -> Settings:
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise ConfigurationError.wrong_type("settings", "Settings(...)", settings)
    return settings


def _checked_callback(on_event: Callable[[Event], None] | None) -> Callable[[Event], None] | None:
    if on_event is not None and not callable(on_event):
        raise ConfigurationError.wrong_type("on_event", "a function that takes an event", on_event)
    return on_event


def _check_left_out(**options: object) -> None:
    for argument, given in options.items():
        if given is not None:
            message = (
                f"{argument}= is of no use next to sender=, which carries the token requests in its own way: "
                "give it to the sender."
            )
            raise ConfigurationError(message, argument=argument)


def _checked_store(grant: Grant, store: AnyStore | None, clock: Clock) -> Store:
    if store is not None:
        return checked_store(store, clock=clock)
    if grant.rotates:
        message = (
            f"{type(grant).__name__} needs a store: its refresh tokens rotate, and a token that was not "
            'stored is lost at the next restart. Pass store=SQLiteStore("tokens.db"), or '
            "store=MemoryStore() to say that losing it is fine."
        )
        raise ConfigurationError(message, argument="store")
    return MemoryStore()


async def _each(keys: list[str], keep: Callable[[str], Awaitable[None]]) -> None:
    # A few tasks that share what is left, not a task for each of a hundred thousand keys.
    left = iter(keys)

    async def work() -> None:
        for key in left:
            await keep(key)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(_KEPT_AT_ONCE, len(keys))):
            tasks.start_soon(work)


def _ahead_seconds(grant: Grant, settings: Settings) -> float:
    own = settings.refresh_ahead_seconds
    return grant.refresh_ahead_seconds if own is None else own


def _answered(token: Token) -> _Answer:
    answer = _Answer()
    answer.set_result(token)
    return answer


def _log(event: Event) -> None:
    level = logging.WARNING if isinstance(event, _FOR_PEOPLE) else logging.DEBUG
    if logger.isEnabledFor(level):
        fields = {"event": type(event).__name__, **asdict(event)}
        logger.log(level, "%s", event, extra=fields)


def _call_back(on_event: Callable[[Event], None], event: Event) -> None:
    try:
        on_event(event)
    except BaseException:
        logger.exception("on_event raised for %s", type(event).__name__)
