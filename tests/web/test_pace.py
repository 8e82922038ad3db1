"""How many flows a caller may start."""

from __future__ import annotations

import pytest

from atlassian_auth.ports import utc_at
from atlassian_auth.testing import ManualClock
from atlassian_auth.web._pace import Pace


@pytest.fixture
def clock():
    return ManualClock()


def test_the_limit_holds_for_any_minute(clock):
    """After so many starts the caller waits until the first of them is a minute old."""
    pace = Pace(2, clock)
    assert pace.wait_seconds("anna") == 0
    clock.advance(20)
    assert pace.wait_seconds("anna") == 0

    clock.advance(39)

    assert pace.wait_seconds("anna") == 1
    clock.advance(1)
    assert pace.wait_seconds("anna") == 0
    assert pace.wait_seconds("anna") == 20


def test_callers_do_not_share_a_limit(clock):
    """One caller's starts keep no other caller waiting."""
    pace = Pace(1, clock)
    pace.wait_seconds("anna")

    assert pace.wait_seconds("bert") == 0


def test_a_caller_is_forgotten_after_a_minute(clock):
    """Callers of the past cost no memory; those of the last minute are kept."""
    pace = Pace(1, clock)
    pace.wait_seconds("anna")
    clock.advance(30)
    pace.wait_seconds("bert")

    clock.advance(30)
    pace.wait_seconds("carla")

    assert set(pace._starts) == {"bert", "carla"}


def test_a_clock_that_is_set_back_locks_nobody_out(clock):
    """If the clock is set back, old starts do not count."""
    pace = Pace(1, clock)
    clock.advance(7200)
    pace.wait_seconds("anna")

    clock.move_to(utc_at(clock.time() - 7200))

    assert pace.wait_seconds("anna") == 0
