"""What can happen, and in which order: the steps of a schedule, and how one is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

KEYS = ("a", "b")
MANAGERS = 2
LOOPS = 2

Kind = Literal[
    "token", "margin", "rejected", "refresh", "request", "execute", "current", "status", "keys",
    "forget", "add", "add again", "authorize", "aclose", "keep_fresh",
]  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A task in one of the callers' loops calls one of the managers; ``patience`` is in turns."""

    kind: Kind
    loop: int = 0
    manager: int = 0
    key: str = "a"
    patience: tuple[str, int] | None = None


@dataclass(frozen=True)
class Run:
    """Each loop takes so many turns: the runners', then the callers'."""

    turns: tuple[int, ...]


@dataclass(frozen=True)
class Settle:
    """All loops run until nothing moves any more."""


@dataclass(frozen=True)
class Cancel:
    """A task is cancelled, whichever is still there."""

    number: int


@dataclass(frozen=True)
class EndLoop:
    """A callers' loop ends with all that is in it, as at the end of ``asyncio.run``."""

    loop: int


@dataclass(frozen=True)
class Restart:
    """A manager's process ends, orderly or not, and another one takes its place."""

    manager: int
    orderly: bool


@dataclass(frozen=True)
class Advance:
    """Time goes by, here and at the server."""

    seconds: float


@dataclass(frozen=True)
class Approach:
    """Time goes by until the stored token of a key has so many seconds left."""

    key: str
    seconds_left: float


@dataclass(frozen=True)
class Skew:
    """Our clock is set, forward or back; the server's is not."""

    seconds: float


@dataclass(frozen=True)
class ServerFault:
    """The token endpoint is temporarily unavailable, or answers badly."""

    name: str
    times: int = 1


@dataclass(frozen=True)
class StoreFault:
    """The store fails for a while."""

    point: str
    times: int = 1


@dataclass(frozen=True)
class Heal:
    """Server and store are well again, and what was held back arrives."""


@dataclass(frozen=True)
class Revoke:
    """Access tokens end before their time, or a consent is withdrawn."""

    what: Literal["access tokens", "consent"]
    key: str = "a"


keys = st.sampled_from(KEYS)
managers = st.integers(0, MANAGERS - 1)
loops = st.integers(0, LOOPS - 1)
patience = st.none() | st.tuples(st.sampled_from(["timeout", "scope"]), st.integers(0, 12))


def calls(*kinds):
    return st.builds(Call, st.sampled_from(kinds), loops, managers, keys, patience)


SERVER_FAULTS = (
    "503", "429", "429 later", "502", "lost answer", "lost answer", "refused", "html", "truncated",
    "invalid client", "hang", "held", "held", "delayed", "short lived",
)  # fmt: skip
STORE_POINTS = ("get", "put", "put", "saved", "delete", "locked", "released")

LEFT = (60.5, 55, 53.5, 10.5, 10, 9.5, 9.5, 0.5, 0, -0.5, -0.5)
PAUSES = (0.4, 1.0, 1.2, 5.0, 44.0, 46.0, 61.0, 301.0, 599.0, 3601.0, 3601.0)

# What happens often, and what only now and then; each line is as likely as another one beside it.
OFTEN = (
    lambda: calls("token", "token", "request", "refresh", "rejected"),
    lambda: calls("token", "request", "margin", "execute", "current", "refresh"),
    lambda: calls("refresh", "request"),
    lambda: st.builds(Run, st.tuples(*[st.integers(0, 9)] * (MANAGERS + LOOPS))),
    lambda: st.builds(Run, st.tuples(*[st.integers(0, 30)] * (MANAGERS + LOOPS))),
    lambda: st.builds(Settle),
    lambda: st.builds(Cancel, st.integers(0, 7)),
    lambda: st.builds(Advance, st.sampled_from(PAUSES)),
    lambda: st.builds(Approach, keys, st.sampled_from(LEFT)),
    lambda: st.builds(ServerFault, st.sampled_from(SERVER_FAULTS), st.integers(1, 4)),
    lambda: st.builds(StoreFault, st.sampled_from(STORE_POINTS), st.sampled_from([1, 1, 2, 3, 9])),
)
SELDOM = (
    lambda: calls("status", "keys", "aclose", "keep_fresh"),
    lambda: calls("forget", "add", "add again", "authorize"),
    lambda: st.builds(EndLoop, loops),
    lambda: st.builds(Restart, managers, st.booleans()),
    lambda: st.builds(Skew, st.sampled_from([-4000.0, -120.0, -5.0, 5.0, 3700.0])),
    lambda: st.builds(Heal),
    lambda: st.builds(Revoke, st.sampled_from(["access tokens"] * 4 + ["consent"]), keys),
)
# One strategy each, because hypothesis counts the same one only once.
STEPS = st.one_of([step() for step in OFTEN * 4 + SELDOM])


def unsaved(manager, key):
    """A manager holds a pair in memory that the store did not take."""
    pauses = (Settle(), Advance(0.5), Settle(), Advance(1.0), Settle())
    return [StoreFault("put", 3), Call("refresh", manager=manager, key=key), *pauses]


def under_way(manager, key):
    """An exchange is under way, and its answer is held back."""
    return [ServerFault("held"), Call("refresh", manager=manager, key=key), Settle()]


def unanswered(manager, key):
    """Every answer of an exchange is lost."""
    refresh = Call("refresh", manager=manager, key=key)
    return [ServerFault("lost answer", 3), refresh, Settle(), Heal()]


def change(kind, manager, key, point):
    """A person changes a credential, and the store may fail meanwhile."""
    trouble = [StoreFault(point)] if point else []
    return [*trouble, Call(kind, manager=manager, key=key), Settle()]


def expired(key, kind):
    """A token ends, and both managers notice at the same time."""
    calls = [Call(kind, loop=n % LOOPS, manager=n, key=key) for n in range(MANAGERS)]
    return [Approach(key, 0), *calls]


SCENES = st.one_of(
    st.lists(STEPS, max_size=10),
    st.lists(STEPS, max_size=10).map(list),
    st.builds(unsaved, managers, keys),
    st.builds(under_way, managers, keys),
    st.builds(unanswered, managers, keys),
    st.builds(
        change,
        st.sampled_from(["forget", "add", "add again", "authorize"]),
        managers,
        keys,
        st.none() | st.sampled_from(["put", "saved", "delete"]),
    ),
    st.builds(expired, keys, st.sampled_from(["token", "request", "margin"])),
)


def _join(scenes):
    return tuple(step for scene in scenes for step in scene)


@dataclass(frozen=True)
class Schedule:
    """A beginning and what happens then.

    ``fresh`` says for each key whether a token is stored already or only a pasted refresh token.
    """

    stripes: int
    lock_timeout_seconds: float
    unsaved: Literal["raise", "serve"]
    fresh: tuple[bool, ...]
    steps: tuple[object, ...]


SCHEDULES = st.builds(
    Schedule,
    stripes=st.sampled_from([1, 64]),
    lock_timeout_seconds=st.sampled_from([60.0, 5.0]),
    unsaved=st.sampled_from(["raise", "raise", "raise", "serve"]),
    fresh=st.tuples(*[st.booleans()] * len(KEYS)),
    # Lists of lists, because hypothesis draws a long list seldom.
    steps=st.lists(SCENES, max_size=9).map(_join),
)
