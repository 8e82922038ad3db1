"""Shows a run: a live table on a terminal, else a line every two seconds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atlassian_auth._cli.demo.credentials import CREDENTIALS, Credential
from atlassian_auth._cli.demo.logbook import Logbook, Stage, Trouble

__all__ = ["Show", "shown"]

Show = Callable[[Logbook, float], object]

_LINE_EVERY_SECONDS = 2.0
_STYLES = {Stage.AHEAD: "dim", Stage.NOW: "bold yellow", Stage.SURVIVED: "green"}


@contextmanager
def shown(console: Console) -> Generator[Show]:
    """Yield a function that shows the logbook at a POSIX time; call it repeatedly."""
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda logbook, now: live.update(_picture(logbook, now), refresh=True)
    else:
        yield _Lines(console).show


# -- on a terminal --------------------------------------------------------------------------------


def _picture(logbook: Logbook, now: float) -> Group:
    elapsed = f"{now - logbook.began_at:.0f} of {logbook.seconds:g} s"
    return Group(Text(elapsed, "bold"), _credentials(logbook, now), "", _troubles(logbook))


def _credentials(logbook: Logbook, now: float) -> Table:
    table = Table("Credential", "Its access token", "", box=None, padding=(0, 2, 0, 0))
    for heading in ("Requests", "Refreshes", "Delivered"):
        table.add_column(heading, justify="right")
    for credential in CREDENTIALS:
        key = credential.key
        left = max(logbook.expiry.get(key, now) - now, 0)
        table.add_row(
            credential.title,
            ProgressBar(total=credential.lifetime_seconds, completed=left, width=20),
            f"{left:.1f} s",
            f"{logbook.requests[key]}",
            f"{logbook.refreshes.get(key, 0)}",
            _delivered(credential, logbook),
        )
    return table


def _delivered(credential: Credential, logbook: Logbook) -> str:
    collected = logbook.collected.get(credential.key)
    if collected is None:
        return f"{len(logbook.builds)} builds"
    return f"{len(collected)} of {len(logbook.generated)} events"


def _troubles(logbook: Logbook) -> Table:
    table = Table("Trouble", "", box=None, padding=(0, 2, 0, 0))
    for trouble, stage in logbook.troubles.items():
        table.add_row(trouble.title, Text(_outcome(trouble, stage), _STYLES[stage]))
    return table


def _outcome(trouble: Trouble, stage: Stage) -> str:
    return f"survived: {trouble.cure}" if stage is Stage.SURVIVED else stage.value


# -- elsewhere ------------------------------------------------------------------------------------


class _Lines:
    """Prints changes, and the figures every two seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[Trouble, Stage] = {}
        self._next = 0.0

    def show(self, logbook: Logbook, now: float) -> None:
        elapsed = f"{now - logbook.began_at:5.1f} s"
        for trouble, stage in logbook.troubles.items():
            if stage is not self._told.setdefault(trouble, Stage.AHEAD):
                self._told[trouble] = stage
                self._print(f"{elapsed}  {trouble.title}: {_outcome(trouble, stage)}")
        if now >= self._next:
            self._next = now + _LINE_EVERY_SECONDS
            self._print(f"{elapsed}  {_standing(logbook)}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _standing(logbook: Logbook) -> str:
    collected = sum(map(len, logbook.collected.values()))
    return (
        f"{logbook.requests.total()} requests, {sum(logbook.refreshes.values())} refreshes, "
        f"{collected} of {2 * len(logbook.generated)} events, {len(logbook.builds)} builds, "
        f"{len(logbook.failures)} failures"
    )
