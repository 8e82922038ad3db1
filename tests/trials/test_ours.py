"""This library passes each trial that it puts others through."""

from __future__ import annotations

import pytest

pytest.importorskip("resource", reason="the trials need processes that can be stopped")

from benchmarks.trials.bench import Effort
from benchmarks.trials.sheet import Result
from benchmarks.trials.trials import TRIALS

# A busy machine is given time; a client that passes does not take it.
EFFORT = Effort(crowd=30, patience_seconds=60)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_this_library_passes(trial, tried):
    """Interrupted, unsaved, in crowds, while the server fails: no consent is lost and no secret is shown."""
    assert tried(trial, TRIALS, "benchmarks.trials.libraries.ours", EFFORT) == Result("passed")
