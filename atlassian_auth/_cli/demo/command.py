"""The command ``atlassian-auth demo``."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import anyio
from rich.console import Console

from atlassian_auth._cli.demo.display import Show, shown
from atlassian_auth._cli.demo.logbook import Logbook
from atlassian_auth._cli.demo.scenario import perform
from atlassian_auth._cli.demo.service import in_background
from atlassian_auth._cli.demo.summary import summarize
from atlassian_auth._cli.demo.verdict import DemoVerdict, Evidence, judge
from atlassian_auth.ports import SYSTEM_CLOCK

__all__ = ["report", "run"]

# 128 + SIGINT, as shells report it.
_INTERRUPTED = 130


def run(seconds: float, *, as_json: bool = False) -> int:
    """Run the demonstration, and return the exit status.

    Args:
        seconds: The minimum run time.
        as_json: Print the verdict as JSON, and all that is for people to standard error.
    """
    console = Console(highlight=False, stderr=as_json)
    console.print(
        "A service uses an emulated Atlassian on this computer while faults are injected."
    )
    return report(console, lambda: anyio.run(_watch, console, seconds), as_json=as_json)


def report(console: Console, performance: Callable[[], Evidence], *, as_json: bool = False) -> int:
    """Run ``performance``, check it, print the summary, and return the exit status."""
    try:
        evidence = performance()
    except KeyboardInterrupt:
        console.print("Interrupted: nothing was checked.")
        return _INTERRUPTED
    verdict = judge(evidence)
    summarize(console, evidence, verdict)
    if as_json:
        print(json.dumps(_as_document(evidence, verdict), indent=2))
    return verdict.exit_status


def _as_document(evidence: Evidence, verdict: DemoVerdict) -> dict[str, object]:
    promises = [
        {"promise": check.promise, "kept": check.ok, "problems": list(check.problems)}
        for check in verdict.checks
    ]
    return {
        "passed": all(check.ok for check in verdict.checks),
        "api_requests": len(evidence.api_requests),
        "token_requests": len(evidence.token_requests),
        "promises": promises,
    }


async def _watch(console: Console, seconds: float) -> Evidence:
    logbook = Logbook(seconds=seconds, began_at=SYSTEM_CLOCK.time())
    with shown(console) as show:
        async with in_background(partial(_look, show, logbook)):
            evidence = await perform(logbook)
        # Show the events since the last update, which may be many on a busy computer.
        await _look(show, logbook)  # pragma: no cover -- the tests play it in a process of its own
    return evidence  # pragma: no cover -- as above


async def _look(show: Show, logbook: Logbook) -> None:
    show(logbook, SYSTEM_CLOCK.time())
