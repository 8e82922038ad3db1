"""The commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from atlassian_auth.cli.demo.command import run

__all__ = ["app", "demo", "root"]

app: typer.Typer = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    # Plain help reads the same in each terminal and with each version of Typer. Typer's own tracebacks
    # may show local variables, which may be secrets.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# All troubles need 5 seconds: the longest-lived token has to end once.
_SHORTEST, _USUAL, _LONGEST = 5.0, 16.0, 3600.0
_SECONDS_HELP = (
    f"How long the service runs, at the least: {_SHORTEST:g} to {_LONGEST:g}, if not {_USUAL:g}."
)


@app.callback()
def root() -> None:
    """OAuth for Jira and Confluence as one httpx.Auth."""


@app.command()
def demo(
    seconds: Annotated[
        float, typer.Option(metavar="N", help=_SECONDS_HELP, show_default=False)
    ] = _USUAL,
) -> None:
    """See it work against an emulated Atlassian.

    A service collects audit logs and sends builds while its tokens expire within seconds and things go
    wrong on purpose, all on this computer. The exit status is 0 if nothing was lost, doubled or asked
    for needlessly, and 1 if anything was.
    """
    if not _SHORTEST <= seconds <= _LONGEST:
        raise typer.BadParameter(
            f"must be from {_SHORTEST:g} to {_LONGEST:g}", param_hint="--seconds"
        )
    raise typer.Exit(run(seconds))
