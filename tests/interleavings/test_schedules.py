"""Whatever happens in whatever order, no grant is lost and nobody waits for ever.

Each example is a schedule, drawn by hypothesis and played turn by turn, without threads and without
real time: a failure is the same at every run, and shrinks to the few steps that matter. A run of
the tests plays the same few hundred each time. To look for new ones:

    pytest tests/interleavings --hypothesis-profile=long

"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.interleavings.schedules import SCHEDULES
from tests.interleavings.simulation import play

STEADY = settings(deadline=None, derandomize=True, max_examples=300)
CHOSEN = settings.default if settings.default.max_examples > 1000 else STEADY


@pytest.mark.parametrize("product", ["cloud", "data_center"])
@CHOSEN
@given(schedule=SCHEDULES)
def test_any_schedule_ends_well(product, schedule):
    """Callers, cancellations, faults, clocks and restarts in any order: the rules hold."""
    play(product, schedule)
