"""Explores every state that the machine can reach, and says which property breaks, and how."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.machine import Machine
from tests.model.packing import Packing
from tests.model.world import HOLDING, Pair, Process, Rules, Step, World

# Each of them begins something new; all else that a process does brings its refresh to an end.
_BEGINNINGS = {"asks", "starts", "sleeps long", "goes on"}


@dataclass
class Report:
    """What was found: the shortest story for each property that breaks, and each set of causes."""

    rules: Rules
    states: int = 0
    steps: int = 0
    stories: dict[tuple[str, frozenset[str]], list[Step]] = field(default_factory=dict)

    @property
    def broken(self) -> set[str]:
        """Return the properties that break."""
        return {name for name, _ in self.stories}

    def causes(self, broken: str) -> set[frozenset[str]]:
        """Return the smallest sets of causes that break a property."""
        found = {causes for name, causes in self.stories if name == broken}
        return {causes for causes in found if not any(other < causes for other in found)}

    def news(self, known: Report) -> list[tuple[str, frozenset[str]]]:
        """Return which stories are not explained by the causes in another report."""
        return [
            (name, causes)
            for name, causes in self.stories
            if not any(other <= causes for other in known.causes(name))
        ]


def explore(
    rules: Rules,
    known: Report | None = None,
    *,
    machine: type[Machine] = Machine,
    reduced: bool = False,
) -> Report:
    """Visit every state, breadth first.

    With ``known``, stop at the first story that has other causes than those in that report. If ``reduced``,
    states that differ only in which process is which are visited once.
    """
    return _Search(machine(rules), known, reduced=reduced).run()


class _Search:
    def __init__(self, machine: Machine, known: Report | None, *, reduced: bool) -> None:
        self._machine = machine
        self._known = known
        self._report = Report(machine.rules)
        self._packing = Packing(machine.rules.processes, reduced=reduced)
        self._states: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._parents = array("l")
        # The steps that bring a refresh to its end: where they lead, and where those of a state begin.
        self._targets, self._begins = array("l"), array("l")

    def run(self) -> Report:
        self._number(self._machine.start(), -1)
        number = 0
        while number < len(self._states) and not self._is_enough():  # it grows meanwhile
            self._visit(number)
            number += 1
        self._report.states = number
        for circle in self._circles():
            self._tell("never ends", circle)
        return self._report

    def _is_enough(self) -> bool:
        return self._known is not None and bool(self._report.news(self._known))

    def _number(self, world: World, parent: int) -> int:
        packed = self._packing.pack(world)
        number = self._numbers.setdefault(packed, len(self._states))
        if number == len(self._states):
            self._states.append(packed)
            self._parents.append(parent)
        return number

    def _visit(self, number: int) -> None:
        world = self._packing.unpack(self._states[number])
        able: set[int | None] = set()
        self._begins.append(len(self._targets))
        for step in self._machine.steps(world):
            self._report.steps += 1
            known = len(self._states)
            following = self._number(step.world, number)
            if step.broken:
                self._tell(step.broken, number, step)
            if following == known and (lost := loss(step.world)):
                self._tell(lost, number, step)
            if not step.is_trouble:
                able.add(step.actor)
                if step.actor is not None and step.action not in _BEGINNINGS:
                    self._targets.append(following)
        for broken in stuck(self._machine.rules, world, able):
            self._tell(broken, number)

    def _tell(self, broken: str, number: int, last: Step | None = None) -> None:
        world = last.world if last else self._packing.unpack(self._states[number])
        name = broken, frozenset(world.blame)
        if name not in self._report.stories:
            self._report.stories[name] = self._story(number, last)

    def _story(self, number: int, last: Step | None) -> list[Step]:
        """Return the steps to a state, and the last one: they are taken anew."""
        way = []
        while number:
            way.append(self._states[number])
            number = self._parents[number]
        world, story = self._machine.start(), []
        for packed in reversed(way):
            story.append(self._step(world, packed))
            world = story[-1].world
        if last is not None:
            end = self._packing.pack(last.world)
            story.append(self._step(world, end, last.action, last.broken))
        return story

    def _step(self, world: World, packed: bytes, *told: str) -> Step:
        """Return the first step that leads to a state and whose action has these words, if any are given."""
        return next(
            step
            for step in self._machine.steps(world)
            if (not told or (step.action, step.broken) == told)
            and self._packing.pack(step.world) == packed
        )

    def _circles(self) -> Iterator[int]:
        """Yield a state from which a refresh may go round for ever, if there is one (Kahn, 1962)."""
        visited = len(self._begins)
        self._begins.append(len(self._targets))
        leading = array("l", bytes(self._begins.itemsize * len(self._states)))
        for target in self._targets:
            leading[target] += 1
        free = [number for number, count in enumerate(leading) if not count]
        while free:
            number = free.pop()
            if number < visited:
                for target in self._targets[self._begins[number] : self._begins[number + 1]]:
                    leading[target] -= 1
                    if not leading[target]:
                        free.append(target)
        yield from [number for number, count in enumerate(leading) if count][:1]


def loss(world: World) -> str:
    """Return how the consent has come to its end in this state, if it has."""
    record = world.store.now.record
    if record is None:
        return ""  # it was forgotten
    accepted = world.server.accepted
    if record.refused and record.pair.token in accepted:
        return "declared lost"
    known = (pair for process in world.processes for pair in _known(process))
    ours = {pair.token for pair in known if pair == record.pair or pair.follows(record.pair)}
    return "lost" if accepted.isdisjoint({record.pair.token, *ours}) else ""


def stuck(rules: Rules, world: World, able: set[int | None]) -> Iterator[str]:
    """Yield what will never end in this state, although nothing goes wrong any more."""
    for number, process in enumerate(world.processes):
        if process.at not in ("idle", "down") and not process.paused and number not in able:
            yield "waits for ever"
    holder = world.store.lock
    if holder is not None and world.processes[holder].at not in HOLDING and not rules.lease:
        yield "a lock that no process holds"


def _known(process: Process) -> Iterator[Pair]:
    if process.known is not None:
        yield process.known
    if process.unsaved is not None:
        yield process.unsaved.record.pair
    if process.answer is not None and not isinstance(process.answer, str):
        yield process.answer
