"""The tokens at hand, with the moments at which they stop being good enough. No I/O, no waiting."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

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
        ahead_at: From here on a refresh is due, though nobody waits for it yet.
        fresh_until: From here on the token is not used any more.
    """

    token: Token
    ahead_at: float
    fresh_until: float


class TokenCache:
    """The token of each key. Read from any thread; written in the runner.

    Args:
        settings: The buffer and the backoff for tokens refused again.
        clock: What time it is.
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
        # Tells who looked away for a moment whether something was forgotten meanwhile.
        self.drops: int = 0
        # Bound once: the fast path calls this for every request.
        self.get: Callable[[str], Entry | None] = self._entries.get

    def keys(self) -> list[str]:
        """Return the keys with a token, sorted."""
        return sorted(self._entries)

    def publish(self, key: str, token: Token) -> None:
        """Take this token as the key's. To be called under the store's lock, so that the last one counts."""
        self._entries[key] = self.entry(key, token)

    def drop(self, key: str) -> None:
        """Forget the key's token."""
        self.drops += 1
        self._entries.pop(key, None)
        self._refused.pop(key, None)

    def postpone(self, key: str, until: float) -> None:
        """Let no refresh become due before ``until``; the buffer stays what it is."""
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
        """Return the key's token if it has not expired, be it within the buffer."""
        entry = self._entries.get(key)
        if entry is None or self._time() >= entry.token.expires_at.timestamp():
            return None
        return entry.token

    def refuse(self, key: str, token: Token) -> None:
        """Remember for a while that this token was refused although it was brand-new."""
        until = self._time() + self._settings.configuration_backoff_seconds
        self._refused[key] = (token, until)

    def is_refused(self, key: str, token: Token) -> bool:
        """Return whether refreshing this token would only yield another one that is refused."""
        refused, until = self._refused.get(key, (None, 0.0))
        return refused == token and self._time() < until

    def _ahead(self, key: str, token: Token, lifetime: float) -> float:
        """How long before its end this token is due.

        Each key has a moment of its own in the period of refreshes, the same in all processes, and each
        refresh goes a part of the way back to it: credentials that began together drift apart, and one
        that is at its moment is refreshed no earlier than it must be.
        """
        longest = lifetime / 4
        least = min(self._ahead_seconds, longest)
        if not least:
            return 0
        room = min(self._settings.refresh_spread_seconds, longest - least)
        period = lifetime - least
        past_own_moment = (token.expires_at.timestamp() - least - _lot(key) * period) % period
        return least * (1 - self._jitter() / 5) + room * past_own_moment / period

    def entry(self, key: str, token: Token) -> Entry:
        """Return when this token of the key is due and when it is used no more; it is not published."""
        lifetime = token.lifetime.total_seconds()
        expires_at = token.expires_at.timestamp()
        fresh_until = expires_at - buffer_for(lifetime, self._settings.buffer_seconds)
        ahead = self._ahead(key, token, lifetime)
        return Entry(token, min(expires_at - ahead, fresh_until), fresh_until)


def _lot(key: str) -> float:
    """Return a number from 0 up to 1 that is the same in all processes and another for each key."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) / 2**32
