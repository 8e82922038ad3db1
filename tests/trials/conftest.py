from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module

import pytest


@pytest.fixture(scope="module")
def tried():
    """Put a client through one trial. Its processes are forked from one that is started once."""
    # Not at the top: where there is no `resource` to import, the tests are skipped.
    processes = import_module("benchmarks.trials.processes")
    sheet = import_module("benchmarks.trials.sheet")
    starters = {}

    def try_once(trial, module, effort):
        if module not in starters:
            starters[module] = stack.enter_context(processes.Starter(module))
        return sheet.judge(trial, import_module(module), starters[module], effort)

    with ExitStack() as stack:
        yield try_once
