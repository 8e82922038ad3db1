"""One refresh of one credential, as a state machine that is small enough to be checked whole.

Some processes, one store, one authorization server. Every state is a value; `Machine.steps` says what can
happen next, be it a step of a process, of the server, of time, or trouble (`trouble`). Nothing here imports
the library: this is what the library is meant to do, and `traces` compares it with what the library did.

What is left out, and why it may be: other keys (they share nothing), the callers of one process (they share
one refresh), and time but for its order: a process that "sleeps long" does so for longer than every timeout.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.server import serve, serve_late
from tests.model.trouble import phase, tried, troubles, unanswered, unsaved
from tests.model.world import (
    FAMILY,
    HOLDING,
    Entry,
    Pair,
    Process,
    Record,
    Rules,
    Server,
    Step,
    Store,
    Turn,
    Unsaved,
    World,
)

GUARDS = {
    "lock": "one process at a time refreshes",
    "re-read": "the refresh token that is presented was read under the lock",
    "compare and swap": "a save names the version that it replaces",
    "save before publish": "a token is durable before a caller sees it",
    "look again": "a refusal is believed only if the store still holds what was presented",
    "proof": "the lock is confirmed before each attempt",
    "prompt": "a request leaves soon after the proof, or not at all",
    "answer first": "what has arrived is read before a timer is believed",
    "own thread": "a caller that is cancelled does not take the exchange along",
    "keep unsaved": "a pair that could not be saved is kept, and saved first",
    "put back": "a store that fell back gets the newer pair",
    "descent": "the line that two pairs come from decides which is newer",
    "refused once": "a refresh token that was refused is marked, and not presented again",
    "writable": "only a store that can be written gives its lock",
    "standstill": "without a leeway a lease outlives a process that stands still for minutes",
}
_LOCKS = 2  # a lock that is lost is taken once more
_KEPT = ("cache", "known", "unsaved", "skewed")  # by a process, from one refresh to the next


class Machine:
    """The refreshes of one credential under some rules.

    A method named as the place that a process can be at (`_idle`, `_asked`) yields what it can do there.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def start(self) -> World:
        """Return the first state: one consent, its pair stored, and processes that know nothing yet."""
        first = Entry(1, Record(Pair((FAMILY,), 1)))
        store = Store((first,), writable=self.rules.writable)
        return World((Process(),) * self.rules.processes, store, Server(frozenset({FAMILY})))

    def steps(self, world: World) -> Iterator[Step]:
        """Yield everything that can happen next."""
        for number, process in enumerate(world.processes):
            turn = Turn(world, number, process)
            if process.at == "down":
                yield turn.knowing(**Process()._asdict()).does("starts")
            elif process.paused:
                yield from self._sleep(turn)
            else:
                yield from self.moves(turn)
            if process.paused and process.at == "sent" and process.answer is None:
                yield from serve(self.rules, turn)
        yield from self._pass_time(world)
        yield from troubles(self.rules, world)

    def moves(self, turn: Turn) -> Iterator[Step]:
        """Yield what a process that is not paused can do next, and the server for it."""
        yield from getattr(self, f"_{turn.process.at}")(turn)
        if turn.process.at == "sent" and turn.process.answer is None:
            yield from serve(self.rules, turn)

    # -- a refresh, from the call to the lock -----------------------------------------------------

    def _idle(self, turn: Turn) -> Iterator[Step]:
        if not self._is_fresh(turn, turn.process.cache):
            yield turn.does("asks", at="asked")

    def _asked(self, turn: Turn) -> Iterator[Step]:
        """Look into the store without its lock: another process may have refreshed."""
        base = Entry(0, None) if self.rules.has("re-read") else turn.world.store.now
        yield self._adopts(turn) or turn.does("looks", at="queue", base=base)

    def _queue(self, turn: Turn) -> Iterator[Step]:
        store = turn.world.store
        if not store.writable and self.rules.has("writable"):
            yield turn.does("cannot lock", at="idle")
        elif store.lock is None or not self.rules.has("lock"):
            held = store._replace(lock=turn.number)
            yield turn.does("locks", at="locked", locks=turn.process.locks + 1, store=held)
        else:
            yield self._adopts(turn) or turn.does("waits no longer", at="idle", locks=0)

    def _adopts(self, turn: Turn) -> Step | None:
        entry = turn.world.store.now
        if entry.record is None or self._counting(turn.process, entry) != entry.record:
            return None
        pair = entry.record.pair
        if not self._is_fresh(turn, pair):
            return None
        return turn.does("adopts", at="idle", cache=pair, known=pair, locks=0)

    def _is_fresh(self, turn: Turn, pair: Pair | None) -> bool:
        return (
            pair is not None and pair.access > turn.world.server.ended and not turn.process.skewed
        )

    # -- under the lock ---------------------------------------------------------------------------

    def _locked(self, turn: Turn) -> Iterator[Step]:
        """Read what counts, and save first what the store lacks."""
        process, store = turn.process, turn.world.store
        if not self.rules.has("re-read") and process.base.record is not None:
            yield turn.does("reads", at="read")
            return
        record, broken = self._counting(process, store.now), ""
        if record is not None and record != store.now.record:
            if not store.writable:
                yield turn.does("cannot save", at="leaving")
                return
            replaced = process.unsaved.replaced if process.unsaved else store.now
            broken, store = _rolled_back(process, store.now, record, replaced), store.put(record)
        turn = turn.knowing(unsaved=None, known=record.pair if record else None)
        yield self._judges(turn, "reads", store, broken)

    def _judges(self, turn: Turn, action: str, store: Store, broken: str = "") -> Step:
        record = store.now.record
        if record is None or record.refused:
            return turn.does(action, broken, store=store, at="leaving")
        if self._is_fresh(turn, record.pair):
            return turn.does(action, broken, store=store, at="leaving", cache=record.pair)
        return turn.does(action, broken, store=store, at="read", base=store.now)

    def _counting(self, process: Process, entry: Entry) -> Record | None:
        """Return the record that counts: the stored one, unless this process knows better."""
        if process.unsaved is not None and self._supersedes(process.unsaved, entry):
            return process.unsaved.record
        if entry.record is None or process.known is None or not self.rules.has("put back"):
            return entry.record
        return Record(process.known) if process.known.follows(entry.record.pair) else entry.record

    def _supersedes(self, waiting: Unsaved, entry: Entry) -> bool:
        """Return whether what was not saved counts, not what the store has by now."""
        if not self.rules.has("descent"):
            return entry.record is not None
        ours, theirs, replaced = waiting.record, entry.record, waiting.replaced.record
        if theirs is None:
            return replaced is None
        if ours.pair.token == theirs.pair.token:
            return (ours.pair.access, ours.refused) > (theirs.pair.access, theirs.refused)
        same = replaced is not None and replaced.pair.token == theirs.pair.token
        return same or ours.pair.follows(theirs.pair)

    def _leaving(self, turn: Turn) -> Iterator[Step]:
        """Give the lock back, and keep what later refreshes need."""
        left = Process(**{name: getattr(turn.process, name) for name in _KEPT})
        store = turn.world.store.unlocked(turn.number)
        yield turn._replace(process=left).does("leaves", store=store)

    # -- the exchange -----------------------------------------------------------------------------

    def _read(self, turn: Turn) -> Iterator[Step]:
        process = turn.process
        if turn.world.store.lock == turn.number or not self.rules.has("proof"):
            yield turn.does("proves its lock", at="proved", slept=False)
        elif process.lost or process.locks == _LOCKS:
            yield turn.does("has lost its lock", at="leaving")
        else:
            yield turn.does("has lost its lock", at="queue")

    def _proved(self, turn: Turn) -> Iterator[Step]:
        process = turn.process
        if process.slept and self.rules.has("prompt"):
            yield tried(self.rules, turn, "sends nothing")
            return
        newer = process.known is not None and process.known.follows(process.presented)
        broken = "presents an older one" if newer else ""
        yield turn.does("sends", broken, at="sent", sent=process.sent + 1, answer=None, slept=False)

    def _sent(self, turn: Turn) -> Iterator[Step]:
        answer = turn.process.answer
        if turn.process.slept and (answer is None or not self.rules.has("answer first")):
            yield unanswered(self.rules, turn, "times out")
        elif isinstance(answer, Pair):
            heard = turn.knowing(at="saving", slept=False, skewed=False)
            if self.rules.has("save before publish"):
                yield heard.does("hears the pair")
            else:
                yield heard.does("hears the pair", "seen before saved", cache=answer)
        elif answer == "refused":
            yield turn.does("hears the refusal", at="doubt", slept=False)
        elif answer == "unavailable":
            yield tried(self.rules, turn, "hears that it is unavailable")

    def _saving(self, turn: Turn) -> Iterator[Step]:
        process, store, pair = turn.process, turn.world.store, turn.process.answer
        turn = turn.knowing(at="leaving", answer=None)
        if not store.writable:
            yield turn.does("cannot save", unsaved=unsaved(self.rules, process))
            return
        conflict = store.now != process.base and self.rules.has("compare and swap")
        if conflict and not self._supersedes(Unsaved(Record(pair), process.base), store.now):
            newer = store.now.record.pair if store.now.record else None
            yield turn.does("finds a newer one", known=newer, cache=newer or process.cache)
            return
        broken = _rolled_back(process, store.now, Record(pair), process.base)
        yield turn.does("saves", broken, store=store.put(Record(pair)), known=pair, cache=pair)

    def _doubt(self, turn: Turn) -> Iterator[Step]:
        """A refusal: the grant is lost, unless another process has rotated the token meanwhile."""
        process, store = turn.process, turn.world.store
        record, presented = self._counting(process, store.now), process.presented
        differs = record is None or record.pair.token != presented.token
        if differs and self.rules.has("look again"):
            if record is not None and record != store.now.record and store.writable:
                store = store.put(record)
            heard = turn.knowing(known=record.pair if record else None, sent=0, lost=0, answer=None)
            yield self._judges(heard, "finds another one", store)
            return
        broken = "reported as lost although it is not" if differs and record else ""
        refused, believing = (
            Record(presented, refused=True),
            turn.knowing(at="leaving", answer=None),
        )
        if self.rules.has("refused once"):
            if store.now == process.base and store.writable:
                store = store.put(refused)
            else:
                believing = believing.knowing(unsaved=Unsaved(refused, process.base))
        yield believing.does("believes the refusal", broken, store=store)

    # -- consent ----------------------------------------------------------------------------------

    def _enrolling(self, turn: Turn) -> Iterator[Step]:
        """A person has consented: the new pair is to be saved in place of what is there."""
        server, entry = turn.world.server, turn.world.store.now
        record = self._counting(turn.process, entry)
        token = (server.consents + 1) * FAMILY
        pair = Pair((*(record.pair.line if record else ()), token), server.issued + 1)
        server = server._replace(
            usable=server.usable | {token}, consents=server.consents + 1, issued=pair.access
        )
        yield turn.does("has a new consent", server=server, at="saving", base=entry, answer=pair)

    def _forgetting(self, turn: Turn) -> Iterator[Step]:
        store = turn.world.store
        if store.writable and store.now.record is not None:
            store = store.put(None)
        yield turn.does("forgets", store=store, at="leaving", cache=None, known=None, unsaved=None)

    # -- time -------------------------------------------------------------------------------------

    def _sleep(self, turn: Turn) -> Iterator[Step]:
        yield turn.does("goes on", paused=False)
        # A server that does not answer in all that time is another trouble.
        is_served = turn.process.at != "sent" or turn.process.answer is not None
        if is_served and not turn.process.slept:
            yield turn.does("sleeps long", slept=True)

    def _pass_time(self, world: World) -> Iterator[Step]:
        server, store = world.server, world.store
        if server.issued > server.ended and world.expiries < self.rules.expiries:
            ended = server._replace(ended=server.issued)
            later = world._replace(server=ended, expiries=world.expiries + 1)
            yield Step(None, "the tokens end", later)
        quiet = all(process.at in ("idle", "down") or process.slept for process in world.processes)
        if server.spent and (quiet or self.rules.leeway == "seconds"):
            later = world._replace(server=server._replace(spent=frozenset()))
            blamed = later if "the leeway ends" in world.blame else later.blamed("the leeway ends")
            yield Step(None, "the leeway ends", blamed)
        for token in set(world.strays):
            yield serve_late(self.rules, world, token)
        if not store.writable:
            later = world._replace(store=store._replace(writable=True))
            yield Step(None, "the store is writable", later)
        yield from self._end_lease(world)

    def _end_lease(self, world: World) -> Iterator[Step]:
        number = world.store.lock
        if number is None or not self.rules.lease:
            return
        holder = world.processes[number]
        free = world._replace(store=world.store._replace(lock=None))
        if holder.at not in HOLDING:
            yield Step(None, "the lease ends", free)
        elif holder.paused and holder.slept:
            if self.rules.leeway != "minutes" and self.rules.has("standstill"):
                free = free.blamed(f"stands still beyond its lease {phase(holder)}")
            yield Step(number, "its lease ends", free)


def _rolled_back(process: Process, entry: Entry, record: Record, replaced: Entry) -> str:
    """Return what is wrong with saving this record in place of that entry."""
    if process.known is not None and process.known.follows(record.pair):
        return "drops a newer one"
    if entry.record is None:
        return "" if replaced.record is None else "brings back what was forgotten"
    if entry.record.pair.follows(record.pair):
        return "drops a newer one"
    if record.pair.consent < entry.record.pair.consent:
        return "brings back a consent that was replaced"
    return ""
