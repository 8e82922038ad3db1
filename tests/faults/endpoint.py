"""Troubles with the token endpoint's answers."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from datetime import timedelta

from atlassian_auth.testing import Fault
from tests.faults.stage import simulated
from tests.faults.trouble import Seen, Trouble, alike, apart

CLOUD, DATA_CENTER = ("cloud",), ("data_center",)
LOST = "authorization_required"
TAKEN_AGAIN = "it still accepts the old one for 10 minutes"
_LONG = 1_000
_LOST_HERE = (
    "Data Center has no leeway: it has rotated, and the new refresh token is lost. "
    "The next request is refused, and a person has to authorize again."
)


def answered(new_fault, times=_LONG):
    """Return a trouble's course: so many token requests meet the fault, made for the stage."""

    @asynccontextmanager
    async def lasts(stage):
        stage.atlassian.fault("token", new_fault(stage), times=times)
        yield
        stage.atlassian.clear_faults()

    return lasts


def flapping(_):
    flaps = itertools.cycle((Fault.status(503), None))

    def run(work):
        fault = next(flaps)
        return fault.run(work) if fault else work()

    return Fault("flapping", run)


@asynccontextmanager
async def consent_withdrawn(stage):
    stage.atlassian.revoke_grant(stage.family.refresh_token)
    stage.happened("withdrawn")
    yield


TROUBLES = (
    Trouble(
        name="503, again and again",
        promise="One exchange sends three requests. No further request is sent before the pause "
        "ends.",
        stage=simulated,
        lasts=answered(lambda _: Fault.status(503)),
        seen=alike("transient", "degraded", 3),
        words=("503",),
        pause_seconds=1,
    ),
    Trouble(
        name="Every other answer is 503",
        promise="The exchange sends the request again, and callers get a token.",
        stage=simulated,
        lasts=answered(flapping),
        seen=alike("token", "ready", 2, fleet=2),
    ),
    Trouble(
        name="429, to be tried again in 2 seconds",
        promise="The exchange waits for so short a time.",
        stage=simulated,
        lasts=answered(lambda _: Fault.rate_limited(2), times=1),
        seen=alike("token", "ready", 2, fleet=2),
    ),
    Trouble(
        name="429, to be tried again in 2 minutes",
        promise="Callers get the error at once, and no request is sent before that time.",
        stage=simulated,
        lasts=answered(lambda _: Fault.rate_limited(120)),
        seen=alike("transient", "degraded", 1),
        words=("429", "try again in 120 s"),
        pause_seconds=120,
    ),
    Trouble(
        name="429, to be tried again at a date",
        promise="A date has the same effect as seconds.",
        stage=simulated,
        lasts=answered(lambda s: Fault.rate_limited(s.clock.now() + timedelta(minutes=2))),
        seen=alike("transient", "degraded", 1),
        words=("429", "try again in 120 s"),
        pause_seconds=120,
    ),
    Trouble(
        name="No answer, ever",
        promise="Each request ends with its read timeout, and the exchange with its time limit. "
        "In a fleet some managers give up waiting for the lock.",
        products=CLOUD,
        stage=simulated,
        lasts=answered(lambda _: Fault.hang()),
        seen=alike("transient", "degraded", 3, fleet=3),
        words=("no complete response came back (the time for the exchange ran out)",),
        pause_seconds=1,
        takes_time=True,
    ),
    Trouble(
        name="No answer, ever",
        promise="Data Center has no leeway: after a read timeout the request is sent once more, "
        "and not again.",
        products=DATA_CENTER,
        stage=simulated,
        lasts=answered(lambda _: Fault.hang()),
        seen=alike("transient", "degraded", 2, fleet=4),
        words=("no complete response came back (ReadTimeout)",),
        pause_seconds=1,
        takes_time=True,
    ),
    Trouble(
        name="An answer that comes byte by byte",
        promise="The exchange ends with its time limit. The server accepts the same refresh "
        "token again within the leeway.",
        products=CLOUD,
        stage=simulated,
        lasts=answered(lambda _: Fault.slow_body()),
        seen=alike("transient", "degraded", 1, fleet=2),
        words=("the time for the exchange ran out", TAKEN_AGAIN),
        pause_seconds=1,
        takes_time=True,
    ),
    Trouble(
        name="An answer that comes byte by byte",
        promise=_LOST_HERE,
        products=DATA_CENTER,
        stage=simulated,
        lasts=answered(lambda _: Fault.slow_body(), times=1),
        seen=apart(
            Seen(("transient",), "degraded", 1, LOST),
            Seen((LOST, "transient"), "reauthorize", 2, LOST),
        ),
        words=("held the only new one",),
        pause_seconds=1,
        excused=True,
        takes_time=True,
    ),
    Trouble(
        name="One answer is cut off in the middle of its JSON",
        promise="The server accepts the same refresh token again within the leeway.",
        products=CLOUD,
        stage=simulated,
        lasts=answered(lambda _: Fault.truncated(), times=1),
        seen=apart(
            Seen(("token_response",), "degraded", 1),
            Seen(("token", "token_response"), "ready", 2),
        ),
        words=("is cut off before its end",),
        pause_seconds=1,
    ),
    Trouble(
        name="One answer is cut off in the middle of its JSON",
        promise=_LOST_HERE,
        products=DATA_CENTER,
        stage=simulated,
        lasts=answered(lambda _: Fault.truncated(), times=1),
        seen=apart(
            Seen(("token_response",), "degraded", 1, LOST),
            Seen((LOST, "token_response"), "reauthorize", 2, LOST),
        ),
        words=("is cut off before its end",),
        pause_seconds=1,
        excused=True,
    ),
    Trouble(
        name="A login page in place of JSON",
        promise="The page is not taken for an answer of the token endpoint.",
        stage=simulated,
        lasts=answered(lambda _: Fault.html()),
        seen=alike("token_response", "degraded", 1),
        words=("such as a login page",),
        pause_seconds=1,
    ),
    Trouble(
        name="A redirect",
        promise="The redirect is not followed, so the secrets are sent to no other URL.",
        stage=simulated,
        lasts=answered(lambda _: Fault.redirect("https://elsewhere.example/")),
        seen=alike("token_response", "degraded", 1),
        words=("redirect",),
        pause_seconds=1,
    ),
    Trouble(
        name="More than 1 MiB",
        promise="The answer is not read to its end.",
        stage=simulated,
        lasts=answered(lambda _: Fault.oversized()),
        seen=alike("token_response", "degraded", 1),
        pause_seconds=1,
    ),
    Trouble(
        name="The client secret is refused",
        promise="A repetition cannot help, so no request is sent for 5 minutes.",
        stage=simulated,
        lasts=answered(lambda _: Fault.json({"error": "invalid_client"}, status=401)),
        seen=alike("configuration", "degraded", 1),
        words=("client",),
        pause_seconds=300,
    ),
    Trouble(
        name="A person withdraws the consent",
        promise="The refusal is saved: no request is sent until a person authorizes again.",
        stage=simulated,
        lasts=consent_withdrawn,
        seen=alike(LOST, "reauthorize", 1, fleet=1, afterwards=LOST),
        words=("authorize again",),
    ),
)
