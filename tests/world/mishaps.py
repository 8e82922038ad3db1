"""Scenes of one shape: a mishap begins at a point of a refresh, the refresh goes on, the mishap ends."""

from __future__ import annotations

import functools

from tests.world.ground import POINTS
from tests.world.scene import Scene, runs


class Mishap:
    """What goes wrong, and what it needs.

    Args:
        ground: Where.
    """

    listed: tuple[str, ...] = ()
    """The errors that the call may get meanwhile. After the end of the mishap it gets a token."""

    def __init__(self, ground):
        self.ground = ground

    def prepare(self):
        """Make what the mishap needs, before any process starts."""

    def holder(self):
        return self.ground.holder()

    def begin(self):
        """Begin; the refresh waits at its point."""

    def end(self):
        """End; the call has ended before."""


def play_mishap(kind, ground, point):
    """Let a mishap of this kind begin while a process is at a point of its refresh."""
    mishap = kind(ground)
    mishap.prepare()
    holder = mishap.holder()
    with ground.at(point, holder):
        mishap.begin()
    answer = holder.hear()
    mishap.end()
    ground.heal(holder, answer, *mishap.listed)
    holder.end()


def at_points(chapter, words, kind, *, products, stores, points=POINTS, **options):
    """Return the scene in which a mishap of this kind begins at each of the points."""
    play = functools.partial(play_mishap, kind)
    circumstances = runs(product=products, store=stores, point=points)
    return Scene(chapter, words, play, circumstances, **options)
