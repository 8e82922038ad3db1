"""How the scenario ends when it goes wrong; test_main runs the whole scenario in a process."""

from __future__ import annotations

from atlassian_auth._cli.demo.logbook import Logbook
from atlassian_auth._cli.demo.scenario import perform
from atlassian_auth._cli.demo.verdict import judge


async def test_a_run_that_takes_too_long_is_cut_off():
    """A run whose faults never end is cut off, and its verdict is that the promise was broken."""
    evidence = await perform(Logbook(seconds=0, began_at=0), patience_seconds=0)

    assert not any(evidence.troubles.values())
    assert judge(evidence).exit_status == 1
