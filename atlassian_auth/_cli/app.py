"""The commands there are, and the options they share."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from atlassian_auth._cli import credentials
from atlassian_auth._cli.doctor.command import doctor
from atlassian_auth._cli.group import Command, Commands
from atlassian_auth._cli.init import init
from atlassian_auth._cli.login import login
from atlassian_auth._cli.migrate import migrate
from atlassian_auth._cli.profile import PRODUCTS, Flags
from atlassian_auth._cli.request import request
from atlassian_auth._cli.sites import sites, whoami

__all__ = ["app", "demo", "root"]

_EPILOG = """\
PROFILE names a table of the configuration file, such as [profiles.acme]; without it, it is "default".

A setting comes from its flag, else from its variable, such as ATLASSIAN_AUTH_CLIENT_ID, else from the
configuration file. The flags above may stand after the command, too. Secrets come from variables, files,
standard input or a hidden prompt.

\b
Exit status:
  0  done
  1  failed
  2  wrong usage or configuration: change something
  3  somebody has to authorize first, or again
  4  a bad minute of a server or the network: try later
  5  the store cannot be read, written or locked
"""

_SETTINGS_EPILOG = """\
The profile's settings are flags of this command, too, such as --client-id: atlassian-auth --help lists them.
"""

app: typer.Typer = typer.Typer(
    cls=Commands,
    epilog=_EPILOG,
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


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- as Typer calls it
    if wanted:
        print(f"atlassian-auth {metadata.version('atlassian-auth')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The configuration file; what init writes.",
            envvar="ATLASSIAN_AUTH_CONFIG",
            show_envvar=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="The SQLite file or the store with the credentials."),
    ] = None,
    encryption_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the key that encrypts the store.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The credential's name there, if not the profile's."),
    ] = None,
    product: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"One of: {', '.join(PRODUCTS)}.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The client id of the registered app.")
    ] = None,
    client_secret_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with its client secret; - is standard input."),
    ] = None,
    redirect_uri: Annotated[
        str | None, typer.Option(metavar="URL", help="The app's callback URL, to the letter.")
    ] = None,
    scopes: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What to ask for, separated by spaces.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Of a Data Center, context path included.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="Of Cloud: its name, host or URL.")
    ] = None,
    cloud_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Of a Cloud site, if it is known.")
    ] = None,
    authorize_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Replaces Atlassian's own, as do the next five."),
    ] = None,
    token_url: Annotated[str | None, typer.Option(metavar="URL", help="Issues tokens.")] = None,
    api_url: Annotated[str | None, typer.Option(metavar="URL", help="The root of the API.")] = None,
    revoke_url: Annotated[str | None, typer.Option(metavar="URL", help="Ends credentials.")] = None,
    resources_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Lists the sites of a token.")
    ] = None,
    identity_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Says whose token it is.")
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback has used it
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """OAuth for Jira and Confluence as one httpx.Auth."""
    values: dict[str, object] = {
        "store": store,
        "encryption_key_file": encryption_key_file,
        "key": key,
        "product": product,
        "client_id": client_id,
        "client_secret_file": client_secret_file,
        "redirect_uri": redirect_uri,
        "scopes": scopes,
        "base_url": base_url,
        "site": site,
        "cloud_id": cloud_id,
        "authorize_url": authorize_url,
        "token_url": token_url,
        "api_url": api_url,
        "revoke_url": revoke_url,
        "resources_url": resources_url,
        "identity_url": identity_url,
    }
    said = {name: value for name, value in values.items() if value is not None}
    context.obj = Flags(config=config, values=said)


for _name, _command in (
    ("init", init),
    ("login", login),
    ("token", credentials.token),
    ("status", credentials.status),
    ("list", credentials.list_),
    ("add", credentials.add),
    ("refresh", credentials.refresh),
    ("revoke", credentials.revoke),
    ("forget", credentials.forget),
    ("migrate", migrate),
    ("sites", sites),
    ("whoami", whoami),
    ("request", request),
    ("doctor", doctor),
):
    app.command(_name, cls=Command, epilog=_SETTINGS_EPILOG)(_command)


@app.command(cls=Command)
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
    if find_spec("uvicorn") is None:
        raise SystemExit(
            "atlassian-auth: not installed: uvicorn. Run: pip install 'atlassian-auth[demo]'"
        )
    from atlassian_auth._demo.command import run  # noqa: PLC0415 -- needs more than other commands

    raise typer.Exit(run(seconds))
