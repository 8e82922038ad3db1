"""What goes wrong: with a process, its lock, its request, its clock, and with the store."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.world import Process, Record, Rules, Step, Turn, Unsaved, World


def troubles(rules: Rules, world: World) -> Iterator[Step]:
    """Yield all that can go wrong next, as long as the rules let more go wrong."""
    if len(world.blame) - world.blame.count("the leeway ends") >= rules.troubles:
        return
    for step in _all(rules, world):
        if rules.kinds and step.action not in rules.kinds:
            continue
        yield step._replace(world=step.world.blamed(step.action), is_trouble=True)


def _all(rules: Rules, world: World) -> Iterator[Step]:
    for number, process in enumerate(world.processes):
        turn = Turn(world, number, process)
        if process.at == "down":
            continue
        yield killed(rules, turn)
        if process.at == "idle":
            yield from _while_idle(turn)
        elif not process.paused:
            yield from _in_mid_refresh(rules, turn)
    yield from _of_the_store(world)


def killed(rules: Rules, turn: Turn, action: str = "is killed") -> Step:
    """The process ends at once. The system frees its lock, unless that is a lease."""
    process, store = turn.process, turn.world.store
    if process.at == "sent" and process.answer is None:
        turn = turn._replace(world=turn.world.stray(process.presented.token))
    if not rules.lease:
        store = store.unlocked(turn.number)
    return turn.knowing(**Process()._asdict()).does(action, at="down", store=store)


def _while_idle(turn: Turn) -> Iterator[Step]:
    process, store = turn.process, turn.world.store
    if not process.skewed:
        yield turn.does("has a wrong clock", skewed=True)
    if store.lock is None:
        held = store._replace(lock=turn.number)
        yield turn.does("is to forget", store=held, at="forgetting", locks=1)
        yield turn.does("is given consent", store=held, at="enrolling", locks=1)
    for other, child in enumerate(turn.world.processes):
        if child.at == "down":
            yield Turn(turn.world, other, Process(cache=process.cache)).does("is forked")


def _in_mid_refresh(rules: Rules, turn: Turn) -> Iterator[Step]:
    process, world = turn.process, turn.world
    yield turn.does("is paused", paused=True)
    if not rules.has("own thread"):
        yield _cancelled(rules, turn)
    if world.store.lock == turn.number:
        free = world.store._replace(lock=None)
        yield turn.does(f"loses its lock {phase(process)}", store=free)
    if process.at == "saving" and world.store.writable:
        yield turn.does("cannot save", at="leaving", answer=None, unsaved=unsaved(rules, process))
    if process.at != "sent" or process.answer == "unavailable":
        return
    if process.answer is not None:
        yield unanswered(rules, turn, "does not get its answer")
        return
    yield unanswered(rules, turn, "waits no longer for its answer")
    doubled = turn._replace(world=world.stray(process.presented.token))
    yield doubled.does("its request is doubled")


def _cancelled(rules: Rules, turn: Turn) -> Step:
    """What a cancelled caller takes along where the exchange is its own."""
    step, process = killed(rules, turn, "is cancelled"), turn.process
    left = Process(cache=process.cache, known=process.known)
    store = step.world.store.unlocked(turn.number)
    return Turn(step.world, turn.number, left).does("is cancelled", store=store)


def _of_the_store(world: World) -> Iterator[Step]:
    store = world.store
    for back in range(1, len(store.entries)):
        older = store._replace(entries=store.entries[:-back])
        yield Step(None, "the store is restored", world._replace(store=older))
    if store.writable:
        read_only = store._replace(writable=False)
        yield Step(None, "the store is read-only", world._replace(store=read_only))


def unsaved(rules: Rules, process: Process) -> Unsaved | None:
    """Return what the process keeps of a pair that it cannot save."""
    assert process.answer is not None
    assert not isinstance(process.answer, str)
    return Unsaved(Record(process.answer), process.base) if rules.has("keep unsaved") else None


def unanswered(rules: Rules, turn: Turn, action: str) -> Step:
    """Return the step of a process that does not get the answer to its request."""
    if turn.process.answer is None:
        turn = turn._replace(world=turn.world.stray(turn.process.presented.token))
    return tried(rules, turn.knowing(lost=turn.process.lost + 1), action)


def tried(rules: Rules, turn: Turn, action: str) -> Step:
    """Return the step after an attempt that brought neither a pair nor a refusal."""
    process = turn.process
    again = process.sent < rules.attempts and process.lost <= rules.repeats
    return turn.does(action, at="read" if again else "leaving", answer=None, slept=False)


def phase(process: Process) -> str:
    """Return the part of a refresh in which its lock is lost: what is safe differs."""
    if process.at == "proved":
        return "between proof and request"
    begun = process.at in ("read", "locked", "enrolling", "forgetting")
    return "before the proof" if begun else "after the request"
