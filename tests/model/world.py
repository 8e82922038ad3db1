"""What a state of the model is made of: values, which know nothing of what can happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

HOLDING = frozenset(
    ("locked", "read", "proved", "sent", "saving", "doubt", "leaving", "enrolling", "forgetting")
)
"""Where a process may be while it holds the lock."""

REMEMBERED = 4  # states of the store: it can fall back by three saves

FAMILY = 1_000_000_000  # the tokens of a consent are numbered from a multiple of this


class Pair(NamedTuple):
    """What the server issues: an access token, and the refresh token for the next one."""

    line: tuple[int, ...]  # the refresh tokens of its line, oldest first; the last one is its own
    access: int

    @property
    def token(self) -> int:
        return self.line[-1]

    @property
    def consent(self) -> int:
        return self.token // FAMILY

    def follows(self, other: Pair) -> bool:
        return other.token in self.line[:-1]


class Record(NamedTuple):
    """What is stored: the newest pair, and whether the server has refused it."""

    pair: Pair
    refused: bool = False


class Entry(NamedTuple):
    """A durable state of the store. It holds no record after the credential was forgotten."""

    version: int
    record: Record | None


class Unsaved(NamedTuple):
    """A record that waits to be saved, and what was stored when the process got it."""

    record: Record
    replaced: Entry


class Process(NamedTuple):
    """One process: what it knows, and how far its refresh has come."""

    at: str = "idle"
    cache: Pair | None = None  # what callers get
    known: Pair | None = None  # what was in the store when it looked last
    unsaved: Unsaved | None = None
    base: Entry = Entry(0, None)  # what it read, and presents
    answer: Pair | str | None = None
    sent: int = 0  # attempts
    lost: int = 0  # attempts without an answer
    locks: int = 0  # how often it took the lock for this refresh
    paused: bool = False
    slept: bool = False  # it stood still for longer than every timeout
    skewed: bool = False  # by its clock every token has ended

    @property
    def presented(self) -> Pair:
        assert self.base.record is not None
        return self.base.record.pair


class Store(NamedTuple):
    """The last durable states of the store; the last one counts."""

    entries: tuple[Entry, ...]
    lock: int | None = None
    writable: bool = True

    @property
    def now(self) -> Entry:
        return self.entries[-1]

    def put(self, record: Record | None) -> Store:
        entry = Entry(self.now.version + 1, record)
        return self._replace(entries=(*self.entries[1 - REMEMBERED :], entry))

    def unlocked(self, number: int) -> Store:
        return self._replace(lock=None) if self.lock == number else self


class Server(NamedTuple):
    """What the authorization server accepts, and what it has issued."""

    usable: frozenset[int]
    spent: frozenset[int] = frozenset()  # inside the leeway
    refused: frozenset[int] = frozenset()
    consents: int = 1
    issued: int = 1
    ended: int = 0  # access tokens up to this number have ended

    @property
    def accepted(self) -> frozenset[int]:
        return self.usable | self.spent


class World(NamedTuple):
    """One state of everything."""

    processes: tuple[Process, ...]
    store: Store
    server: Server
    strays: tuple[int, ...] = ()  # requests under way for which no process waits
    expiries: int = 0  # how often all access tokens have ended
    blame: tuple[str, ...] = ()  # what went wrong so far, sorted

    def stray(self, token: int) -> World:
        return self._replace(strays=tuple(sorted((*self.strays, token))))

    def blamed(self, what: str) -> World:
        return self._replace(blame=tuple(sorted((*self.blame, what))))


class Step(NamedTuple):
    """What can happen next: who does it, and which property it breaks."""

    actor: int | None
    action: str
    world: World
    broken: str = ""
    is_trouble: bool = False


class Turn(NamedTuple):
    """A process whose turn it is."""

    world: World
    number: int
    process: Process

    def does(
        self,
        action: str,
        broken: str = "",
        *,
        store: Store | None = None,
        server: Server | None = None,
        **changes: object,
    ) -> Step:
        """Return the step after which the process, the store and the server are as given."""
        processes, before, now, *rest = self.world
        process = self.process._replace(**changes)
        processes = (*processes[: self.number], process, *processes[self.number + 1 :])
        world = World(processes, store or before, server or now, *rest)
        return Step(self.number, action, world, broken)

    def knowing(self, **changes: object) -> Turn:
        return self._replace(process=self.process._replace(**changes))


@dataclass(frozen=True)
class Rules:
    """The conditions: which server and store, how much goes wrong, and which guards are left out."""

    processes: int = 2
    leeway: str = "none"  # "none", "seconds" or "minutes"
    reuse_kills: bool = True
    rotates: bool = True
    lease: bool = False  # the lock is a lease, which ends while its holder stands still
    writable: bool = True  # whether the store can be written at first
    attempts: int = 2
    expiries: int = 1  # how often all access tokens end
    troubles: int = 1  # how much goes wrong
    kinds: frozenset[str] = frozenset()  # what goes wrong; empty: anything
    without: frozenset[str] = frozenset()

    def has(self, guard: str) -> bool:
        return guard not in self.without

    @property
    def repeats(self) -> int:
        """How many answers may be lost before the process gives up."""
        return 1 if self.leeway == "none" else self.attempts
