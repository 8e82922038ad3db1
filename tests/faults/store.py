"""Troubles with the store, whichever it is: it goes away at the worst moments."""

from __future__ import annotations

from contextlib import asynccontextmanager

from tests.faults.endpoint import CLOUD, DATA_CENTER, LOST, consent_withdrawn
from tests.faults.stage import simulated
from tests.faults.trouble import Seen, Trouble, alike, apart

KEPT = "its successor is kept in memory and saved before anything else"


def broken(point, times=None):
    """Return a trouble's course: the store fails at one point, so many times or until the end."""

    @asynccontextmanager
    async def lasts(stage):
        stage.shared.fail(point, times)
        yield
        stage.shared.heal()

    return lasts


@asynccontextmanager
async def withdrawn_and_broken(stage):
    async with consent_withdrawn(stage), broken("put")(stage):
        yield


TROUBLES = (
    Trouble(
        name="The store cannot be read",
        promise="Nothing is sent: whoever cannot read must not rotate.",
        stage=simulated,
        lasts=broken("get"),
        seen=alike("store", "store", 0),
        words=("The store could not read",),
    ),
    Trouble(
        name="The store cannot be locked",
        promise="Nothing is sent: whoever has no lock must not rotate.",
        stage=simulated,
        lasts=broken("lock"),
        seen=alike("store", "ready", 0),
        words=("The store could not lock",),
    ),
    Trouble(
        name="The store fails once while the new pair is saved",
        promise="Saving is tried again, and no caller notices.",
        stage=simulated,
        lasts=broken("put", times=1),
        seen=alike("token", "ready", 1, fleet=1),
    ),
    Trouble(
        name="The new pair cannot be saved",
        promise="It is kept in memory, not handed out, and saved before anything else. In a fleet each "
        "manager refreshes within the leeway.",
        products=CLOUD,
        stage=simulated,
        lasts=broken("put"),
        seen=alike("store", "ready", 1),
        words=(KEPT, "Keep this process running"),
    ),
    Trouble(
        name="The new pair cannot be saved",
        promise="The same. Others of a fleet present the used refresh token, hear that it is refused, and "
        "have a token again as soon as the pair is saved.",
        products=DATA_CENTER,
        stage=simulated,
        lasts=broken("put"),
        seen=apart(Seen(("store",), "ready", 1), Seen((LOST, "store"), "ready or reauthorize", 4)),
        words=(KEPT, "Keep this process running"),
        excused=True,
    ),
    Trouble(
        name="The new pair is saved, and the store's answer is lost",
        promise="It is looked up, found, and handed out.",
        stage=simulated,
        lasts=broken("saved"),
        seen=alike("token", "ready", 1, fleet=1),
    ),
    Trouble(
        name="The consent was withdrawn, and that cannot be saved",
        promise="Each process remembers it: a refresh token that was refused is not presented again.",
        stage=simulated,
        lasts=withdrawn_and_broken,
        seen=alike(LOST, "reauthorize", 1, afterwards=LOST),
        words=("authorize it again",),
    ),
)
