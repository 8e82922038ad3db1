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
    """A pause after a failure, in POSIX seconds."""

    error: AtlassianAuthError
    since: float
    until: float
    failures: int


class Backoff:
    """How long each key rests after a failed renewal.

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
        rest = Rest(error, now, now + self._seconds(error, failures), failures)
        self._rests[key] = rest
        return rest

    def active(self, key: str) -> AtlassianAuthError | None:
        """Return the error to raise instead of asking again; None if asking is due."""
        rest = self._rests.get(key)
        now = self._time()
        # A clock that was set back does not prolong the pause.
        if rest is None or not rest.since <= now < rest.until:
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

    def _seconds(self, error: AtlassianAuthError, failures: int) -> float:
        settings = self._settings
        if isinstance(error, ConfigurationError):
            return settings.configuration_backoff_seconds
        doubled = settings.backoff_seconds * 2.0 ** min(failures - 1, 32)
        pause = min(doubled, settings.backoff_cap_seconds) * (1 + self._jitter() / 5)
        asked = error.retry_after_seconds if isinstance(error, TransientError) else None
        return max(pause, asked or 0)
