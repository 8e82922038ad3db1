"""No trial is one that cannot be failed: a careless client fails each, and for the bug that it is about."""

from __future__ import annotations

import pytest

pytest.importorskip("resource", reason="the trials need processes that can be stopped")

from benchmarks.trials.bench import Effort
from benchmarks.trials.sheet import Result
from benchmarks.trials.trials import TRIALS

EFFORT = Effort(crowd=30, patience_seconds=0.5)

REUSED = "the server ended the consent: a spent refresh token came back"
CONSENT = "a person is asked to consent again"
SEEN = {
    "cancelled": REUSED,
    "shut_down": REUSED,
    "stood_still": REUSED,
    "killed": REUSED,
    "disk_full": REUSED,
    "restarted": "requests end with HTTP 401",
    "storm": "token requests: 30, failed requests: 30",
    "two_processes": REUSED,
    "failing_storm": "token requests: 30",
    "outage": CONSENT,
    "retry_after": "the next token request comes too early",
    "lost_answer": CONSENT,
    "never_answered": "the request does not end",
    "dead_token": "presented 6 times",
    "about_to_end": "the old access token was sent",
    "ended_early": "the request ends with HTTP 401",
    "redirected": "the other origin got a refresh token and the client secret",
    "foreign_link": "the other origin got an access token",
    "secrets_shown": "shows a refresh token and an access token",
}


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_careless_client_fails(trial, tried):
    """A simple careless client fails each trial, and the result says why."""
    if trial.name == "restarted":
        result = tried(trial, [trial], "tests.trials.careless", EFFORT)
    else:
        others = [other for other in TRIALS if other.name != "restarted"]
        result = tried(trial, others, "tests.trials.restartable", EFFORT)

    assert result == Result("failed", SEEN[trial.name])
