"""The command completion: the script with which a shell completes commands, options and profiles."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.completion import shell_complete

__all__ = ["completion"]

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_ATLASSIAN_AUTH_COMPLETE"


def completion(
    context: typer.Context, shell: Annotated[str, typer.Argument(metavar="SHELL", hidden=True)]
) -> None:
    """Print the completion script for bash, zsh or fish.

    \b
    bash:  eval "$(atlassian-auth completion bash)"                     in ~/.bashrc
    zsh:   eval "$(atlassian-auth completion zsh)"                      in ~/.zshrc, after compinit
    fish:  atlassian-auth completion fish | source                      in config.fish
    """  # noqa: D301 -- Typer reads the control character
    if shell not in _SHELLS:
        raise typer.BadParameter(f"must be one of: {', '.join(_SHELLS)}", param_hint="SHELL")
    root = context.find_root()
    shell_complete(root.command, {}, "atlassian-auth", _VARIABLE, f"source_{shell}")
