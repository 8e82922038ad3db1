"""A call tries until its time is over, and once more."""

from __future__ import annotations

import pytest

from atlassian_auth.stores._patience import Patience


class Watch:
    """A clock that pauses move, and what else takes time."""

    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def patience(watch):
    return Patience(110.0, now=lambda: watch.now, pause=watch.pause)


@pytest.mark.parametrize(("now", "attempts"), [(109.999, 2), (110.0, 1), (110.001, 1)])
def test_the_deadline(watch, patience, now, attempts):
    """Just before the deadline another attempt follows; at the deadline or after it there is one."""
    watch.now = now

    assert len(list(patience.attempts())) == attempts


def test_pauses(watch, patience):
    """Attempts follow each other after 2 ms, until the deadline."""
    for _ in patience.attempts():
        pass

    assert set(watch.pauses) == {0.002}
    assert 110 <= watch.now < 110.004


def test_a_process_that_stood_still(watch, patience):
    """However long the process stood still, in an attempt or in a pause, one more attempt follows."""
    attempts = patience.attempts()
    next(attempts)
    watch.now = 10_000.0

    next(attempts)
    with pytest.raises(StopIteration):
        next(attempts)


def test_who_is_content_stops(watch, patience):
    """A caller that leaves the loop after an attempt does not pause."""
    for _ in patience.attempts():
        break

    assert watch.pauses == []
