"""The command migrate: moves credentials to another store."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Annotated

import anyio
import typer
from pydantic import SecretStr

from atlassian_auth._cli.documents import MovedDocument
from atlassian_auth._cli.group import report, status_of
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileOption, profile_of
from atlassian_auth._cli.output import say, show_line, show_list
from atlassian_auth._cli.place import Place, is_url
from atlassian_auth._cli.profile import check_no_password
from atlassian_auth._cli.session import open_transfer
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError
from atlassian_auth.migration import Transfer

__all__ = ["migrate"]

_TO = "ATLASSIAN_AUTH_TO"
_TO_KEY = "ATLASSIAN_AUTH_TO_ENCRYPTION_KEY"


def migrate(
    context: typer.Context,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY", hidden=True, show_default=False)
    ] = None,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            help="The store to move them to: a SQLite file or a URL.",
            envvar=_TO,
            show_envvar=False,
            show_default=False,
        ),
    ],
    to_encryption_key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the key that encrypts the new store."),
    ] = None,
    profile: ProfileOption = DEFAULT,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace credentials that the new store has under the same key."
        ),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Move credentials to another store.

    Without KEY, all credentials are moved. Each one is deleted from the old store, because only one store
    may hold a refresh token. Services may run meanwhile; configure the new store in them afterwards. After an
    interruption, run the command again to finish.
    """
    source = profile_of(context, profile).place
    target = _target(to, to_encryption_key_file)
    if not source.exists():
        message = f"There is no store {source}: name the store that has the credentials."
        raise ConfigurationError(message, argument="store")
    target.check_folder()
    move = functools.partial(_move_all, tuple(keys or ()), overwrite=overwrite, quiet=as_json)
    rows = anyio.run(move, source, target)
    if as_json:
        show_list(rows)
    raise typer.Exit(next((row["exit_status"] for row in rows if row["exit_status"]), 0))


def _target(to: str, key_file: Path | None) -> Place:
    if to != os.environ.get(_TO):
        check_no_password("--to", to, variable=_TO)
    key = os.environ.get(_TO_KEY)
    name = to if is_url(to) else str(Path(to).expanduser())
    return Place(name, key_file, SecretStr(key) if key else None, setting="--to")


async def _move_all(
    names: tuple[str, ...], source: Place, target: Place, *, overwrite: bool, quiet: bool
) -> list[MovedDocument]:
    async with open_transfer(source, target, overwrite=overwrite) as transfer:
        keys = names or await transfer.keys()
        if not keys:
            say(f"There are no credentials to move in {source}.")
        return [await _move(transfer, key, quiet=quiet) for key in keys]


async def _move(transfer: Transfer, key: str, *, quiet: bool) -> MovedDocument:
    try:
        outcome = str(await transfer.move(key))
    except AtlassianAuthError as error:
        # An error of one key does not stop the others.
        report(error)
        return {"key": key, "outcome": error.code, "exit_status": status_of(error)}
    if not quiet:
        show_line(f"{key}: {outcome}")
    return {"key": key, "outcome": outcome, "exit_status": 0}
