"""The careless client with one bug less: after a restart it still knows when its access token ends.

Otherwise each trial with a second process would find that bug before the one that it is about.
"""

from __future__ import annotations

from tests.trials.careless import MANUAL, NOT_OFFERED, PACKAGES, Careless

__all__ = ["MANUAL", "NAME", "NOT_OFFERED", "PACKAGES", "connect"]

NAME = "restartable"


async def connect(scene):
    return Restartable(scene)


class Restartable(Careless):
    remembers_the_end = True
