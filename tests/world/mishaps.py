"""Scenes of one shape: something happens at a point of a refresh, the refresh goes on, and it passes."""

from __future__ import annotations

import functools

from tests.world.ground import POINTS
from tests.world.scene import Scene, runs


class Mishap:
    """What happens, and what has to be there for it.

    Args:
        ground: Where.
    """

    listed: tuple[str, ...] = ()
    """The errors of the call that it happens to. When it has passed, a token comes."""

    def __init__(self, ground):
        self.ground = ground

    def prepare(self):
        """Make what is needed, before any process is there."""

    def holder(self):
        return self.ground.holder()

    def begin(self):
        """Let it happen; the refresh waits at its point."""

    def end(self):
        """Let it pass; the call has ended."""


def befall(kind, ground, point):
    """Let it happen at the point to a process that refreshes."""
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
    """Return the scene in which it happens at each of the points."""
    play = functools.partial(befall, kind)
    circumstances = runs(product=products, store=stores, point=points)
    return Scene(chapter, words, play, circumstances, **options)
