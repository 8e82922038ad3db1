"""Accepts a trace (`recording`) if the model (`machine`) allows it.

What a trace does not tell is kept open: the acceptor knows all the worlds in which the model can be after the
events so far, which are one or a few, and each event leaves those that agree with it. If none is left, the
trace is rejected. A step that breaks a property is allowed only if what went wrong in the trace so far
contains causes that the exploration of the model lists for it.

The model has no clock. That a process wants another token although its own may be good, that a token has
ended, and that a clock is wrong look the same from outside: by the clock of a process that refreshes every
token has ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from tests.model.machine import Machine
from tests.model.recording import Event, Stored
from tests.model.search import Report, explore, loss
from tests.model.server import serve_late
from tests.model.trouble import killed, phase, troubles
from tests.model.world import (
    FAMILY,
    Entry,
    Pair,
    Process,
    Record,
    Rules,
    Server,
    Step,
    Store,
    Turn,
    World,
)

PROFILES = {
    "cloud": Rules(leeway="minutes", attempts=FAMILY),
    "data_center": Rules(reuse_kills=False, attempts=FAMILY),
}
CHECKED = Counter()  # how many traces and events were accepted in this run
_SHOWN = 12
_APART = 1_000  # the numbers of tokens that are seen; between them are those whose answer was lost
_LOST = ("waits no longer for its answer", "does not get its answer")
_MAYBE_SERVED = (200, 502, 504)
# What people do, and the model's do not: withdraw a consent, and paste a refresh token that was used before.
_WITHDRAWN = "the consent is withdrawn"
_OLD = "an old refresh token is pasted"
_OF_PEOPLE = {_WITHDRAWN, _OLD}
_REFUSED = {"lost", "presented twice", "presented after a refusal"}
_CAUSES = {
    "put error": {"cannot save"},
    "deletes": {"is to forget"},
    "hear unanswered": _LOST,
    "killed": {"is killed"},
    "restored": {"the store is restored"},
    "withdrawn": {_WITHDRAWN},
}
# What was presented twice is refused, and may be presented once more by a process that cannot know of that.
# It takes more troubles, or processes, than are explored at a time.
_SHORTER = {"presented after a refusal": "presented twice"}
_AFTER_THE_END = {
    *("unlock", "hear unanswered", "is cut off"),
    *("get error", "put error", "delete error", "confirm error"),
}


class Rejected(AssertionError):
    """The model does not allow this trace."""


def accept(events: Iterable[Event], product: str, *, lease: bool = False) -> None:
    """Return if the model allows what happened to each key.

    Args:
        events: In their order.
        product: ``"cloud"`` or ``"data_center"``.
        lease: Whether the store's lock ends by itself where its holder stands still.

    Raises:
        Rejected: if it does not; it tells the event, the last ones before it, and what would be allowed.
    """
    by_key: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_key[event.key].append(event)
    rules = replace(PROFILES[product], lease=lease)
    for trace in by_key.values():
        acceptor = _Acceptor(rules)
        for event in trace:
            acceptor.see(event)
        CHECKED.update(traces=1, events=len(trace))


@cache
def _explore(leeway: str) -> Report:
    """Return what the model's exploration lists, with one trouble at a time."""
    return explore(Rules(leeway=leeway))


@dataclass
class _Notes:
    """What one process has begun or met since it took the lock."""

    saving: Stored | None = None  # a save that is under way
    looked: bool = False  # it has read, and has to write before it goes on
    failed: bool = False  # the store has failed
    conflicted: bool = False
    reading: int = 0  # reads that are under way
    since: int = 0  # how many saves had begun when the first of them did


@dataclass
class _Acceptor:
    """The worlds that agree with the events of one key so far."""

    rules: Rules
    worlds: set[World] = field(default_factory=set)
    causes: set[str] = field(default_factory=set)

    def __post_init__(self):
        self._machine = Machine(self.rules)
        self.worlds.add(World((), Store((Entry(1, None),)), Server(frozenset(), consents=0)))
        self._processes: dict[str, int] = {}
        self._tokens: dict[str, int] = {"": 0}
        self._brought: set[str] = set()  # refresh tokens that a refresh brought
        self._durable: set[str] = set()  # access tokens
        self._notes: defaultdict[int, _Notes] = defaultdict(_Notes)
        self._consents = 0
        self._is_new = False  # the refresh token that is saved
        self._saves = 0
        self._last: deque[Event] = deque(maxlen=_SHOWN)
        self._doubts: set[str] = set()

    def see(self, event: Event) -> None:
        """Go on to the worlds after an event."""
        number = self._number(event.process)
        self._prepare(number, event)
        self._doubts.clear()
        after = {new for world in self.worlds for new in self._after(world, number, event)}
        if not after:
            raise Rejected(self._explanation(number, event))
        self.worlds = after
        self._conclude(number, event)
        self._last.append(event)

    def _number(self, process: str) -> int:
        if process not in self._processes:
            self._processes[process] = len(self._processes)
            self.worlds = {
                world._replace(processes=(*world.processes, Process())) for world in self.worlds
            }
        return self._processes[process]

    def _after(self, world: World, number: int, event: Event) -> Iterator[World]:
        if world.processes[number].at == "down":
            if event.what in _AFTER_THE_END:
                yield world
                return
            world = _changed(world, number, **Process()._asdict())
        handle = getattr(self, "_on_" + event.what.replace(" ", "_"))
        yield from handle(world, number, event)

    def _prepare(self, number: int, event: Event) -> None:
        """Take note of what does not depend on the world."""
        notes = self._notes[number]
        self.causes.update(_CAUSES.get(event.what, ()))
        notes.failed = notes.failed or event.what.endswith(" error")
        if event.what == "hear unavailable" and event.data in _MAYBE_SERVED:
            self.causes.update(_LOST)
        elif event.what == "reads":
            if not notes.reading:
                under_way = sum(note.saving is not None for note in self._notes.values())
                notes.since = self._saves - under_way
            notes.reading += 1
        elif event.what == "saves":
            self._saves += 1
            notes.saving = event.data
            self._is_new = event.data.refresh not in self._tokens
            if self._is_new:
                self._consents += 1
                self._tokens[event.data.refresh] = self._consents * FAMILY

    def _conclude(self, number: int, event: Event) -> None:
        notes = self._notes[number]
        match event.what:
            case "get":
                notes.reading -= 1
                notes.looked = notes.looked or event.locked
                if event.data is not None:
                    self._durable.add(event.data.access)
            case "get error":
                notes.reading -= 1
            case "put conflict":
                notes.conflicted, notes.saving = True, None
            case "put ok":
                self._durable.add(notes.saving.access)
                self._tidy(notes.saving)
                notes.saving, notes.looked = None, False
            case "put error":
                notes.saving = None
            case "hear refused":
                notes.looked = False
            case "unlock":
                self._notes[number] = _Notes(reading=notes.reading, since=notes.since)
            case "killed":
                self._notes[number] = _Notes()

    def _tidy(self, stored: Stored) -> None:
        """Forget what went wrong once it is over: one pair, which is stored, and no process in between."""
        seen = frozenset(self._tokens.values())
        tidied = {_tidied(world, seen) for world in self.worlds}
        if None in tidied:
            return
        self.worlds = tidied
        self.causes &= _OF_PEOPLE if stored.refresh in self._brought else set()

    # -- the lock ---------------------------------------------------------------------------------

    def _on_lock(self, world, number, event):
        if world.processes[number].at == "idle":
            wanting = _changed(world, number, at="idle", cache=None, skewed=True)
            wanting = self._walk(wanting, number, "asks", "looks")
            world = _changed(wanting, number, cache=world.processes[number].cache)
        if self.rules.lease and world.store.lock is not None:
            world = self._without_lock(world, world.store.lock)
        yield from self._take(world, number, "locks")

    def _on_unlock(self, world, number, event):
        process, notes = world.processes[number], self._notes[number]
        if process.at in ("idle", "queue"):  # it has lost its lock
            yield world
        elif process.at == "saving" and notes.failed:
            for step in self._troubles(world, number, "cannot save"):
                yield from self._left(step.world, number)
        elif process.at in ("read", "proved", "leaving") or (
            # Once an old refresh token was pasted, the trace does not say which of two lines is the newer.
            process.at in ("locked", "doubt") and (notes.failed or _OLD in self.causes)
        ):
            yield from self._left(_changed(world, number, at="leaving"), number)

    def _left(self, world, number):
        for later in self._take(world, number, "leaves"):
            yield _changed(later, number, skewed=False)

    def _on_confirm_true(self, world, number, event):
        if world.processes[number].at == "proved":
            yield world
        yield from self._take(world, number, "proves its lock")

    def _on_confirm_false(self, world, number, event):
        world = self._without_lock(world, number)
        yield from self._take(world, number, "has lost its lock")

    def _on_confirm_error(self, world, number, event):
        yield world

    def _on_lock_taken_away(self, world, number, event):
        yield world if world.store.lock is None else self._without_lock(world, world.store.lock)

    def _without_lock(self, world, number):
        if world.store.lock == number and world.processes[number].at != "down":
            self.causes.add(f"loses its lock {phase(world.processes[number])}")
        return world._replace(store=world.store.unlocked(number))

    # -- reading ----------------------------------------------------------------------------------

    def _on_reads(self, world, number, event):
        yield world

    def _on_get_error(self, world, number, event):
        yield world

    def _on_get(self, world, number, event):
        for seen in self._seen(world, number, event.data):
            process = seen.processes[number]
            if not event.locked and process.at == "idle":
                yield from self._learned(seen, number)
            elif event.locked and process.at in ("locked", "doubt"):
                yield from self._loaded(seen, number)
            elif event.locked and process.at == "saving":
                yield from self._compared(seen, number)
            else:
                yield seen

    def _seen(self, world, number, stored):
        """Yield the world in which this is in the store, or was since the process began to read."""
        since = self._saves - self._notes[number].since
        if any(_holds(entry, stored, self._tokens) for entry in world.store.entries[-1 - since :]):
            yield world
            return
        for other, notes in self._notes.items():
            if other != number and notes.saving == stored and stored is not None:
                yield self._saved_unheard(world, other, stored)

    def _learned(self, world, number):
        """The process looks without the lock, and remembers what is stored if it is what counts."""
        asked = _changed(world, number, at="asked", skewed=False)
        [step] = self._moves(asked, number, "adopts", "looks")
        yield _changed(step.world, number, at="idle", base=Entry(0, None))

    def _loaded(self, world, number):
        """Under the lock: it goes on, unless it has to write first, which is then the next event."""
        for step in self._loading(world, number):
            if step.world.store == world.store:
                yield from self._allowed(step)
            else:
                yield world

    def _loading(self, world, number):
        process = world.processes[number]
        if process.at == "doubt":
            # The verdict is written over the version that was read just now.
            moved = self._moves(world, number, "finds another one")
            world = _changed(
                world, number, base=world.store.now._replace(record=process.base.record)
            )
            return moved or self._moves(world, number, "believes the refusal")
        return self._moves(world, number, "reads", "cannot save")

    def _compared(self, world, number):
        """After a conflict: it takes what is there, or writes over it."""
        if self._notes[number].conflicted:
            yield from self._take(world, number, "finds a newer one")
            if self._moves(world, number, "saves"):
                yield world

    # -- writing ----------------------------------------------------------------------------------

    def _on_saves(self, world, number, event):
        process, stored = world.processes[number], event.data
        record = world.store.now.record
        if process.at == "saving":
            if process.answer.token == self._tokens.get(stored.refresh) and not stored.refused:
                yield world
        elif process.at in ("locked", "doubt"):
            for step in self._loading(world, number) if self._notes[number].looked else ():
                if _holds(step.world.store.now, stored, self._tokens):
                    yield world
        elif process.at in ("read", "proved", "leaving"):
            if record is not None and _holds(world.store.now, stored, self._tokens):
                yield world  # a note of its status
            elif stored.refresh not in self._brought and not stored.refused:
                yield from self._consented(world, number, stored)

    def _consented(self, world, number, stored):
        """A token that no refresh has brought: a person has given it."""
        self.causes.add("is given consent")
        [step] = self._moves(_changed(world, number, at="enrolling"), number, "has a new consent")
        pair, new = step.world.processes[number].answer, step.world
        token = self._tokens[stored.refresh]
        if not self._is_new:
            self.causes.add(_OLD)
            new = new._replace(server=world.server._replace(issued=pair.access))
        ancestors = (other for other in pair.line[:-1] if other != token)
        yield _changed(new, number, answer=Pair((*ancestors, token), pair.access))

    def _on_put_ok(self, world, number, event):
        process, stored = world.processes[number], self._notes[number].saving
        if process.at == "saving":
            yield from self._saved(world, number)
        elif process.at in ("locked", "doubt"):
            for step in self._loading(world, number):
                yield from self._allowed(step)
        elif _holds(world.store.now, stored, self._tokens):
            yield world._replace(store=world.store.put(world.store.now.record))

    def _saved(self, world, number):
        process = world.processes[number]
        if world.store.now.record == Record(process.answer):  # another process has seen it already
            yield from self._take(world, number, "finds a newer one")
        elif world.store.now == process.base or self._notes[number].conflicted:
            yield from self._take(world, number, "saves")

    def _on_put_conflict(self, world, number, event):
        process = world.processes[number]
        if process.at == "saving":
            if world.store.now != process.base:
                yield world
        elif process.at in ("locked", "doubt"):
            yield from self._unwritten(world, number)
        else:
            yield world

    def _on_put_error(self, world, number, event):
        process, stored = world.processes[number], self._notes[number].saving
        if process.at in ("locked", "doubt"):
            for later in self._unwritten(world, number):
                yield later
                yield self._saved_unheard(later, number, stored, world)
            return
        yield world
        yield self._saved_unheard(world, number, stored)

    def _unwritten(self, world, number):
        """What the process does if it cannot write what it has to: as with a store that is read-only."""
        read_only = world._replace(store=world.store._replace(writable=False))
        for step in self._loading(read_only, number):
            later = _changed(step.world, number, at="leaving")
            yield later._replace(store=later.store._replace(writable=True))

    def _saved_unheard(self, world, number, stored, before=None):
        """Return the world in which a save is done, and the process does not know it."""
        process = (before or world).processes[number]
        if process.at == "saving":
            current = world.store.now == process.base or self._notes[number].conflicted
            record = Record(process.answer) if current else world.store.now.record
        elif process.at in ("locked", "doubt"):
            [record] = {
                step.world.store.now.record for step in self._loading(before or world, number)
            }
        else:
            record = world.store.now.record
        if record == world.store.now.record and process.at == "saving":
            return world
        return world._replace(store=world.store.put(record))

    def _on_deletes(self, world, number, event):
        yield world

    def _on_delete_ok(self, world, number, event):
        if world.processes[number].at in ("locked", "read", "leaving"):
            yield from self._take(_changed(world, number, at="forgetting"), number, "forgets")

    def _on_delete_error(self, world, number, event):
        yield world
        if world.store.now.record is not None:
            yield world._replace(store=world.store.put(None))

    # -- the exchange -----------------------------------------------------------------------------

    def _on_send(self, world, number, event):
        process = world.processes[number]
        if process.at == "proved" and process.presented.token == self._tokens.get(event.data):
            yield from self._take(world, number, "sends")

    def _on_hear_pair(self, world, number, event):
        process = world.processes[number]
        if process.at != "sent":
            return
        token = process.presented.consent * FAMILY + _APART * len(self._tokens)
        token = self._tokens.setdefault(event.data, token)
        self._brought.add(event.data)
        for served in self._served(world, number):
            if isinstance(served.processes[number].answer, Pair):
                yield from self._take(_named(served, number, token), number, "hears the pair")

    def _on_hear_refused(self, world, number, event):
        if world.processes[number].at != "sent":
            return
        for served in self._served(world, number, refusing=True):
            if served.processes[number].answer == "refused":
                yield from self._take(served, number, "hears the refusal")

    def _less_accepted(self, world, number):
        """Return the world in which a token is refused for what the model does not see."""
        server, token = world.server, world.processes[number].presented.token
        if token in server.spent:
            self.causes.add("the leeway ends")
            server = server._replace(spent=frozenset())
        if token in server.usable and _WITHDRAWN in self.causes:
            server = server._replace(usable=server.usable - {token})
        return world._replace(server=server)

    def _on_hear_unavailable(self, world, number, event):
        for step in self._moves(world, number, "is put off"):
            yield from self._take(step.world, number, "hears that it is unavailable")
        if event.data in _MAYBE_SERVED:
            yield from self._on_hear_unanswered(world, number, event)

    def _on_hear_nothing_sent(self, world, number, event):
        for step in self._moves(world, number, "is put off"):
            yield from self._take(step.world, number, "hears that it is unavailable")

    def _on_hear_unanswered(self, world, number, event):
        if world.processes[number].at != "sent":
            return
        # The answer that was lost may have been a refusal.
        heard = *self._served(world, number), *self._served(world, number, refusing=True)
        for later in {world, *heard}:
            for step in self._troubles(later, number, *_LOST):
                yield from self._allowed(step)

    def _on_is_cut_off(self, world, number, event):
        """A caller takes the exchange along: that is in the model only without the guard "own thread"."""
        for step in self._troubles(world, number, "is cancelled"):
            yield from self._allowed(step)

    def _served(self, world, number, *, refusing=False):
        """Yield the worlds in which the server has answered; it may have served others before."""
        for one in self._others_served(world, number):
            if one.processes[number].answer is not None:
                yield one
            else:
                asked = self._less_accepted(one, number) if refusing else one
                yield from self._take(asked, number, "is served")

    def _others_served(self, world, number):
        served = {world}
        for token in set(world.strays):
            served |= {serve_late(self.rules, one, token).world for one in served}
        for other, process in enumerate(world.processes):
            if other != number and process.at == "sent":
                served |= {new for one in served for new in self._take(one, other, "is served")}
        return served

    # -- what is done to a process and its credential ---------------------------------------------

    def _on_killed(self, world, number, event):
        stored = self._notes[number].saving
        for before in {world, self._saved_unheard(world, number, stored) if stored else world}:
            yield from self._allowed(
                killed(self.rules, Turn(before, number, before.processes[number]))
            )

    def _on_restored(self, world, number, event):
        entries = world.store.entries
        for count in range(1, len(entries) + 1):
            if _holds(entries[count - 1], event.data, self._tokens):
                older = world.store._replace(entries=entries[:count])
                yield from self._allowed(Step(None, "", world._replace(store=older)))

    def _on_withdrawn(self, world, number, event):
        yield world

    def _on_handed_out(self, world, number, event):
        if event.data in self._durable:
            yield world

    # -- steps ------------------------------------------------------------------------------------

    def _take(self, world, number, *actions):
        for step in self._moves(world, number, *actions):
            yield from self._allowed(step)

    def _moves(self, world, number, *actions):
        moves = self._machine.moves(Turn(world, number, world.processes[number]))
        return [step for step in moves if step.action in actions]

    def _walk(self, world, number, *actions):
        """Return the world after steps that cannot be seen."""
        for action in actions:
            [step] = self._moves(world, number, action)
            world = step.world
        return world

    def _troubles(self, world, number, *actions):
        return [
            step._replace(world=step.world._replace(blame=()))
            for step in troubles(self.rules, world._replace(blame=()))
            if step.actor == number and step.action in actions
        ]

    def _allowed(self, step):
        broken = [name for name in (step.broken, loss(step.world)) if name]
        unexcused = [name for name in broken if not self._is_excused(name)]
        if unexcused:
            self._doubts.update(unexcused)
        else:
            yield step.world

    def _is_excused(self, broken):
        if _OLD in self.causes or (_WITHDRAWN in self.causes and broken in _REFUSED):
            return True
        listed = _explore(self.rules.leeway).causes(_SHORTER.get(broken, broken))
        return any(causes <= self.causes for causes in listed)

    def _explanation(self, number, event):
        lines = [f"rejected: {_line(event)}", "after:", *map(_line, self._last)]
        if self._doubts:
            lines.append(f"breaks without a listed cause: {sorted(self._doubts)}")
        lines.append(f"what went wrong before: {sorted(self.causes)}")
        for world in self.worlds:
            process = world.processes[number]
            could = sorted({step.action for step in self._moves_of(world, number)})
            lines.append(f"the model is at {process.at!r}, and it could be that it {could}")
        return "\n".join(lines)

    def _moves_of(self, world, number):
        process = world.processes[number]
        return self._machine.moves(Turn(world, number, process)) if process.at != "down" else ()


def _holds(entry, stored, tokens):
    """Return whether this is what an entry of the store holds."""
    if stored is None or entry.record is None:
        return stored is None and entry.record is None
    record = entry.record
    return (record.pair.token, record.refused) == (tokens.get(stored.refresh), stored.refused)


def _changed(world, number, **changes):
    return Turn(world, number, world.processes[number]).does("", **changes).world


def _named(world, number, token):
    """Return the world in which the pair just issued has this number, and it is the newest one."""
    pair = world.processes[number].answer
    access = token % FAMILY
    usable, spent = (
        frozenset(token if one == pair.token else one for one in known)
        for known in (world.server.usable, world.server.spent)
    )
    server = world.server._replace(usable=usable, spent=spent, issued=access)
    line = (*pair.line[:-1], token)
    return _changed(world._replace(server=server), number, answer=Pair(line, access))


def _tidied(world, seen):
    """Return the world without pairs that no process has seen; None if something is under way."""
    record = world.store.now.record
    quiet = all(
        process.at in ("idle", "down", "leaving", "asked", "queue") and process.unsaved is None
        for process in world.processes
    )
    if not quiet or record is None or record.pair.token not in world.server.usable:
        return None
    server = world.server._replace(
        usable=world.server.usable & seen,
        spent=world.server.spent & seen,
        refused=frozenset(),
        issued=record.pair.access,
    )
    return world._replace(server=server, strays=())


def _line(event):
    return f"  {event.process} {event.what} {event.data or ''}"
