"""The options of the command serve."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.options import DEFAULT, profile_of

__all__ = ["serve"]

_NEEDED = ("jinja2", "starlette", "uvicorn")
_PORT, _MAXIMUM = 8476, 65_535


def serve(
    context: typer.Context,
    *,
    port: Annotated[
        int,
        typer.Option(
            metavar="N",
            help=f"The port on this computer; 0 for a free one. Default: {_PORT}.",
            show_default=False,
        ),
    ] = _PORT,
    emulator: Annotated[
        bool,
        typer.Option(
            "--emulator", help="Connect to an emulated Jira. Nothing is kept after the end."
        ),
    ] = False,
) -> None:
    """Add clients and connect in a browser, on this computer.

    Open the printed link in a browser. It works once, so that other users of this computer cannot use it.
    Stop with Ctrl-C.
    """
    if not 0 <= port <= _MAXIMUM:
        raise typer.BadParameter(f"must be from 0 to {_MAXIMUM}", param_hint="--port")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"atlassian-auth: not installed: {', '.join(missing)}. "
            "Run: pip install 'atlassian-auth[web]'"
        )
    from atlassian_auth._cli.serve import server  # noqa: PLC0415 -- needs the packages checked above

    place = None if emulator else profile_of(context, DEFAULT).place
    anyio.run(server.run, place, port)
