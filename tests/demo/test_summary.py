"""What is printed in the end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from atlassian_auth._cli.demo.summary import summarize
from atlassian_auth._cli.demo.verdict import judge


@pytest.fixture
def printed():
    """Return the summary of some evidence as lines without runs of blanks, 80 columns wide."""

    def run(seen):
        console = Console(file=io.StringIO(), width=80, highlight=False)
        summarize(console, seen, judge(seen))
        assert max(map(len, console.file.getvalue().splitlines())) <= 80
        return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]

    return run


def test_a_good_run(printed, evidence):
    """The summary has each credential's figures, the faults survived, the promises kept, and "passed"."""
    lines = printed(evidence())

    assert {
        "Lifetime of an access token 4 s 3 s 2 s",
        "API requests 2 2 2",
        "answered 401 1 1 1",
        "Token requests 2 2 2",
        "first token 1 1 1",
        "the token was expiring 1 1 1",
        "needlessly 0 0 0",
        "Events collected, builds sent 2 of 2 2 of 2 2 of 2",
        "Service stopped and restarted survived continued from SQLite",
        "No request failed kept",
    } <= set(lines)
    assert lines[-1] == (
        "PASSED: 6 API requests, 6 token requests; nothing lost, doubled or needless."
    )


def test_a_bad_run(printed, evidence):
    """Broken promises are named, with the first five problems each, and there is no praise."""
    lines = printed(evidence(failures=tuple("abcdefg"), survived=False))

    assert "No request failed BROKEN" in lines
    assert "Service stopped and restarted NOT OVER" in lines
    assert [line for line in lines if line.startswith("No request failed: ")] == [
        f"No request failed: {problem}" for problem in [*"abcde", "... and 2 more"]
    ]
    assert lines[-1] == "FAILED: 2 of 6 promises were broken."


def test_five_problems_are_shown_in_full(printed, evidence):
    """Nothing is cut where nothing is too long."""
    lines = printed(evidence(failures=tuple("abcde")))

    assert "No request failed: e" in lines
    assert not any("more" in line for line in lines)
