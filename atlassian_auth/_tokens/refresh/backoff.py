"""The failures in memory: which key failed, why, and until when no new attempt is made."""

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

__all__ = ["Backoff", "Pause"]

# Trying these again costs no token request, and a repair should be noticed at once.
_NEVER_PAUSED = (AuthorizationRequired, StoreError)


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause after a failure; all times are POSIX seconds.

    Args:
        error: The failure.
        since: When it happened.
        until: No attempt is made before.
        own_until: No forced refresh is made before. It leaves out the server's ``Retry-After`` and the long
            pause after a `ConfigurationError`, whose cause may have been repaired.
        failures: How many failures there were in a row.
    """

    error: AtlassianAuthError
    since: float
    until: float
    own_until: float
    failures: int


class Backoff:
    """How long each key is paused after a failed refresh.

    Args:
        settings: The first pause, and the longest.
        clock: Tells the time.
        jitter: Returns a number from 0 up to 1; it spreads the pauses of many processes.
    """

    def __init__(self, settings: Settings, clock: Clock, *, jitter: Callable[[], float]) -> None:
        self._settings = settings
        self._time = clock.time
        self._jitter = jitter
        self._pauses: dict[str, Pause] = {}

    def note(self, key: str, error: AtlassianAuthError) -> Pause:
        """Remember a failure and return the pause that follows it."""
        now = self._time()
        failures = self._pauses[key].failures + 1 if key in self._pauses else 1
        own = self._own_seconds(failures)
        longest = max(own, self._requested_seconds(error))
        pause = Pause(error, now, now + longest, now + own, failures)
        self._pauses[key] = pause
        return pause

    def active(self, key: str, *, forced: bool = False) -> AtlassianAuthError | None:
        """Return the error to raise while the key is paused; None if a new attempt may be made.

        Args:
            key: Which credential.
            forced: Whether the caller requires a refresh, whose pause is shorter; see `Pause`.
        """
        pause = self._pauses.get(key)
        now = self._time()
        # A clock that was set back does not prolong the pause.
        if pause is None or not pause.since <= now < (pause.own_until if forced else pause.until):
            return None
        if isinstance(pause.error, _NEVER_PAUSED):
            return None
        error = pause.error.fresh()
        if isinstance(error, TransientError):
            error.retry_after_seconds = pause.until - now
        return error

    def clear(self, key: str) -> None:
        """Forget the key's failures."""
        self._pauses.pop(key, None)

    def _own_seconds(self, failures: int) -> float:
        settings = self._settings
        doubled = settings.backoff_seconds * 2.0 ** min(failures - 1, 32)
        return min(doubled, settings.backoff_cap_seconds) * (1 + self._jitter() / 5)

    def _requested_seconds(self, error: AtlassianAuthError) -> float:
        if isinstance(error, ConfigurationError):
            return self._settings.configuration_backoff_seconds
        requested = error.retry_after_seconds if isinstance(error, TransientError) else None
        return requested or 0
