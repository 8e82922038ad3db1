"""Writes docs/model.md: what was explored, when a consent is lost, and what breaks without each guard.

``python -m tests.model.page`` leaves the table of what was explored as it is; ``--full`` explores it anew,
which takes some minutes: that is ``nox -s model``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.model.catalog import LARGE, missed, reports
from tests.model.drawing import draw
from tests.model.machine import GUARDS
from tests.model.search import Report

PAGE = Path(__file__).parents[2] / "docs" / "model.md"
BOUNDS: list[dict[str, int]] = [{}, {"troubles": 2}, {"processes": 3}, {"expiries": 2}]
LARGEST = {"processes": 3, "troubles": 2}

_INTRODUCTION = """\
# The model

A refresh is a few steps that a process takes under a lock. Faults can happen between any two of them. So the
steps are also written as a state machine without a network, a
clock or a database (`tests/model/machine.py`, about 300 lines). A program visits every state that the
machine can reach, with two or three processes, one store, one authorization server, and all orders of their
steps.

The machine includes faults. A process is killed, stopped for any time, or forked, or has a wrong
clock. Its lock, its request or its answer is lost, or its request arrives twice or late. A save fails, the
store becomes read-only, or it falls back by one to three saves. A person consents again, or the
credential is forgotten.

In every state these properties are checked:

- A refresh token is presented twice only inside the leeway, or in one of the cases below.
- With one trouble, a refresh token that the server has refused is not presented again.
- A token is durable before a caller sees it.
- A process never presents or saves an older pair than it knows.
- Nothing that was forgotten or replaced by a new consent comes back.
- No caller is asked for a new consent while the refresh token in the store is valid.
- Each refresh ends, and no process waits for a lock that no process holds.
- A consent is lost only in the cases below.

The machine leaves out other keys, which share nothing, the callers of one process, which share one
refresh, and all of time except its order.
"""

_COUNTED = "## What was explored"

_ADDED = """\
Where three processes meet two troubles, states that differ only in which process is which are counted once:
all processes follow the same rules. A test compares this search with the full one where both are small.
These three searches took 5.6 CPU minutes and 0.8 GB on a busy computer. The other conditions are left out
there.

Two troubles, a third process, or a second end of all tokens add these to the losses below. Two
troubles also let a refresh token be presented again after a refusal, where the refusal did not arrive, was
not saved, or was lost when the store fell back, and add pairs of causes for presenting one twice. These are
not listed one by one.
"""

_CASES = """\
These are the only ways in which one fault ends a consent. "Lost after the leeway" means that it is lost only
if no process refreshes within the leeway.
"""

_WORDS = {
    "cannot save": "the save fails, and another process refreshes before this one has saved",
    "does not get its answer": "the answer is lost",
    "is killed": "the process is killed between the server's answer and the save",
    "is paused": "the process stands still between the server's answer and the save, longer than its lease",
    "is to forget": "the credential is forgotten",
    "its request is doubled": "the network delivers the request twice",
    "loses its lock between proof and request": "the store gives the lock to another process between "
    "the proof and the request",
    "loses its lock after the request": "the store gives the lock to another process before the save",
    "stands still beyond its lease after the request": "",
    "the store is read-only": "the store becomes read-only between the lock and the save",
    "the store is restored": "the store falls back, and a process that does not know the newer pair "
    "refreshes first",
    "waits no longer for its answer": "the request reaches the server after the process has given it up",
}

_GUARDS = """\
Each guard was removed, one at a time. This is the shortest sequence of steps that then fails. Each line
is a step; "~" marks an event that affects all processes.

Two rules are not in this list, because no consent depends on them. A request whose answer was lost is
repeated once where the server has no leeway: more repetitions would neither harm nor help. A
lock that is lost before the request is taken once more: otherwise the caller would have to try again.
"""


def page(counted: str) -> str:
    """Return the page around the table of what was explored."""
    return "\n".join([_INTRODUCTION, counted, *_cases(), *_guards()])


def count() -> str:
    """Explore everything, and return the table of it, and what it adds to the cases of one trouble."""
    lines = [_COUNTED, "", "| conditions | processes | troubles | expiries | states | steps |"]
    lines += ["|---|---|---|---|---|---|"]
    small = dict(reports())
    added: defaultdict[str, list[str]] = defaultdict(list)
    explored = [reports(**changes) for changes in BOUNDS]
    explored.append(reports(LARGE, reduced=True, **LARGEST))
    for name, report in chain.from_iterable(explored):
        lines.append(_row(name, report))
        sys.stdout.write(f"{lines[-1]}\n")
        for told in _news(report, small[name]):
            added[told].append(name)
    found = [
        f"- {told} ({', '.join(dict.fromkeys(names))})" for told, names in sorted(added.items())
    ]
    return "\n".join([*lines, "", _ADDED, *(found or ["- nothing"]), ""])


def _news(report: Report, small: Report) -> Iterator[str]:
    """Yield the smallest sets of causes of a loss that the small report does not explain."""
    for broken, causes in report.news(small):
        if broken == "lost" and causes in report.causes("lost"):
            yield _told(causes)


def _row(name: str, report: Report) -> str:
    rules = report.rules
    numbers = rules.processes, rules.troubles, rules.expiries
    cells = [name, *map(str, numbers), f"{report.states:,}", f"{report.steps:,}"]
    return f"| {' | '.join(cells)} |"


def counted() -> str:
    """Return the table that the page has."""
    _, _, rest = PAGE.read_text().partition(_COUNTED)
    return f"{_COUNTED}{rest.partition('## When')[0]}".rstrip() + "\n"


def _cases() -> list[str]:
    found = {name: report.causes("lost") for name, report in reports()}
    told = {_told(causes, leeway=False) for each in found.values() for causes in each}
    lines = ["## When a consent is lost", "", _CASES]
    for words in sorted(told):
        lines += [words, *_outcomes(words, found), ""]
    return lines


def _outcomes(words: str, found: dict[str, set[frozenset[str]]]) -> Iterator[str]:
    """Yield the outcomes of these causes, each with its conditions."""
    outcomes: defaultdict[str, list[str]] = defaultdict(list)
    for name, each in found.items():
        conditions, _, stores = name.rpartition("; ")
        outcomes[_outcome(words, each)].append(f"{conditions} ({stores})")
    for outcome, names in sorted(outcomes.items()):
        yield f": *{outcome}*: {'; '.join(names)}"


def _outcome(words: str, found: set[frozenset[str]]) -> str:
    for causes in found:
        if _told(causes, leeway=False) == words:
            return "lost after the leeway" if "the leeway ends" in causes else "lost"
    return "not lost"


def _told(causes: frozenset[str], *, leeway: bool = True) -> str:
    words = [_WORDS.get(cause, cause) for cause in sorted(causes - {"the leeway ends"})]
    told = ", and ".join(filter(None, words))
    after = leeway and "the leeway ends" in causes
    return f"{told}, and the next refresh comes after the leeway" if after else told


def _guards() -> list[str]:
    lines = ["## What breaks without each guard", "", _GUARDS]
    for guard, promise in GUARDS.items():
        rules, story = missed(guard)
        lines += [f"### {guard.capitalize()}", "", f"The guard: {promise}. Without it:", ""]
        lines += ["```text", draw(story, rules.processes), "```", ""]
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(count() if "--full" in sys.argv else counted()))
