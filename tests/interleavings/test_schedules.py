"""Whatever happens in whatever order, no consent is lost and no caller waits for ever.

Each example is a schedule, drawn by hypothesis and played turn by turn, without threads and without
real time: a failure is the same at every run, and shrinks to the few steps that matter. A run of
the tests plays the same few hundred each time. To look for new ones, for longer than a test may take:

    pytest tests/interleavings --hypothesis-profile=long -o faulthandler_timeout=0

"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.interleavings.schedules import (
    SCHEDULES,
    Advance,
    Approach,
    Call,
    Schedule,
    ServerFault,
    Settle,
)
from tests.interleavings.simulation import play

pytestmark = pytest.mark.campaign

STEADY = settings(deadline=None, derandomize=True, max_examples=100)
CHOSEN = settings.default if settings.default.max_examples > 1000 else STEADY


@pytest.mark.parametrize("product", ["cloud", "data_center"])
@CHOSEN
@given(schedule=SCHEDULES)
def test_any_schedule_ends_well(product, schedule):
    """Callers, cancellations, faults, clocks and restarts in any order: the rules hold."""
    play(product, schedule)


@pytest.mark.parametrize("fault", ["429 later", "invalid client"])
@pytest.mark.parametrize("product", ["cloud", "data_center"])
@pytest.mark.parametrize("manager", [0, 1])
def test_a_refresh_by_name_waits_for_its_own_pause_only(product, fault, manager):
    """After the manager's own pause a refresh by name asks again, whatever the server asks for."""
    refresh = Call("refresh", manager=manager)
    steps = Approach("a", -0.5), ServerFault(fault, 9), refresh, Settle(), Advance(5.0), refresh
    world = play(product, Schedule(64, 60.0, "raise", (True, True), (*steps, Settle())))

    codes = [type(caller.error).__name__ for caller in world.callers if caller.call is refresh]
    assert len(codes) == 2
    assert "NoneType" not in codes
