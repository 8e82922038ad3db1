"""What the command makes of a performance."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from atlassian_auth._demo.command import report


def interrupted():
    raise KeyboardInterrupt


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


@pytest.mark.parametrize(
    ("failures", "status", "last_word"),
    [((), 0, "PASSED"), (("503",), 1, "FAILED")],
    ids=["good", "bad"],
)
def test_the_exit_status_is_honest(console, evidence, failures, status, last_word):
    """The exit status is 1 if anything went wrong, and the printed verdict agrees."""
    assert report(console, lambda: evidence(failures=failures)) == status

    assert console.file.getvalue().splitlines()[-1].startswith(last_word)


def test_an_interrupt_is_no_verdict(console):
    """After Ctrl-C the demonstration says that nothing was checked, and gives no verdict."""
    assert report(console, interrupted) == 130

    assert console.file.getvalue() == "Interrupted: nothing was checked.\n"
