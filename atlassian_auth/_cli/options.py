"""Arguments and options of several commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlassian_auth._cli.group import PROFILE
from atlassian_auth._cli.profile import Flags, Profile
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.manager import DEFAULT_KEY

__all__ = ["DEFAULT", "AsJSON", "ProfileName", "ProfileOption", "flags_of", "profile_of"]

DEFAULT = DEFAULT_KEY


def flags_of(context: typer.Context) -> Flags:
    """Return the values of the shared options."""
    flags: Flags = context.obj
    return flags


def profile_of(context: typer.Context, name: str) -> Profile:
    """Return the profile of a command.

    Raises:
        ConfigurationError: if there is no such profile, or one of its settings is wrong.
    """
    profile = flags_of(context).profile(name)
    context.meta[PROFILE] = profile
    return profile


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    # The shell asks before the command runs, so the flags are not yet in ``context.obj``.
    config = context.find_root().params.get("config")
    try:
        names = Flags(config=config).names()
    except ConfigurationError:
        names = ()
    return [name for name in names if name.startswith(incomplete)]


_PROFILE: Any = {
    "metavar": "PROFILE",
    "envvar": "ATLASSIAN_AUTH_PROFILE",
    "show_envvar": False,
    "show_default": False,
    "autocompletion": _complete,
}

# The first help page describes the argument once for all commands.
ProfileName = Annotated[str, typer.Argument(hidden=True, **_PROFILE)]

# For commands whose arguments are something else.
ProfileOption = Annotated[
    str,
    typer.Option(help="The profile of the credential; default: 'default'.", **_PROFILE),
]

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
