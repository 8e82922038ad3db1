"""What the command makes of a performance."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from atlassian_auth._cli.demo.command import report
from tests.cli.test_documents import check


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


def test_the_verdict_as_json(console, evidence, capsys):
    """A program reads which promises were kept, and what was wrong."""
    report(console, lambda: evidence(failures=("503",)), as_json=True)

    printed = capsys.readouterr().out
    check("demo", printed)
    verdict = json.loads(printed)
    assert verdict["passed"] is False
    assert [one["problems"] for one in verdict["promises"] if not one["kept"]]


def test_an_interrupt_is_no_verdict(console):
    """After Ctrl-C the demonstration says that nothing was checked, and gives no verdict."""
    assert report(console, interrupted) == 130

    assert console.file.getvalue() == "Interrupted: nothing was checked.\n"
