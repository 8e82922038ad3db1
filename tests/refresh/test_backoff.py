"""The backoff: which key is paused after a failure, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    Settings,
    StoreError,
    TokenResponseError,
    TransientError,
)
from atlassian_auth._tokens.refresh.backoff import Backoff
from atlassian_auth.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def backoff(clock):
    return Backoff(Settings(), clock, jitter=lambda: 0.0)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(TransientError("503"), 1, id="transient"),
        pytest.param(TransientError("429", retry_after_seconds=90), 90, id="retry-after"),
        pytest.param(TokenResponseError("html", status=200), 1, id="token-response"),
        pytest.param(ConfigurationError("secret"), 300, id="configuration"),
    ],
)
def test_no_request_before_the_pause_ends(backoff, clock, error, seconds):
    """Until the pause is over each caller gets its own copy of the error."""
    start = clock.time()
    pause = backoff.note("acme", error)

    clock.advance(seconds - 0.001)
    first, second = backoff.active("acme"), backoff.active("acme")

    assert pause.until == start + seconds
    assert type(first) is type(error)
    assert first is not second
    assert first is not error
    clock.advance(0.001)
    assert backoff.active("acme") is None


@pytest.mark.parametrize(
    ("error", "long"),
    [
        pytest.param(TransientError("503", retry_after_seconds=3600), True, id="retry-after"),
        pytest.param(ConfigurationError("secret"), True, id="configuration"),
        pytest.param(TransientError("503"), False, id="our own"),
    ],
)
def test_a_forced_refresh_waits_for_the_first_pause_only(backoff, clock, error, long):
    """``refresh`` waits only for our own pause, not for a longer one that the server requests."""
    backoff.note("acme", error)

    clock.advance(1 - 0.001)
    assert backoff.active("acme", forced=True)
    clock.advance(0.001)

    assert backoff.active("acme", forced=True) is None
    assert bool(backoff.active("acme")) is long


def test_the_error_says_how_long_it_still_takes(backoff, clock):
    """A transient error during the pause says after how many seconds a new attempt makes sense."""
    backoff.note("acme", TransientError("429", retry_after_seconds=90))

    clock.advance(30)

    assert backoff.active("acme").retry_after_seconds == 60


def test_pauses_double_up_to_the_cap(backoff, clock):
    """Each further failure doubles the pause, until the cap."""
    pauses = [backoff.note("acme", TransientError("503")).until - clock.time() for _ in range(9)]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_pause_may_be_short(clock):
    """A first pause below a second is as long as it is set."""
    backoff = Backoff(Settings(backoff_seconds=0.25), clock, jitter=lambda: 0.0)

    assert backoff.note("acme", TransientError("503")).until == clock.time() + 0.25


def test_jitter_only_prolongs(clock):
    """Jitter makes a pause up to a fifth longer, and never shorter than the server requested."""
    backoff = Backoff(Settings(), clock, jitter=lambda: 0.999)

    plain = backoff.note("a", TransientError("503")).until - clock.time()
    asked = backoff.note("b", TransientError("429", retry_after_seconds=7)).until - clock.time()

    assert plain == pytest.approx(1.2, abs=0.001)
    assert asked == 7


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(AuthorizationRequired("lost"), id="lost"),
        pytest.param(StoreError("x"), id="store"),
    ],
)
def test_what_costs_no_token_request_is_looked_at_anew(backoff, error):
    """A lost consent and a failing store cause no pause, so a repair counts at once."""
    backoff.note("acme", error)

    assert backoff.active("acme") is None


def test_success_clears_the_memory(backoff):
    """After a success the key is not paused, and its next pause is the shortest again."""
    backoff.note("acme", TransientError("503"))
    backoff.note("acme", TransientError("503"))

    backoff.clear("acme")

    assert backoff.active("acme") is None
    assert backoff.note("acme", TransientError("503")).failures == 1


def test_keys_rest_apart(backoff):
    """A failure of one key does not pause another."""
    backoff.note("acme", TransientError("503"))

    assert backoff.active("other") is None


def test_a_clock_that_is_set_back_prolongs_nothing(backoff, clock):
    """If the clock is set back by an hour the pause is over, not an hour longer."""
    backoff.note("acme", TransientError("503"))

    clock.move_to(clock.now() - timedelta(hours=1))

    assert backoff.active("acme") is None
