"""The command emulator: an emulated Atlassian on this computer, for any language and for trying by hand."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, get_args

import anyio
import typer

from atlassian_auth._cli.documents import AppDocument, EmulatorDocument
from atlassian_auth._cli.options import AsJSON
from atlassian_auth._cli.output import say, show, show_table
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK

if TYPE_CHECKING:
    from atlassian_auth.testing import App, FakeAtlassian, LoopbackServer, Rules

__all__ = ["emulator"]

_PORT = 8900
_LONGEST = 365 * 86_400
_COLUMNS = ("product", "client_id", "client_secret", "redirect_uri")


def emulator(
    *,
    port: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=65535,
            help=f"The port; 0 is any free one; default {_PORT}.",
            show_default=False,
        ),
    ] = _PORT,
    lifetime: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            max=_LONGEST,
            help="How long access tokens live; default: as at Atlassian.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Serve an emulated Atlassian until Ctrl-C.

    It is on this computer only. It has Cloud and Data Center, and apps that are registered already. Its page
    shows the state. The variable ATLASSIAN_AUTH_EMULATOR points services with this library, and the commands,
    at it.
    """
    if find_spec("uvicorn") is None:
        raise SystemExit(
            "atlassian-auth: not installed: uvicorn. Run: pip install 'atlassian-auth[cli,testing]'"
        )
    from atlassian_auth.testing import FakeAtlassian  # noqa: PLC0415 -- see _rules

    atlassian = FakeAtlassian(SYSTEM_CLOCK, rules=_rules(lifetime))
    with ExitStack() as stack:
        server = _start(atlassian, port, stack)
        _introduce(server.origin, server.urls.dc_base_url, atlassian, as_json=as_json)
        anyio.run(anyio.sleep_forever)


def _start(atlassian: FakeAtlassian, port: int, stack: ExitStack) -> LoopbackServer:
    from atlassian_auth.testing import LoopbackServer  # noqa: PLC0415 -- see _rules

    try:
        return stack.enter_context(LoopbackServer(atlassian, port=port))
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    message = f"port {port} cannot be opened: {wrong}. Pass --port with another one"
    raise ConfigurationError(message, argument="port")


def _rules(lifetime: float | None) -> Rules:
    # Only this command needs the emulator: the others start faster without it.
    from atlassian_auth.testing import Rules  # noqa: PLC0415
    from atlassian_auth.testing.apps import Product  # noqa: PLC0415

    if lifetime is None:
        return Rules()
    try:
        return Rules(access_token_lifetime_seconds=dict.fromkeys(get_args(Product), lifetime))
    except ValueError:
        raise typer.BadParameter("must be above 0", param_hint="--lifetime") from None


def _introduce(origin: str, base_url: str, atlassian: FakeAtlassian, *, as_json: bool) -> None:
    rows = [_row(app) for app in atlassian.apps]
    if as_json:
        document: EmulatorDocument = {"url": origin, "data_center_url": base_url, "apps": rows}
        show(document, as_json=True)
    else:
        show_table(rows, columns=_COLUMNS, as_json=False)
    sys.stdout.flush()  # a program may wait for it
    say(
        f"The page of the emulator is {origin}/ and its Data Center is {base_url}.\n"
        f"In another terminal, run: export ATLASSIAN_AUTH_EMULATOR={origin}"
    )


def _row(app: App) -> AppDocument:
    return {
        "product": app.product,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
    }
