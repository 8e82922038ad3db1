"""The objects that the parts of one manager share: assembled once, passed on together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth._tokens.refresh.backoff import Backoff
from atlassian_auth._tokens.refresh.cache import TokenCache
from atlassian_auth._tokens.refresh.exchange import TokenExchange
from atlassian_auth._tokens.refresh.repository import CredentialRepository
from atlassian_auth.events import Event
from atlassian_auth.grants.base import Grant
from atlassian_auth.ports import Clock, Sender
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import Store

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The shared objects of one manager.

    Args:
        grant: The registered app and its OAuth grant.
        settings: The user's settings.
        clock: Tells the time.
        tell: Reports events to the user, one after the other.
        store: Keeps the credentials.
        repository: Reads, saves and locks them.
        cache: The tokens in memory.
        backoff: The failures in memory.
        exchange: Sends requests to the token endpoint.
    """

    grant: Grant
    settings: Settings
    clock: Clock
    tell: Callable[[Sequence[Event]], None]
    store: Store
    repository: CredentialRepository
    cache: TokenCache
    backoff: Backoff
    exchange: TokenExchange

    def report(self, event: Event) -> None:
        """Report an event in the next turn of the runner's loop: in this one the caller gets its answer."""
        asyncio.get_running_loop().call_soon(self.tell, [event])

    @classmethod
    def assemble(
        cls,
        grant: Grant,
        *,
        store: Store,
        sender: Sender,
        settings: Settings,
        clock: Clock,
        jitter: Callable[[], float],
        tell: Callable[[Sequence[Event]], None],
    ) -> Self:
        """Return the parts of a manager with these arguments."""
        records = Records(store, "tokens", TokenRecord)
        ahead = settings.refresh_ahead_seconds
        ahead_seconds = grant.refresh_ahead_seconds if ahead is None else ahead
        return cls(
            grant=grant,
            settings=settings,
            clock=clock,
            tell=tell,
            store=store,
            repository=CredentialRepository(records, settings=settings, clock=clock),
            cache=TokenCache(settings, clock, ahead_seconds=ahead_seconds, jitter=jitter),
            backoff=Backoff(settings, clock, jitter=jitter),
            exchange=TokenExchange(grant, sender, settings=settings, clock=clock, jitter=jitter),
        )
