"""The score sheet counts what it should, and the page that shows it says what the trials are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import pytest

pytest.importorskip("resource", reason="the trials need processes that can be stopped")

from benchmarks.trials import page
from benchmarks.trials.bench import Effort, secrets_in
from benchmarks.trials.environments import CONTESTANTS
from benchmarks.trials.sheet import Result, Score, judge, worst
from benchmarks.trials.trials import TRIALS

PAGE = page.PAGE.read_text("utf-8")
PASSED = Result("passed")


def scored(**exceptions):
    results = {trial.name: PASSED for trial in TRIALS} | exceptions
    return Score("a library", "https://example.com/manual", {"package": "1.0"}, results)


def test_page_describes_the_trials():
    """The page describes each trial as its code does."""
    assert page.replaced(PAGE, "trials", page.described()) == PAGE


def test_page_shows_each_trial_and_library():
    """The table on the page has a line for each trial, a column for each library, and their versions."""
    [header] = [line for line in PAGE.splitlines() if line.startswith("| trial |")]

    assert header.count("|") == len(CONTESTANTS) + 2
    assert [trial.name for trial in TRIALS if f"\n| [{trial.title}](#" not in PAGE] == []
    assert PAGE.count("\n| atlassian-auth | atlassian-auth ") == 1


@pytest.mark.parametrize(
    "name",
    [
        "Authlib",
        "httpx-auth",
        "requests-oauthlib",
        "MCP Python SDK",
        "atlassian-python-api",
        "Nango",
    ],
)
def test_page_says_what_was_examined(name):
    """Each other library has a date and a version or commit, and it is said if it was not run."""
    [(title, text)] = re.findall(rf"^({name}[ ,].*)\n: (.*\n(?:  .*\n)*)", PAGE, re.MULTILINE)

    assert re.search(r"2026-\d\d", title + text)
    if "not run in the trials" not in title:
        [version] = re.findall(r"[\d.]+\d", title)[:1]
        assert f"{name.lower().split()[0]} {version}" in PAGE
    else:
        assert re.search(r"\d\.\d\.\d|commit [0-9a-f]{8}", title + text)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_each_trial_says_what_passing_means(trial):
    """The text of a trial ends with the condition to pass it, and names a public thread."""
    assert "Passed if " in trial.text
    assert f"https://github.com/{trial.source.replace('#', '/issues/')}" in PAGE


def test_results_in_words():
    """The page has a table of passed trials, and says what happened in each failed one."""
    score = scored(
        storm=Result("failed", "token requests: 2"), cancelled=Result("not offered", "sync")
    )

    text = page.results([score], rounds=3)

    assert "each trial 3 times." in text
    assert (
        "| [The task is cancelled in mid-refresh](#the-task-is-cancelled-in-mid-refresh) | not offered |"
        in text
    )
    assert f"| **passed** | {len(TRIALS) - 2} of {len(TRIALS)} |" in text
    assert "| a library | package 1.0 | [its manual](https://example.com/manual) |" in text
    assert "- A crowd of tasks meets an access token that has ended: token requests: 2." in text


def test_one_failure_counts():
    """A trial that was passed in some rounds only was not passed."""
    failed = Result("failed", "in the second round")

    assert worst([PASSED, failed, PASSED]) == failed
    assert worst([PASSED, PASSED]) == PASSED


def test_what_is_not_offered_is_no_failure():
    """A library takes no part in a trial that its module names, and the sheet says why."""
    library = SimpleNamespace(NOT_OFFERED={"cancelled": "threads cannot be cancelled"})

    result = judge(TRIALS[0], library, starter=None, effort=Effort())

    assert result == Result("not offered", "threads cannot be cancelled")


def test_scores_travel_as_json():
    """A score that comes from the process of another environment is the one that was written there."""
    score = scored(storm=Result("failed", "token requests: 2"))

    assert Score.read(json.loads(json.dumps(asdict(score)))) == score


def test_secrets_are_told_by_kind():
    """A text that shows secrets of the emulated server is recognized; one that shows none passes."""
    assert (
        secrets_in("Bearer secret-at-000002, secret-rt-000003")
        == "a refresh token and an access token"
    )
    assert secrets_in("the client secret of client 7") == ""
