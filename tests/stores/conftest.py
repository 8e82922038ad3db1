"""Other processes, which share a store with the test."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import atlassian_auth

ROOT = Path(atlassian_auth.__path__[0]).parent


@pytest.fixture
def start():
    """Start interpreters that run a script, and see that none outlives the test."""
    with ExitStack() as processes:

        def start(script, *arguments):
            process = subprocess.Popen(
                [sys.executable, "-c", script, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield start


@pytest.fixture
def run(start):
    """Run a script in an interpreter of its own, and return what it printed."""

    def run(script, *arguments):
        process = start(script, *arguments)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return output.split()

    return run
