"""What all commands share: each error of the library becomes one line and an exit status."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from atlassian_auth._cli.output import say
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.warnings import print_warnings
from atlassian_auth._cli.words import describe_error
from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    OriginNotAllowed,
    ScopeMismatch,
    SiteNotFound,
    StoreError,
    TransientError,
)

__all__ = ["FAILURE", "PROFILE", "TRANSIENT", "Command", "Commands", "report", "status_of"]

PROFILE = "atlassian_auth.profile"
"""The key of the profile in a command's `Context.meta`."""

FAILURE = 1
"""The exit status of errors that have no status of their own."""

TRANSIENT = 4
"""The exit status of temporary errors: the same command may succeed later."""

_STATUSES: tuple[tuple[type[AtlassianAuthError], int], ...] = (
    (ConfigurationError, 2),
    (OriginNotAllowed, 2),
    (AmbiguousSite, 2),
    (SiteNotFound, 2),
    (ScopeMismatch, 2),
    (AuthorizationRequired, 3),
    (TransientError, TRANSIENT),
    (StoreError, 5),
)

# 128 + SIGINT, as shells report it.
_INTERRUPTED = 130

# The body of a request may be empty.
_MAY_BE_EMPTY = ("data",)


def status_of(error: AtlassianAuthError) -> int:
    """Return the exit status for an error."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILURE)


def report(error: AtlassianAuthError, profile: Profile | None = None) -> None:
    """Print one line about an error to standard error.

    Args:
        error: The error.
        profile: The profile of the command, if it is known.
    """
    say(f"atlassian-auth: {describe_error(error, profile)}")


class Commands(TyperGroup):
    """A group of commands whose shared options may precede or follow the command; errors are one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with the shared options moved before the command.

        Raises:
            BadParameter: if an argument is empty.
        """
        hoisted = _move_shared_options_first(args, self._shared(ctx))
        _check_not_empty(self, ctx, hoisted)
        rest: list[str] = super().parse_args(ctx, hoisted)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            Exit: if the command fails with an error of the library; with the exit status of that error.
        """
        try:
            with print_warnings():
                return super().invoke(ctx)
        except AtlassianAuthError as error:
            report(error, ctx.meta.get(PROFILE))
            status = status_of(error)
        except KeyboardInterrupt:
            status = _INTERRUPTED
        except typer.Abort:  # Ctrl-C or Ctrl-D at a prompt
            say("")
            status = _INTERRUPTED
        raise typer.Exit(status)

    def _shared(self, ctx: Any) -> frozenset[str]:
        options = (param for param in self.get_params(ctx) if not getattr(param, "is_flag", True))
        return frozenset(name for option in options for name in option.opts)


class Command(TyperCommand):
    """A command that refuses empty arguments, which unset shell variables produce."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            BadParameter: if an argument is empty.
        """
        _check_not_empty(self, ctx, args)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def _check_not_empty(command: Any, ctx: Any, args: list[str]) -> None:
    # Check the text as typed: as a `Path`, an empty text is the current folder.
    typed = command.make_parser(ctx).parse_args(args=list(args))[0]
    for param in command.get_params(ctx):
        text = typed.get(param.name)
        if isinstance(text, str) and not text.strip() and param.name not in _MAY_BE_EMPTY:
            message = "it is empty: give it a value."
            raise typer.BadParameter(message, ctx=ctx, param=param)


def _move_shared_options_first(args: list[str], shared: frozenset[str]) -> list[str]:
    """Return the arguments, with the shared options and their values first."""
    front: list[str] = []
    back: list[str] = []
    left = iter(args)
    for arg in left:
        if arg == "--":
            back += [arg, *left]
        elif arg in shared:
            front += [arg, *([value] if (value := next(left, None)) is not None else [])]
        else:
            (front if arg.partition("=")[0] in shared else back).append(arg)
    return front + back
