"""The list of commands, and the options that they share."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from atlassian_auth._cli import credentials
from atlassian_auth._cli.completion import completion
from atlassian_auth._cli.doctor.command import doctor
from atlassian_auth._cli.emulator import emulator
from atlassian_auth._cli.git_credential import git_credential
from atlassian_auth._cli.group import Command, Commands
from atlassian_auth._cli.init import init
from atlassian_auth._cli.login import login
from atlassian_auth._cli.migrate import migrate
from atlassian_auth._cli.options import AsJSON
from atlassian_auth._cli.profile import PRODUCTS, Flags
from atlassian_auth._cli.request import request
from atlassian_auth._cli.serve.command import serve
from atlassian_auth._cli.sites import sites, whoami
from atlassian_auth._cli.token import token

__all__ = ["app", "demo", "root"]

_EPILOG = """\
PROFILE names a table of the configuration file, such as [profiles.acme]. The default is "default".

A setting is read from its flag, then from its variable, such as ATLASSIAN_AUTH_CLIENT_ID, then from the
configuration file. The flags above may also follow the command. Secrets are read from variables, files,
standard input or a hidden prompt.

\b
Exit status:
  0  done
  1  failed
  2  wrong usage or configuration: change something
  3  a person has to authorize first, or again
  4  a server or the network is temporarily unavailable: try later
  5  the store cannot be read, written or locked
"""

_SETTINGS_EPILOG = """\
This command also takes the shared flags, such as --client-id. atlassian-auth --help lists them.
"""

app: typer.Typer = typer.Typer(
    cls=Commands,
    epilog=_EPILOG,
    no_args_is_help=True,
    # Plain help is the same in every terminal and with every version of Typer. Typer's own tracebacks
    # may show local variables, which may hold secrets.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

# The demonstration needs 5 seconds: the token with the longest lifetime has to expire once.
_MINIMUM, _DEFAULT, _MAXIMUM = 5.0, 16.0, 3600.0
_SECONDS_HELP = (
    f"Minimum run time, from {_MINIMUM:g} to {_MAXIMUM:g} seconds; default {_DEFAULT:g}."
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- Typer calls it so
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
            help="The configuration file, which init writes.",
            envvar="ATLASSIAN_AUTH_CONFIG",
            show_envvar=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="The store of the credentials: a SQLite file or a URL."
        ),
    ] = None,
    encryption_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the key that encrypts the store.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="The credential's key in the store; default: the profile's name."
        ),
    ] = None,
    product: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"One of: {', '.join(PRODUCTS)}.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The client id of the registered app.")
    ] = None,
    client_secret_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the client secret; - is standard input."),
    ] = None,
    redirect_uri: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The app's callback URL, exactly as registered."),
    ] = None,
    scopes: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The scopes to request, separated by spaces.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The base URL of a Data Center, with its context path."),
    ] = None,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="The Cloud site: its name, host or URL.")
    ] = None,
    cloud_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The cloud id of the site, if you know it.")
    ] = None,
    authorize_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The authorize endpoint. This and the next five replace Atlassian's.",
        ),
    ] = None,
    token_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The token endpoint.")
    ] = None,
    api_url: Annotated[str | None, typer.Option(metavar="URL", help="The root of the API.")] = None,
    revoke_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The revocation endpoint.")
    ] = None,
    resources_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The endpoint that lists the sites of a token."),
    ] = None,
    identity_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The endpoint that says whose token it is.")
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback uses it
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
    given = {name: value for name, value in values.items() if value is not None}
    context.obj = Flags(config=config, values=given)


for _name, _command in (
    ("init", init),
    ("login", login),
    ("token", token),
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
    ("git-credential", git_credential),
    ("doctor", doctor),
    ("serve", serve),
):
    app.command(_name, cls=Command, epilog=_SETTINGS_EPILOG)(_command)


app.command("completion", cls=Command)(completion)
app.command("emulator", cls=Command)(emulator)


@app.command(cls=Command)
def demo(
    seconds: Annotated[
        float, typer.Option(metavar="N", help=_SECONDS_HELP, show_default=False)
    ] = _DEFAULT,
    *,
    as_json: AsJSON = False,
) -> None:
    """See it work against an emulated Atlassian.

    A service collects audit logs and sends builds. Its tokens expire within seconds, and faults are
    injected. Everything runs on this computer. The exit status is 0 if no event, build or token was lost,
    duplicated or requested needlessly, else 1.
    """
    if not _MINIMUM <= seconds <= _MAXIMUM:
        raise typer.BadParameter(
            f"must be from {_MINIMUM:g} to {_MAXIMUM:g}", param_hint="--seconds"
        )
    if find_spec("uvicorn") is None:
        raise SystemExit(
            "atlassian-auth: not installed: uvicorn. Run: pip install 'atlassian-auth[demo]'"
        )
    from atlassian_auth._cli.demo.command import run  # noqa: PLC0415 -- imports uvicorn

    raise typer.Exit(run(seconds, as_json=as_json))
