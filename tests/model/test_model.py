"""The model is explored whole, and docs/model.md says what was found."""

from __future__ import annotations

import pytest

from tests.model.catalog import MISSED, PROFILES, missed, reports
from tests.model.machine import GUARDS, Machine
from tests.model.page import PAGE, counted, page
from tests.model.search import explore
from tests.model.world import Rules

EXPECTED = {"lost", "presented twice"}


@pytest.fixture(scope="module")
def found():
    return dict(reports())


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_breaks_but_what_is_listed(found, name):
    """One fault can end a consent or present a token twice; no other property breaks."""
    assert found[name].broken <= EXPECTED


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_breaks_without_trouble(found, name):
    """Processes that are not disturbed lose nothing, in any order of their steps."""
    assert frozenset() not in {causes for _, causes in found[name].stories}


@pytest.mark.parametrize("name", PROFILES)
def test_no_pause_alone_loses_a_consent(found, name):
    """A process may stand still anywhere: while its lock lasts, or inside the leeway, that loses nothing."""
    assert frozenset({"is paused"}) not in found[name].causes("lost")


def test_servers_that_do_not_rotate_lose_nothing(found):
    """On a server that does not rotate refresh tokens, no fault loses a consent."""
    assert found["refresh tokens are not rotated; Redis"].broken == set()


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_is_missed(guard):
    """Taking a guard away breaks a property that holds with it."""
    _, story = missed(guard)

    assert story


def test_each_guard_has_its_conditions():
    """For each guard the model says what breaks without it."""
    assert MISSED.keys() == GUARDS.keys()


def test_the_page_says_what_was_found():
    """docs/model.md is what ``python -m tests.model.page`` writes."""
    assert PAGE.read_text() == page(counted())


@pytest.mark.parametrize("name", PROFILES)
def test_interchangeable_processes_are_explored_once(found, name):
    """The reduced search finds all that the full one finds, in stories as long, in about half the states."""
    reduced = explore(PROFILES[name], reduced=True)

    assert _lengths(reduced) == _lengths(found[name])
    assert reduced.states < 0.55 * found[name].states


def test_three_processes_are_explored_once():
    """Of three processes it finds the same, in about a sixth of the states."""
    rules = Rules(processes=3, troubles=0, lease=True, without=frozenset({"re-read"}))
    full, reduced = explore(rules), explore(rules, reduced=True)

    assert _lengths(reduced) == _lengths(full)
    assert reduced.stories
    assert reduced.states < 0.2 * full.states


def _lengths(report):
    return {told: len(story) for told, story in report.stories.items()}


class KeepsTheLock(Machine):
    """Does not give its lock back."""

    def _leaving(self, turn):
        yield turn.does("leaves", at="idle")


class GoesRound(Machine):
    """Asks a server that is unavailable again and again."""

    def _sent(self, turn):
        if turn.process.answer == "unavailable":
            yield turn.does("hears that it is unavailable", at="read", sent=0, answer=None)
        else:
            yield from super()._sent(turn)


class Waits(Machine):
    """Waits for a lock without an end."""

    def _queue(self, turn):
        if turn.world.store.lock is None:
            yield from super()._queue(turn)


@pytest.mark.parametrize(
    ("machine", "broken"),
    [
        (KeepsTheLock, "a lock that no process holds"),
        (GoesRound, "never ends"),
        (Waits, "waits for ever"),
    ],
)
def test_what_never_ends_is_found(machine, broken):
    """A machine that keeps its lock, goes round in a circle or waits for ever is found out."""
    assert broken in explore(Rules(troubles=0), machine=machine).broken
