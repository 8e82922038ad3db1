"""Prints the summary: the requests and their reasons, the faults, and the promises."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlassian_auth._cli.demo.credentials import Credential
from atlassian_auth._cli.demo.logbook import TROUBLES
from atlassian_auth._cli.demo.verdict import (
    Delivery,
    DemoVerdict,
    Evidence,
    Reason,
    answers_of,
    reasons_of,
)

__all__ = ["summarize"]

_PROBLEMS_SHOWN = 5


def summarize(console: Console, evidence: Evidence, verdict: DemoVerdict) -> None:
    """Print the summary of a run."""
    for table in (_requests(evidence), _troubles(evidence), _promises(verdict)):
        console.print("", table)
    console.print()
    for check in verdict.checks:
        for problem in _shorten(check.problems):
            console.print(Text(f"{check.promise}: {problem}", "red"))
    console.print(_conclusion(evidence, verdict))


def _requests(evidence: Evidence) -> Table:
    table = _table("Requests, and their reasons", "")
    columns: list[dict[str, str]] = []
    for credential in evidence.credentials:
        table.add_column(credential.title, justify="right")
        columns.append(_figures(credential, evidence))
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    return table


def _figures(credential: Credential, evidence: Evidence) -> dict[str, str]:
    answers = answers_of(credential, evidence)
    reasons = Counter(reasons_of(credential, evidence))
    [delivery] = (d for d in evidence.deliveries if d.key == credential.key)
    return {
        "Lifetime of an access token": f"{credential.lifetime_seconds:g} s",
        "API requests": f"{len(answers)}",
        "  answered 401": f"{sum(answer.status == 401 for answer in answers)}",
        "Token requests": f"{reasons.total()}",
        **{f"  {reason.value}": f"{reasons[reason]}" for reason in Reason},
        "Events collected, builds sent": _arrived(delivery),
    }


def _arrived(delivery: Delivery) -> str:
    return f"{len(set(delivery.arrived))} of {len(set(delivery.expected))}"


def _troubles(evidence: Evidence) -> Table:
    table = _table("Injected faults", "", "", "")
    for trouble in TROUBLES:
        survived = evidence.troubles[trouble.title]
        outcome = Text("survived", "green") if survived else Text("NOT OVER", "bold red")
        table.add_row(trouble.title, outcome, trouble.cure if survived else "")
    return table


def _promises(verdict: DemoVerdict) -> Table:
    table = _table("Promises", "", "")
    for check in verdict.checks:
        kept = Text("kept", "green") if check.ok else Text("BROKEN", "bold red")
        table.add_row(check.promise, kept)
    return table


def _table(title: str, *columns: str) -> Table:
    return Table(
        *columns,
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_edge=False,
        show_header=not columns[1:],
    )


def _shorten(problems: tuple[str, ...]) -> tuple[str, ...]:
    more = len(problems) - _PROBLEMS_SHOWN
    return (*problems[:_PROBLEMS_SHOWN], *([f"... and {more} more"] if more > 0 else []))


def _conclusion(evidence: Evidence, verdict: DemoVerdict) -> Text:
    broken = sum(not check.ok for check in verdict.checks)
    if broken:
        return Text(f"FAILED: {broken} of {len(verdict.checks)} promises were broken.", "bold red")
    api, token = len(evidence.api_requests), len(evidence.token_requests)
    return Text(
        f"PASSED: {api} API requests, {token} token requests; nothing lost, doubled or needless.",
        "bold green",
    )
