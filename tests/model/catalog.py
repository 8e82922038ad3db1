"""Which conditions the model is explored under, and under which of them each guard is missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from tests.model.search import Report, explore
from tests.model.world import Rules, Step

PROFILES = {
    "Cloud; SQLite, files, PostgreSQL": Rules(leeway="minutes"),
    "Cloud; Redis": Rules(leeway="minutes", lease=True),
    "Data Center; SQLite, files, PostgreSQL": Rules(),
    "Data Center; Redis": Rules(lease=True),
    "a leeway of seconds; Redis": Rules(leeway="seconds", lease=True),
    "no leeway, reuse is only refused; Redis": Rules(reuse_kills=False, lease=True),
    "refresh tokens are not rotated; Redis": Rules(rotates=False, lease=True),
}
# They are explored with three processes and two troubles: the others have more states, or differ less.
LARGE = (
    "Cloud; SQLite, files, PostgreSQL",
    "Data Center; SQLite, files, PostgreSQL",
    "Data Center; Redis",
)

_PAUSES = frozenset({"is paused"})
_FORGETS = frozenset({"is to forget", "loses its lock after the request"})
_CONSENTS = frozenset({"is given consent", "cannot save"})
# The smallest conditions under which a guard is missed.
MISSED = {
    "lock": Rules(),
    "re-read": Rules(),
    "compare and swap": Rules(troubles=2, kinds=_FORGETS),
    "save before publish": Rules(processes=1),
    "look again": Rules(),
    "proof": Rules(),
    "prompt": Rules(lease=True, troubles=2, kinds=_PAUSES),
    "answer first": Rules(processes=1),
    "own thread": Rules(processes=1),
    "keep unsaved": Rules(processes=1),
    "put back": Rules(processes=1, expiries=2),
    "descent": Rules(troubles=2, kinds=_CONSENTS),
    "refused once": Rules(processes=1),
    "writable": Rules(writable=False, troubles=0),
    "standstill": Rules(lease=True),
}


def reports(
    names: Iterable[str] = tuple(PROFILES), *, reduced: bool = False, **changes: int
) -> Iterator[tuple[str, Report]]:
    """Yield what is found under each of these profiles, changed as given; see `explore`."""
    for name in names:
        yield name, _explored(replace(PROFILES[name], **changes), reduced=reduced)


@cache
def _explored(rules: Rules, *, reduced: bool = False) -> Report:
    return explore(rules, reduced=reduced)


@cache
def missed(guard: str) -> tuple[Rules, list[Step]]:
    """Return the shortest story that goes wrong without the guard, and does not with it."""
    rules = replace(MISSED[guard], without=frozenset({guard}))
    known = _explored(MISSED[guard])
    report = explore(rules, known)
    return rules, min((report.stories[news] for news in report.news(known)), key=len)
