"""What a scene is, and what is counted when it is played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PRODUCTS = ("cloud", "data_center")
STORES = ("sqlite", "file", "redis", "postgres")


@dataclass(frozen=True, eq=False)
class Scene:
    """What happens to real processes, played again and again under different circumstances.

    Args:
        chapter: Of the table.
        conditions: Its line in the table.
        play: Given a `Ground`, lets it happen once.
        runs: The circumstances of each run: ``product`` and ``store`` are the ground's, the others are
            given to ``play``.
        may: What is allowed to be seen, in words; empty if nothing is.
        may_be_twice: A refresh token may be presented twice.
        may_be_lost: The consent may be gone.
        sampled: Whether a run is short enough for the sample that runs with all tests.
        heavy: Whether it works more than it waits: few of these run side by side.
    """

    chapter: str
    conditions: str
    play: Callable[..., None]
    runs: tuple[Mapping[str, object], ...]
    may: str = ""
    may_be_twice: bool = False
    may_be_lost: bool = False
    sampled: bool = True
    heavy: bool = False


@dataclass
class Seen:
    """What was counted.

    Args:
        runs: How many were played.
        twice: How often a refresh token was presented that had been presented before.
        lost: In how many runs what is stored was not what the server takes.
        failed: Which errors callers got that the scene does not list.
        hung: What never came to an end.
        skipped: Why runs could not be played.
    """

    runs: int = 0
    twice: int = 0
    lost: int = 0
    failed: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __add__(self, other):
        return Seen(**{name: value + vars(other)[name] for name, value in vars(self).items()})

    def faults(self, scene):
        """Return what the scene does not allow; nothing if it went well."""
        unlisted = [f"failed: {text}" for text in self.failed]
        unlisted += [f"hung: {text}" for text in self.hung]
        if self.twice and not scene.may_be_twice:
            unlisted.append(f"presented twice: {self.twice}")
        if self.lost and not scene.may_be_lost:
            unlisted.append(f"lost: {self.lost}")
        return unlisted


def runs(**circumstances):
    """Return every combination of the circumstances, each of which is a sequence."""
    combinations = [{}]
    for name, values in circumstances.items():
        combinations = [{**others, name: value} for others in combinations for value in values]
    return tuple(combinations)
