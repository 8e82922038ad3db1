"""Rounds: baseline and subject take turns, and each pair of neighbors gives one ratio.

The machine's drift hits both of a pair, and the median of many pairs is not moved by the few in which
something else ran.
"""

from __future__ import annotations

import gc
from collections.abc import Callable


def paired(
    baseline: Callable[[], float], subject: Callable[[], float], *, rounds: int
) -> tuple[float, ...]:
    """Return subject / baseline of each round, both given as functions that return seconds."""
    baseline()
    subject()  # caches are warm from here on
    # What lives now stays: to look at it again before each round would take longer than most rounds.
    gc.collect()
    gc.freeze()
    return tuple(_ratio(baseline, subject, swapped=bool(n % 2)) for n in range(rounds))


def _ratio(baseline: Callable[[], float], subject: Callable[[], float], *, swapped: bool) -> float:
    # Each goes first as often as the other: the second one finds the caches that the first one filled.
    if swapped:
        above = subject()
        return above / baseline()
    below = baseline()
    return subject() / below


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return how long ``work`` takes, the garbage collector aside.

    Args:
        work: What is measured.
        clock: ``perf_counter`` where the user waits; ``process_time``, which leaves out other processes,
            where there is nothing but computing.
    """
    gc.collect()
    gc.disable()
    try:
        start = clock()
        work()
        return clock() - start
    finally:
        gc.enable()
