"""The benchmarks run, and say what they mean. What they measure is not tested: machines differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.places import Place
from benchmarks.rounds import paired
from benchmarks.row import Row, exit_status
from benchmarks.stores import on_store
from benchmarks.table import plain

CHECKOUT = Path(__file__).parents[2]

ROWS = [
    "valid token, AsyncClient",
    "valid token, Client",
    "valid token, httpx2.AsyncClient",
    "valid token, httpx2.Client",
    "valid token, requests.Session",
    "valid token, authlib",
    "valid token, httpx-auth",
    "valid token, mcp",
    "storm of 100: token requests",
    "storm of 100: time",
    "failing storm of 1,000: token requests",
    "failing storm of 1,000: shared errors",
    "refresh / its POST, on loopback",
    "refresh / its POST, 20 ms away",
    "refresh / its POST, in process",
    "import / httpx, pydantic",
    "import / httpx, a pydantic model",
    "memory of 1 of 100 credentials",
    "lookup among 100 / 10, the same keys",
    "lookup among 100 / 10, each in turn",
    "refresh / its store alone, memory",
    "refreshes in turn, SQLite",
    "refreshes at once, files",
    "storm of 100 on SQLite: token requests",
    "storm of 100 on files: time",
    "Redis",
    "PostgreSQL",
]


def row(*values, budget=None, **fields):
    return Row(what="a row", values=values, budget=budget, **fields)


def test_quick_run_prints_each_row():
    """`python -m benchmarks --quick` measures everything and prints one line for each."""
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    wide = os.environ | {"COLUMNS": "160", "PYTHONIOENCODING": "utf-8"}

    run = subprocess.run(
        command, capture_output=True, check=True, cwd=CHECKOUT, encoding="utf-8", env=wide
    )

    assert [name for name in ROWS if name not in run.stdout] == []


@pytest.mark.parametrize(
    ("median", "verdict"),
    [
        pytest.param(1.02, "ok", id="below"),
        pytest.param(1.03, "ok", id="exactly-at"),
        pytest.param(1.04, "over", id="above"),
    ],
)
def test_budget_holds_the_median(median, verdict):
    """A budget is kept at the most it allows and by the median alone, not by single rounds."""
    measured = row(0.5, median, 9.0, budget=1.03)

    assert measured.verdict == verdict


def test_no_budget_no_verdict():
    """A row without a budget, such as that of another library, is neither ok nor over."""
    assert row(9.0).verdict == ""


def test_skipped_row_says_why():
    """A row that could not be measured is over no budget, and says why."""
    skipped = row(budget=1.0, note="authlib is not installed")

    assert (skipped.verdict, skipped.over) == ("", False)
    assert skipped.measured == "skipped: authlib is not installed"


def test_missing_server_is_said_to_be_missing():
    """A store whose server is missing still has a row, which says so."""
    [missing] = on_store(Place("Redis", None, "no redis-server"), quick=True)

    assert (missing.what, missing.measured) == ("refreshes, Redis", "skipped: no redis-server")


@pytest.mark.parametrize(
    ("values", "check", "status"),
    [
        pytest.param([1.0], True, 0, id="kept"),
        pytest.param([1.0, 2.0], True, 1, id="exceeded"),
        pytest.param([2.0], False, 0, id="exceeded, not checked"),
    ],
)
def test_check_fails_if_a_budget_is_exceeded(values, check, status):
    """The exit status is 0, but with `--check` 1 if any row is over its budget."""
    rows = [row(value, budget=1.5) for value in values]

    assert exit_status(rows, check=check) == status


def test_baseline_and_subject_take_turns():
    """After a warm-up each goes first as often as the other, and each pair gives one ratio."""
    order = []

    def baseline():
        order.append("b")
        return 2.0

    def subject():
        order.append("s")
        return 3.0

    ratios = paired(baseline, subject, rounds=4)

    assert ratios == (1.5, 1.5, 1.5, 1.5)
    assert "".join(order) == "bs" + "bs" + "sb" + "bs" + "sb"


def test_plain_table_needs_no_rich():
    """Without rich the same table is printed as aligned text."""
    text = plain([row(1.0, 1.2, 1.1, budget=1.03), row(1717, unit="B")], caption="here")

    assert text.splitlines() == [
        "what   measured              budget    verdict",
        "a row  1.10 × (1.00 – 1.20)  ≤ 1.03 ×  over",
        "a row  1,717 B",
        "here",
    ]
