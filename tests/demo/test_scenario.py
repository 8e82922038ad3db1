"""The story itself is told by the process in test_main; here is how it ends when it goes wrong."""

from __future__ import annotations

from atlassian_auth._demo.logbook import Logbook
from atlassian_auth._demo.scenario import perform
from atlassian_auth._demo.verdict import judge


async def test_a_run_that_takes_too_long_is_cut_off():
    """Troubles that do not end break the promise, and do not keep anybody waiting."""
    evidence = await perform(Logbook(seconds=0, began_at=0), patience_seconds=0)

    assert not any(evidence.troubles.values())
    assert judge(evidence).exit_status == 1
