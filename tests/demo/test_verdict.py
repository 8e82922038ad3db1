"""The verdict: a clean run passes, and each thing that can go wrong is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atlassian_auth._cli.demo.credentials import Credential
from atlassian_auth._cli.demo.verdict import (
    Delivery,
    Evidence,
    Reason,
    answers_of,
    judge,
    reasons_of,
)
from atlassian_auth.testing import APIRequest, TokenRequest

ARRIVED = "Everything arrived, and arrived once"
ANSWERED = "No request failed"
ONCE = "No refresh token was presented twice outside the leeway"
NEEDED = "No token was requested needlessly"
OUTLIVED = "A token of each credential expired and was refreshed"
SURVIVED = "Each fault was injected and survived"

CLOUD = Credential(
    key="cloud", title="Cloud", client_id="app", lifetime_seconds=4, window_seconds=1
)
BUILDS = replace(CLOUD, key="builds", title="Builds", client_id="ci")


def asks(at, generation=None, *, outcome="ok", fault="", client_id="app", family="f"):
    """A request to the token endpoint; without a generation it presents a code, or a secret."""
    return TokenRequest(
        at=at,
        service="auth",
        grant_type="refresh_token" if generation else "other",
        client_id=client_id,
        outcome=outcome,
        fault=fault,
        family=family,
        generation=generation,
    )


def calls(at, generation=None, *, status=200, family="f"):
    """A request to an API."""
    return APIRequest(
        at=at,
        service="api",
        method="GET",
        path="/",
        status=status,
        fault="",
        family=family,
        generation=generation,
    )


CONSENT, FIRST_REFRESH = asks(100), asks(103.5, 1)

CLEAN = Evidence(
    credentials=(CLOUD,),
    token_requests=(CONSENT, FIRST_REFRESH),
    api_requests=(calls(101, 1), calls(104, 2)),
    asked={"cloud": (99.9, 103.4)},
    deliveries=(Delivery(key="cloud", title="Events", expected=("1", "2"), arrived=("2", "1")),),
    failures=(),
    reuses_outside_leeway=0,
    troubles={"Restart": True},
)


def delivered(*ids):
    return (replace(CLEAN.deliveries[0], arrived=ids),)


def after_the_first(*requests):
    return (CONSENT, FIRST_REFRESH, *requests)


def reasons(*requests, credential=CLOUD, **changes):
    """Why each of these requests was made, and the consent and first refresh before them left out."""
    evidence = replace(CLEAN, token_requests=after_the_first(*requests), **changes)
    return list(reasons_of(credential, evidence)[2:])


def test_a_clean_run_passes():
    """Nothing is found where nothing is wrong."""
    verdict = judge(CLEAN)

    assert [check.promise for check in verdict.checks if check.ok] == [
        *(ARRIVED, ANSWERED, ONCE, NEEDED, OUTLIVED, SURVIVED)
    ]
    assert (verdict.ok, verdict.exit_status) == (True, 0)


@pytest.mark.parametrize(
    ("changes", "promise", "problem"),
    [
        pytest.param(
            {"deliveries": delivered("1")}, ARRIVED, "Events: 1 missing (2)", id="an event missing"
        ),
        pytest.param(
            {"deliveries": delivered("1", "2", "1")},
            ARRIVED,
            "Events: 1 double (1)",
            id="an event twice",
        ),
        pytest.param(
            {"deliveries": delivered("1", "2", "3")},
            ARRIVED,
            "Events: 1 never sent (3)",
            id="an event that never was",
        ),
        pytest.param({"failures": ("503",)}, ANSWERED, "503", id="a request failed"),
        pytest.param(
            {"token_requests": (CONSENT, FIRST_REFRESH, asks(107.1, 1))},
            ONCE,
            "app: refresh token 1 was presented again",
            id="a refresh token used twice",
        ),
        pytest.param(
            {"reuses_outside_leeway": 2},
            ONCE,
            "2 times outside of the leeway",
            id="used twice, by the emulator's count",
        ),
        pytest.param(
            {"token_requests": after_the_first(asks(104, 2), asks(105, 3))},
            NEEDED,
            "Cloud: 2 times, without expiry, refusal or fault",
            id="needless refreshes",
        ),
        pytest.param(
            {"token_requests": (CONSENT,)},
            OUTLIVED,
            "Cloud: no token was refreshed because it was expiring",
            id="too short a run",
        ),
        pytest.param(
            {"troubles": {"Restart": False}},
            SURVIVED,
            "not survived: Restart",
            id="a trouble that did not end",
        ),
    ],
)
def test_each_problem_is_found(changes, promise, problem):
    """Each problem breaks its own promise and no other, and the exit status is 1."""
    verdict = judge(replace(CLEAN, **changes))

    assert {check.promise: check.problems for check in verdict.checks if not check.ok} == {
        promise: (problem,)
    }
    assert (verdict.ok, verdict.exit_status) == (False, 1)


def test_long_lists_are_cut():
    """A problem names five ids, not five hundred."""
    missing = tuple(str(number) for number in range(1, 9))
    delivery = replace(CLEAN.deliveries[0], expected=missing, arrived=())

    verdict = judge(replace(CLEAN, deliveries=(delivery,)))

    assert verdict.checks[0].problems == ("Events: 8 missing (1, 2, 3, 4, 5, ...)",)


@pytest.mark.parametrize(
    ("at", "reason"),
    [(106.39, Reason.NONE), (106.4, Reason.ENDING), (106.41, Reason.ENDING)],
    ids=["before the window", "as it opens", "after"],
)
def test_a_refresh_is_needed_in_the_window(at, reason):
    """The window opens a lifetime after the token was asked for, less its own length."""
    assert reasons(asks(at, 2)) == [reason]


def test_the_age_counts_from_the_asking():
    """Before the server issues a token the client has begun to count; unknown, the issue counts."""
    refresh = asks(106.45, 2)

    assert reasons(refresh) == [Reason.ENDING]
    assert reasons(refresh, asked={}) == [Reason.NONE]
    assert reasons(refresh, asked={"cloud": (99.9, 103.4, 106.44)}) == [Reason.ENDING]


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        pytest.param(calls(104, 2, status=401), Reason.REJECTED, id="the very token"),
        pytest.param(calls(104, 2), Reason.NONE, id="no refusal"),
        pytest.param(calls(104, 1, status=401), Reason.NONE, id="the token before"),
        pytest.param(calls(104, 2, status=401, family="g"), Reason.NONE, id="another credential's"),
        pytest.param(calls(104.6, 2, status=401), Reason.NONE, id="afterwards"),
    ],
)
def test_a_refresh_is_needed_after_a_refusal(refusal, reason):
    """Only a 401 for the current token is a reason to replace it."""
    assert reasons(asks(104.5, 2), api_requests=(refusal,)) == [reason]


@pytest.mark.parametrize(
    ("refused_at", "reason"),
    [(99, Reason.NONE), (101, Reason.REJECTED), (103, Reason.NONE)],
    ids=["the token before", "this token", "afterwards"],
)
def test_client_credentials_are_told_apart_by_time(refused_at, reason):
    """Tokens without a family have no generation: the time of the refusal tells which it was."""
    evidence = replace(
        CLEAN,
        token_requests=(
            asks(100, client_id="ci", family=None),
            asks(102, client_id="ci", family=None),
        ),
        api_requests=(calls(refused_at, status=401, family=None),),
    )

    assert reasons_of(BUILDS, evidence) == (Reason.FIRST, reason)


def test_a_fault_explains_one_more_request():
    """After a spoiled answer the same refresh token is presented again, once, and that is all."""
    spoiled = asks(107, 2, fault="lost_answer")

    assert reasons(spoiled, asks(107.1, 2), asks(107.2, 4)) == [
        *(Reason.ENDING, Reason.REPEATED, Reason.NONE)
    ]
    assert judge(replace(CLEAN, token_requests=after_the_first(spoiled, asks(107.1, 2)))).ok


def test_a_fault_counts_what_was_issued_unseen():
    """The generation of the current token also counts the token whose answer was lost."""
    lost, repeated, next_refresh = asks(107, 2, fault="lost_answer"), asks(107.1, 2), asks(108, 4)

    assert reasons(lost, repeated, next_refresh, api_requests=(calls(107.5, 4, status=401),)) == [
        Reason.ENDING,
        Reason.REPEATED,
        Reason.REJECTED,
    ]


def test_an_error_is_no_excuse():
    """A server that refused on its own account was asked for nothing the second time."""
    refused = asks(104, 2, outcome="invalid_grant")

    assert reasons(refused, asks(104.1, 2)) == [Reason.NONE, Reason.NONE]


def test_the_first_answer_may_be_spoiled():
    """A credential without a token may be requested again after a fault."""
    evidence = replace(CLEAN, token_requests=(asks(100, fault="status 503", outcome=""), asks(101)))

    assert reasons_of(CLOUD, evidence) == (Reason.FIRST, Reason.REPEATED)


def test_each_credential_is_judged_by_its_own_requests():
    """The requests of one credential do not count for another."""
    evidence = replace(
        CLEAN,
        token_requests=after_the_first(asks(104, client_id="ci", family=None)),
        api_requests=(*CLEAN.api_requests, calls(104, family=None), calls(105, 1, family="g")),
    )

    assert reasons_of(CLOUD, evidence) == (Reason.FIRST, Reason.ENDING)
    assert reasons_of(BUILDS, evidence) == (Reason.FIRST,)
    assert answers_of(CLOUD, evidence) == CLEAN.api_requests
    assert answers_of(BUILDS, evidence) == (calls(104, family=None),)
