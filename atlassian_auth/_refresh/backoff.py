"""The memory of failures: who failed, why, and until when nobody asks again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    StoreError,
    TransientError,
)
from atlassian_auth.ports import Clock
from atlassian_auth.settings import Settings

__all__ = ["Backoff", "Rest"]

# A lost grant and a broken store are looked at anew each time: that costs no token request, and that they
# have healed is seen at once.
_RESTLESS = (AuthorizationRequired, StoreError)


@dataclass(frozen=True, slots=True)
class Rest:
    """A pause after a failure, in POSIX seconds.

    Args:
        error: What failed.
        since: When.
        until: Until then nothing is asked.
        own_until: Until then nothing is asked for a forced refresh either: without what the server asks for,
            and without what a changed setting may have mended.
        failures: How many there were in a row.
    """

    error: AtlassianAuthError
    since: float
    until: float
    own_until: float
    failures: int


class Backoff:
    """How long each key rests after a failed refresh.

    Args:
        settings: The first pause, its doubling and its end.
        clock: What time it is.
        jitter: Returns a number from 0 up to 1; it spreads the pauses of many processes.
    """

    def __init__(self, settings: Settings, clock: Clock, *, jitter: Callable[[], float]) -> None:
        self._settings = settings
        self._time = clock.time
        self._jitter = jitter
        self._rests: dict[str, Rest] = {}

    def note(self, key: str, error: AtlassianAuthError) -> Rest:
        """Remember a failure and return the pause that follows it."""
        now = self._time()
        failures = self._rests[key].failures + 1 if key in self._rests else 1
        own = self._own_seconds(failures)
        longest = max(own, self._asked_seconds(error))
        rest = Rest(error, now, now + longest, now + own, failures)
        self._rests[key] = rest
        return rest

    def active(self, key: str, *, forced: bool = False) -> AtlassianAuthError | None:
        """Return the error to raise instead of asking again; None if asking is due.

        Args:
            key: Which credential.
            forced: Whether the caller asks for a refresh by name, and need not wait for as long.
        """
        rest = self._rests.get(key)
        now = self._time()
        # A clock that was set back does not prolong the pause.
        if rest is None or not rest.since <= now < (rest.own_until if forced else rest.until):
            return None
        if isinstance(rest.error, _RESTLESS):
            return None
        error = rest.error.fresh()
        if isinstance(error, TransientError):
            error.retry_after_seconds = rest.until - now
        return error

    def clear(self, key: str) -> None:
        """Forget the key's failures."""
        self._rests.pop(key, None)

    def _own_seconds(self, failures: int) -> float:
        settings = self._settings
        doubled = settings.backoff_seconds * 2.0 ** min(failures - 1, 32)
        return min(doubled, settings.backoff_cap_seconds) * (1 + self._jitter() / 5)

    def _asked_seconds(self, error: AtlassianAuthError) -> float:
        if isinstance(error, ConfigurationError):
            return self._settings.configuration_backoff_seconds
        asked = error.retry_after_seconds if isinstance(error, TransientError) else None
        return asked or 0
