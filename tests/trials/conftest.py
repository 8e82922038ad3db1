from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib import import_module

import pytest

# The trials wait more than they work.
AT_ONCE = 3


@pytest.fixture(scope="module")
def tried():
    """Begin trials of a client, and return what comes of each when it is asked for."""
    # Not at the top: where there is no `resource` to import, the tests are skipped.
    processes = import_module("benchmarks.trials.processes")
    sheet = import_module("benchmarks.trials.sheet")
    results = {}

    def result(trial, trials, module, effort):
        if module not in results:
            starter = stack.enter_context(processes.Starter(module))
            library = import_module(module)
            results[module] = {
                each.name: pool.submit(sheet.judge, each, library, starter, effort)
                for each in trials
            }
        return results[module][trial.name].result()

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        yield result
        pool.shutdown(cancel_futures=True)
