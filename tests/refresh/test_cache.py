"""The cached tokens, and the times at which each is due for a refresh."""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlassian_auth import Settings, Token
from atlassian_auth._tokens.records.lifetimes import phase_of
from atlassian_auth._tokens.refresh.cache import TokenCache
from atlassian_auth.ports import utc_at
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return TokenCache(Settings(), clock, ahead_seconds=60, jitter=lambda: 0.0)


@pytest.fixture
def token(clock):
    def build(name: str = "present", lifetime_seconds: float = 3600) -> Token:
        now = clock.now()
        return Token(name, now, now + timedelta(seconds=lifetime_seconds))

    return build


@pytest.mark.parametrize(
    ("lifetime", "ahead", "jitter", "ahead_before", "fresh_before"),
    [
        pytest.param(3600, 60, 0.0, 60, 10, id="an-hour"),
        pytest.param(3600, 60, 0.5, 54, 10, id="with-jitter"),
        pytest.param(3600, 0, 0.0, 10, 10, id="ahead-off"),
        pytest.param(3600, 5, 0.0, 10, 10, id="ahead-within-the-buffer"),
        pytest.param(100, 60, 0.0, 25, 10, id="ahead-is-a-quarter-at-most"),
        pytest.param(4, 60, 0.0, 1, 1, id="four-seconds"),
    ],
)
def test_when_a_refresh_is_due(clock, token, lifetime, ahead, jitter, ahead_before, fresh_before):
    """A refresh is due before the buffer, by at most a quarter of the lifetime, with jitter."""
    settings = Settings(refresh_spread_seconds=0)
    cache = TokenCache(settings, clock, ahead_seconds=ahead, jitter=lambda: jitter)

    cache.publish("acme", token(lifetime_seconds=lifetime))

    entry, end = cache.get("acme"), clock.time() + lifetime
    assert end - entry.ahead_at == pytest.approx(ahead_before)
    assert end - entry.fresh_until == pytest.approx(fresh_before)


@pytest.mark.parametrize(
    ("lifetime", "spread", "earliest"),
    [
        pytest.param(3600, 900, 900, id="within the last quarter"),
        pytest.param(3600, 300, 360, id="as far as it is set"),
        pytest.param(900, 900, 225, id="of a short lifetime, too"),
        pytest.param(200, 900, 50, id="nothing to spread"),
    ],
)
def test_refreshes_are_spread(clock, token, lifetime, spread, earliest):
    """Tokens that were issued together become due one by one, between ``earliest`` and the usual moment."""
    settings = Settings(refresh_spread_seconds=spread)
    cache = TokenCache(settings, clock, ahead_seconds=60, jitter=lambda: 0.0)
    end, least = clock.time() + lifetime, min(60, lifetime / 4)

    for number in range(1000):
        cache.publish(f"tenant-{number}", token(lifetime_seconds=lifetime))

    ahead = sorted(end - cache.get(f"tenant-{number}").ahead_at for number in range(1000))
    assert least <= ahead[0] <= least + (earliest - least) / 20
    assert earliest - (earliest - least) / 20 <= ahead[-1] <= earliest
    assert ahead[500] == pytest.approx((least + earliest) / 2, rel=0.1)


def test_refreshes_come_back_to_the_keys_own_moment(clock, token):
    """After some refreshes a key is at its phase, and is refreshed as late as it may be."""
    cache = TokenCache(Settings(), clock, ahead_seconds=60, jitter=lambda: 0.0)

    early = []
    for _ in range(30):
        cache.publish("acme", token())
        end = clock.time() + 3600
        early.append(end - cache.get("acme").ahead_at - 60)
        clock.advance(3540 - early[-1])

    assert early == sorted(early, reverse=True)
    assert early[0] > 10 * early[12] > 100 * early[29]


def test_a_key_at_its_phase_is_refreshed_late(clock):
    """A second after its phase, a key is refreshed a little earlier than it must be."""
    cache = TokenCache(Settings(), clock, ahead_seconds=60, jitter=lambda: 0.0)
    period = 3600 - 60
    expires_at = utc_at(60 + 1 + (phase_of("acme") + 500_000) * period)
    token = Token("present", expires_at - timedelta(hours=1), expires_at)

    entry = cache.entry("acme", token)

    spread = 3600 / 4 - 60
    assert expires_at.timestamp() - entry.ahead_at == pytest.approx(60 + spread / period)


def test_nothing_is_refreshed_ahead_if_that_is_off(clock, token):
    """Without a time ahead a token is used until its buffer begins, however short that is."""
    settings = Settings(buffer_seconds=0.5)
    cache = TokenCache(settings, clock, ahead_seconds=0, jitter=lambda: 0.0)

    entry = cache.entry("acme", token())

    assert entry.ahead_at == entry.fresh_until == clock.time() + 3599.5


def test_processes_agree_when_a_token_is_due(clock, token):
    """The time of a refresh depends on key and token: except for jitter it is the same in all processes."""
    first, second = (
        TokenCache(Settings(), clock, ahead_seconds=60, jitter=lambda chance=chance: chance)
        for chance in (0.0, 1.0)
    )
    for cache in (first, second):
        cache.publish("acme", token())

    assert second.get("acme").ahead_at - first.get("acme").ahead_at == pytest.approx(12)


def test_the_last_published_token_counts(cache, clock, token):
    """A new token replaces the cached one, also if the clock was set back."""
    cache.publish("acme", token("first"))
    clock.move_to(clock.now() - timedelta(minutes=2))

    cache.publish("acme", token("second"))

    assert cache.get("acme").token.access_token == "second"


def test_accepted_by_demand(cache, token):
    """The cache returns a token only if it meets the requirement."""
    cache.publish("acme", token())

    assert cache.accepted("acme", Requirement()) == token()
    assert cache.accepted("acme", Requirement(rejected="present")) is None
    assert cache.accepted("other", Requirement()) is None


def test_valid_until_the_last_moment(cache, clock, token):
    """Within the buffer a token is still valid; at its expiry it is not."""
    cache.publish("acme", token())

    clock.advance(3600 - 0.001)
    assert cache.still_valid("acme") is not None
    clock.advance(0.001)
    assert cache.still_valid("acme") is None
    assert cache.still_valid("other") is None


def test_postponing_moves_what_is_due_but_not_the_buffer(cache, clock, token):
    """After a failure no refresh is due before the pause ends, or the buffer begins."""
    cache.publish("acme", token())
    fresh_until = cache.get("acme").fresh_until

    cache.postpone("acme", clock.time() + 3560)
    assert cache.get("acme").ahead_at == clock.time() + 3560
    cache.postpone("acme", clock.time() + 9999)
    assert cache.get("acme").ahead_at == fresh_until
    cache.postpone("other", clock.time())

    assert cache.keys() == ["acme"]


def test_a_refused_token_is_remembered_for_a_while(cache, clock, token):
    """A newly issued token that the API refused is not refreshed again until the pause ends."""
    cache.refuse("acme", token())

    assert cache.is_refused("acme", token())
    assert not cache.is_refused("acme", token("another"))
    assert not cache.is_refused("other", token())
    refused = token()
    clock.advance(300)
    assert not cache.is_refused("acme", refused)


def test_dropping_forgets_everything(cache, token):
    """A dropped key has no token, and no refused token is remembered for it."""
    cache.publish("acme", token())
    cache.refuse("acme", token())

    cache.drop("acme")

    assert cache.get("acme") is None
    assert not cache.is_refused("acme", token())
