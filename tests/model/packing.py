"""Packs states of the model into a few bytes each, so that tens of millions of steps fit into memory."""

from __future__ import annotations

from struct import Struct
from typing import Any

from tests.model.world import Store, World


class Packing:
    """Numbers the parts that states are made of; a packed state is the numbers of its parts.

    Args:
        processes: How many a state has.
        reduced: Whether states that differ only in which process is which are one state.
    """

    def __init__(self, processes: int, *, reduced: bool) -> None:
        self._reduced = reduced
        self._form = Struct(f"{processes + 3}I")
        self._numbers = _Numbers()

    def pack(self, world: World) -> bytes:
        """Return the state as bytes: equal states have equal bytes.

        To reduce is to sort. All processes follow the same rules, and nothing in a state names a process but
        the lock, which is packed with its holder. So whatever can follow on a state can follow, with the
        processes exchanged in the same way, on each of its permutations, and breaks the same properties.
        """
        (entries, lock, writable), numbers = world.store, self._numbers
        processes = [2 * numbers[process] for process in world.processes]
        if lock is not None:
            processes[lock] += 1
        if self._reduced:
            processes.sort()
        rest = numbers[world.strays, world.expiries, world.blame]
        durable = numbers[entries, writable]
        return self._form.pack(*processes, durable, numbers[world.server], rest)

    def unpack(self, packed: bytes) -> World:
        """Return the state, or the one of its permutations that stands for all of them."""
        *processes, durable, server, rest = self._form.unpack(packed)
        lock = next((place for place, process in enumerate(processes) if process % 2), None)
        parts = self._numbers.parts
        entries, writable = parts[durable]
        return World(
            tuple([parts[process // 2] for process in processes]),
            Store(entries, lock, writable),
            parts[server],
            *parts[rest],
        )


class _Numbers(dict[tuple[Any, ...], int]):
    """Numbers each part when it is asked for first.

    Parts of different kinds have different lengths, so none is taken for another one.
    """

    def __init__(self) -> None:
        self.parts: list[Any] = []

    def __missing__(self, part: tuple[Any, ...]) -> int:
        self[part] = len(self.parts)
        self.parts.append(part)
        return self[part]
