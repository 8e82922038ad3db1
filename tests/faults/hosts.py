"""Troubles between hosts: their clocks differ."""

from __future__ import annotations

from contextlib import asynccontextmanager

from tests.faults.stage import ask_for_token, ask_the_api, simulated
from tests.faults.trouble import Trouble, alike

_APART_SECONDS = 300


def set_apart(seconds):
    """Return a trouble's course: the clock of the first host is wrong, and of each other one after it."""

    @asynccontextmanager
    async def lasts(stage):
        stage.ask_with = ask_the_api
        for clock in stage.host_clocks[::2]:
            clock.ahead_seconds = seconds
        yield
        for clock in stage.host_clocks:
            clock.ahead_seconds = 0
        stage.ask_with = ask_for_token

    return lasts


TROUBLES = (
    Trouble(
        name="A host's clock is 5 minutes behind",
        promise="The host sends an expired token, gets a 401, and sends the request again with "
        "a new token.",
        stage=simulated,
        lasts=set_apart(-_APART_SECONDS),
        seen=alike("200", "ready", 1, fleet=1),
    ),
    Trouble(
        name="A host's clock is 5 minutes ahead",
        promise="The host refreshes a little early.",
        stage=simulated,
        lasts=set_apart(_APART_SECONDS),
        seen=alike("200", "ready", 1, fleet=1),
    ),
)
