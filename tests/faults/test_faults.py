"""What goes wrong costs no grant: each trouble under each load, and the table that tells of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.catalog import TROUBLES
from tests.faults.play import play
from tests.faults.stage import HOUR
from tests.faults.table import PAGE, entry, rows, title
from tests.faults.trouble import FLEET, LOADS

_REMAINING_SECONDS = 30  # enough to be used, and little enough that a refresh is due

QUIET = [t for t in TROUBLES if "cloud" in t.products and not t.takes_time]
CELLS = [
    pytest.param(trouble, product, load, id=f"{trouble.name}-{product}-{load.name}")
    for trouble in TROUBLES
    for product in trouble.products
    for load in LOADS
]


@pytest.mark.parametrize(("trouble", "product", "load"), CELLS)
def test_trouble(trouble, product, load):
    """Under each fault callers see what the table promises, and nothing else is lost."""
    seen, reason = play(trouble, product, load)

    if seen is None:
        raise reason
    assert seen == trouble.seen[load.name]


@pytest.mark.parametrize("trouble", QUIET, ids=[trouble.name for trouble in QUIET])
def test_no_caller_notices_while_the_token_is_valid(trouble):
    """Until just before its end every caller gets the cached token, although its refresh fails."""
    answers = asyncio.run(ask_in_time(trouble))

    assert set(answers) <= {"token", "200"}


async def ask_in_time(trouble):
    async with trouble.stage("cloud", FLEET) as stage:
        await stage.enrol(FLEET, HOUR - _REMAINING_SECONDS)
        async with trouble.lasts(stage):
            return await stage.ask(FLEET)


def entries():
    """Return the entries of the page."""
    return [part for part in PAGE.read_text("utf-8").strip().split("\n\n") if "\n: " in part]


def test_the_page_is_current():
    """The page has the results of this run for each fault that can be run here."""
    shown = entries()
    missing = {
        row
        for troubles in rows().values()
        for trouble, seen in troubles
        if seen is not None and (row := entry(trouble, seen)) not in shown
    }

    assert missing == set(), "run: python -m tests.faults.table"


def test_the_page_is_complete():
    """The page has an entry for each fault that the tests run, and no other one."""
    assert [part.partition("\n")[0] for part in entries()] == [*map(title, TROUBLES)]
