"""Many processes with many tasks each, on one credential, while it expires again and again."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from tests.fleet.crew import Ask

_HOUR = 3600
_PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class FleetResult:
    """What was counted while a fleet ran.

    Args:
        answers: How often the tasks got which status.
        presented: Which of the family's refresh tokens the server was shown, in order.
        outcomes: What the server said to that.
        seconds: How long it took, the processes' start and end left out.
    """

    answers: Counter[int]
    presented: list[int]
    outcomes: set[str]
    seconds: float

    @property
    def failed(self):
        return sum(self.answers.values()) - self.answers[200]


def run_fleet(nursery, atlassian, place, *, processes, tasks, expiries):
    """Expire the credential so often, by the clock and by the server in turn; then all tasks ask at once."""
    answers = Counter()
    workers = [nursery.start(Ask(place, tasks)) for _ in range(processes)]
    answers_of(workers)
    began = time.perf_counter()
    ahead_seconds = 0
    for number in range(expiries):
        if number % 2:
            atlassian.expire_access_tokens()
        else:
            atlassian.clock.advance(_HOUR)
            ahead_seconds += _HOUR
        for worker in workers:
            worker.link.send(ahead_seconds)
        for counts in answers_of(workers):
            answers += counts
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.link.send(None)
    answers_of(workers)
    assert [worker.wait_for_end() for worker in workers] == [0] * processes
    requests = atlassian.token_requests
    presented = [request.generation for request in requests]
    return FleetResult(answers, presented, {request.outcome for request in requests}, seconds)


def answers_of(workers):
    """Return the next answer of each worker."""
    assert all(worker.link.poll(_PATIENCE_SECONDS) for worker in workers), "a process hangs"
    answers = [worker.link.recv() for worker in workers]
    for answer in answers:
        assert answer[0] != "failed", answer[1]
    return [answer for _, answer in answers]
