"""What can go wrong, as data: what it is called, how it is brought about, what is promised, what is seen.

The tests and the table in the documentation are made from the same troubles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from atlassian_auth import exceptions

BOTH = ("cloud", "data_center")
_CLASSES = {getattr(exceptions, name).code: name for name in exceptions.__all__}


@dataclass(frozen=True)
class Load:
    """How many ask at the same time: managers that share a store, and tasks of each."""

    name: str
    managers: int
    tasks: int


IDLE = Load("idle", managers=1, tasks=1)
STORM = Load("storm", managers=1, tasks=300)
FLEET = Load("fleet", managers=4, tasks=25)
LOADS = (IDLE, STORM, FLEET)


@dataclass(frozen=True)
class Seen:
    """What the callers see of a trouble, and what the status says.

    Args:
        answers: The code of each kind of error, ``"token"``, or the status of a response; sorted.
        state: What ``status()`` says meanwhile, or the code of its error; sorted, if managers differ.
        requests: How many reach the token endpoint, until the pause begins.
        afterwards: What the next call after its end and the pause brings: ``"token"``, or a code.
    """

    answers: tuple[str, ...]
    state: str
    requests: int
    afterwards: str = "token"

    def __str__(self):
        answers = " or ".join(_in_words(answer) for answer in self.answers)
        state = "status unreadable" if self.state == "store" else self.state
        count = f"{self.requests or 'no'} request{'s' * (self.requests != 1)}"
        afterwards = "heals" if self.afterwards == "token" else f"then {_in_words(self.afterwards)}"
        return f"{answers}; {state}; {count}; {afterwards}"


def _in_words(answer):
    if answer.isdigit():
        return f"status {answer}"
    return "a token" if answer == "token" else f"`{_CLASSES[answer]}`"


Stages = Callable[[str, Load], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trouble:
    """One thing that goes wrong for a while.

    Args:
        name: As the table shows it.
        promise: What holds then, in a sentence.
        stage: The world it happens in: given the product and the load.
        lasts: Given that world, a context: the trouble begins when it is entered, and ends with it.
        seen: By load.
        words: What each error says, among other things.
        products: Where it can happen, with the same outcome.
        pause_seconds: How long no request is sent after a failure; None if each call tries again.
        passed_seconds: How long after its end, at the least, the next call comes.
        excused: Whether a used refresh token may be presented outside a leeway: where giving up is
            the only other choice.
        takes_time: Whether much time passes by the clock while it lasts.
    """

    name: str
    promise: str
    stage: Stages
    lasts: Callable[[Any], AbstractAsyncContextManager[Any]]
    seen: Mapping[str, Seen]
    words: tuple[str, ...] = ()
    products: tuple[str, ...] = BOTH
    pause_seconds: float | None = None
    passed_seconds: float = 0
    excused: bool = False
    takes_time: bool = False


def alike(answer, state, requests, *, afterwards="token", fleet=None):
    """Return what is seen when hundreds of tasks, or hosts, get the same as one caller does.

    Args:
        answer: The one kind of answer.
        state: As in `Seen`.
        requests: As in `Seen`.
        afterwards: As in `Seen`.
        fleet: How many requests a fleet makes; default: each manager as many as one does.
    """
    seen = Seen((answer,), state, requests, afterwards)
    fleet_requests = requests * FLEET.managers if fleet is None else fleet
    return apart(seen, replace(seen, requests=fleet_requests))


def apart(alone, fleet):
    """Return what is seen when a fleet sees something else than one process does."""
    return MappingProxyType({"idle": alone, "storm": alone, "fleet": fleet})
