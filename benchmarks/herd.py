"""Credentials that were all authorized within one minute, followed for hours: who refreshes them, and when.

No clock runs and nothing is sent. When a token is due, when it is too old, and whether the one that another
worker stored will do, is asked of the library itself: its `TokenCache`, its `Requirement`. Credentials do not
touch each other, so that each is followed to its end before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from atlassian_auth import Settings
from atlassian_auth._tokens.refresh.cache import TokenCache
from atlassian_auth.ports import SystemClock, utc_at
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import TokenPair
from benchmarks.scene import grant

START = 1_800_000_000.0
MINUTE = 60
HOUR = 3600

# A lock, a request to the token endpoint and a save.
_EXCHANGE_SECONDS = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is followed.

    Args:
        credentials: How many.
        workers: Processes that share one store.
        users: How many of them use the same credential.
        hours: For how long.
        settings: Of all workers.
    """

    credentials: int = 1_000_000
    workers: int = 50
    users: int = 2
    hours: int = 8
    settings: Settings = field(default_factory=Settings)


class Load:
    """What the token endpoint and the callers noticed, minute by minute.

    Args:
        minutes: How many.
    """

    def __init__(self, minutes: int) -> None:
        self.requests = [0] * minutes
        self.waits = [0] * minutes
        self.reused = 0

    def add(self, other: Load) -> None:
        self.requests = [a + b for a, b in zip(self.requests, other.requests, strict=True)]
        self.waits = [a + b for a, b in zip(self.waits, other.waits, strict=True)]
        self.reused += other.reused


class Moment(SystemClock):
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = START
        self.time = lambda: self.at


class Grants:
    """The authorization server: hands out tokens of one hour, and knows which refresh tokens are spent."""

    def __init__(self, clock: Moment, load: Load, chance: Random) -> None:
        self._clock = clock
        self._load = load
        self._chance = chance
        self._valid = ""

    def authorize(self) -> TokenPair:
        """Begin with another credential."""
        return self._token()

    def refresh(self, token: TokenPair) -> TokenPair:
        """Take one refresh token for the next."""
        self._load.reused += token.refresh_token != self._valid
        self._load.requests[_minute(self._clock.at)] += 1
        return self._token()

    def _token(self) -> TokenPair:
        # Numbers would not do: what the library draws from a token would not be spread as from real ones.
        text = f"{self._chance.getrandbits(128):032x}"
        self._valid = f"refresh-{text}"
        now = utc_at(self._clock.at)
        return TokenPair(f"access-{text}", now, now + timedelta(hours=1), self._valid)


class Herd:
    """A fleet of workers and the credentials it uses, one after the other.

    Args:
        scenario: What is followed.
        seed: Of all that happens by chance.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.load = Load(scenario.hours * 60)
        self._scenario = scenario
        self.chance = Random(seed)  # noqa: S311  (it makes no secrets)
        self._clock = Moment()
        self._grants = Grants(self._clock, self.load, self.chance)
        self._caches = [self._cache() for _ in range(scenario.workers)]
        self._end = START + scenario.hours * HOUR

    def follow(self, keys: Iterable[str]) -> Load:
        """Return what was noticed of these credentials."""
        for key in keys:
            self._follow(key)
        return self.load

    def _cache(self) -> TokenCache:
        settings = self._scenario.settings
        own = settings.refresh_ahead_seconds
        ahead_seconds = grant().refresh_ahead_seconds if own is None else own
        return TokenCache(
            settings,
            self._clock,
            ahead_seconds=ahead_seconds,
            jitter=self.chance.random,
        )

    def _follow(self, key: str) -> None:
        chance, clock = self.chance, self._clock
        clock.at = START + chance.random() * MINUTE
        credential = Credential(key, self._grants)
        every = chance.uniform(5, 30)  # seconds between two requests of one worker
        users = chance.sample(self._caches, self._scenario.users)
        for cache in users:
            cache.publish(key, credential.stored.bearer)
        asks = [_ahead_at(cache, key) + chance.random() * every for cache in users]
        while (now := min(asks)) < self._end:
            turn = asks.index(now)
            clock.at = now
            self._request(credential, users[turn])
            due_at = max(clock.at, _ahead_at(users[turn], key))
            asks[turn] = due_at + chance.random() * every
        for cache in users:
            cache.drop(key)

    def _request(self, credential: Credential, cache: TokenCache) -> None:
        """The first request of a worker since its token is due: as `TokenManager.current` goes about it."""
        clock, key = self._clock, credential.key
        entry = cache.get(key)
        assert entry is not None
        waits = clock.at >= entry.fresh_until
        self.load.waits[_minute(clock.at)] += waits
        margin_seconds = 0 if waits else entry.token.expires_at.timestamp() - entry.ahead_at
        clock.at = max(clock.at, credential.locked_until)
        requirement = Requirement(margin_seconds=margin_seconds)
        buffer_seconds = self._scenario.settings.buffer_seconds
        if not requirement.accepts(
            credential.stored.bearer, utc_at(clock.at), buffer_seconds=buffer_seconds
        ):
            credential.refresh(clock)
        cache.publish(key, credential.stored.bearer)


class Credential:
    """What the store holds of one key."""

    def __init__(self, key: str, grants: Grants) -> None:
        self.key = key
        self.stored = grants.authorize()
        self.locked_until = START
        self._grants = grants

    def refresh(self, clock: Moment) -> None:
        self.stored = self._grants.refresh(self.stored)
        clock.at += _EXCHANGE_SECONDS
        self.locked_until = clock.at


def _ahead_at(cache: TokenCache, key: str) -> float:
    entry = cache.get(key)
    assert entry is not None
    return entry.ahead_at


def _minute(at: float) -> int:
    return int((at - START) // MINUTE)
