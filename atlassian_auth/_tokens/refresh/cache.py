"""The cached tokens, and the times at which each is due for a refresh. No I/O, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atlassian_auth._tokens.records.lifetimes import phase_of
from atlassian_auth.ports import Clock, utc_at
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token, buffer_for
from atlassian_auth.settings import Settings

__all__ = ["Entry", "TokenCache"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A token and the POSIX times that the fast path compares with the clock.

    Args:
        token: The token.
        ahead_at: From then on a refresh is started in the background; requests still use the token.
        fresh_until: From then on requests wait for a refresh instead of using the token.
    """

    token: Token
    ahead_at: float
    fresh_until: float


class TokenCache:
    """The token of each key. Read from any thread, written in the runner.

    Args:
        settings: The buffer, the spread of refreshes, and how long a refused new token is remembered.
        clock: Tells the time.
        ahead_seconds: How long before expiry a refresh is due; at most a quarter of the lifetime.
        jitter: Returns a number from 0 up to 1; it spreads the refreshes of many processes.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        ahead_seconds: float,
        jitter: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._time = clock.time
        self._ahead_seconds = ahead_seconds
        self._jitter = jitter
        self._entries: dict[str, Entry] = {}
        self._refused: dict[str, tuple[Token, float]] = {}
        # Counted by `drop`: code that compares it before and after an await knows whether to publish.
        self.drops: int = 0
        # Bound once: the fast path calls this for every request.
        self.get: Callable[[str], Entry | None] = self._entries.get

    def keys(self) -> list[str]:
        """Return the keys with a token, sorted."""
        return sorted(self._entries)

    def publish(self, key: str, token: Token) -> None:
        """Cache this token as the key's. Call it with the store's lock held, so that the newest one stays."""
        self._entries[key] = self.entry(key, token)

    def drop(self, key: str) -> None:
        """Forget the key's token."""
        self.drops += 1
        self._entries.pop(key, None)
        self._refused.pop(key, None)

    def postpone(self, key: str, until: float) -> None:
        """Move the key's background refresh to ``until``, at most to the end of the token's use."""
        entry = self._entries.get(key)
        if entry is not None:
            ahead_at = min(until, entry.fresh_until)
            self._entries[key] = Entry(entry.token, ahead_at, entry.fresh_until)

    def accepted(self, key: str, requirement: Requirement) -> Token | None:
        """Return the key's token if it meets the requirement."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = utc_at(self._time())
        buffer_seconds = self._settings.buffer_seconds
        ok = requirement.accepts(entry.token, now, buffer_seconds=buffer_seconds)
        return entry.token if ok else None

    def still_valid(self, key: str) -> Token | None:
        """Return the key's token if it has not expired, even if less than the buffer is left."""
        entry = self._entries.get(key)
        if entry is None or self._time() >= entry.token.expires_at.timestamp():
            return None
        return entry.token

    def refuse(self, key: str, token: Token) -> None:
        """Remember for ``configuration_backoff_seconds`` that the API refused this newly issued token."""
        until = self._time() + self._settings.configuration_backoff_seconds
        self._refused[key] = (token, until)

    def is_refused(self, key: str, token: Token) -> bool:
        """Return whether `refuse` was called for this token lately: a refresh would bring no better one."""
        refused, until = self._refused.get(key, (None, 0.0))
        return refused == token and self._time() < until

    def _seconds_ahead(self, key: str, token: Token, lifetime: float) -> float:
        """Return how many seconds before its expiry this token is due for a refresh.

        Each key has a fixed phase, the same in all processes. Each refresh moves a part of the way towards
        it, so credentials that were issued together spread out. A key at its phase is refreshed as late as
        it may be.
        """
        longest = lifetime / 4
        least = min(self._ahead_seconds, longest)
        if not least:
            return 0
        room = min(self._settings.refresh_spread_seconds, longest - least)
        period = lifetime - least
        past_phase = (token.expires_at.timestamp() - least - phase_of(key) * period) % period
        return least * (1 - self._jitter() / 5) + room * past_phase / period

    def entry(self, key: str, token: Token) -> Entry:
        """Return the entry of a token of the key, without caching it."""
        lifetime = token.lifetime.total_seconds()
        expires_at = token.expires_at.timestamp()
        fresh_until = expires_at - buffer_for(lifetime, self._settings.buffer_seconds)
        ahead = self._seconds_ahead(key, token, lifetime)
        return Entry(token, min(expires_at - ahead, fresh_until), fresh_until)
