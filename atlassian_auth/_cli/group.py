"""What all commands share: one line for each of our errors, and a status that scripts can act on."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from atlassian_auth._cli.output import say
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.warnings import told_warnings
from atlassian_auth._cli.words import told
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
"""Under this name a command's context has the profile that the command is about."""

FAILURE = 1
"""Whatever has no status of its own."""

TRANSIENT = 4
"""The same command may succeed later."""

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

# A request may have a body with nothing in it.
_MAY_BE_EMPTY = ("data",)


def status_of(error: AtlassianAuthError) -> int:
    """Return the exit status for an error."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILURE)


def report(error: AtlassianAuthError, profile: Profile | None = None) -> None:
    """Print one line about an error where it does not mix with results.

    Args:
        error: What went wrong.
        profile: What the command is about, if that is known.
    """
    say(f"atlassian-auth: {told(error, profile)}")


class Commands(TyperGroup):
    """Commands whose shared options may stand before or after them, and whose errors are one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with shared options moved to where they belong.

        Raises:
            BadParameter: if one is empty.
        """
        hoisted = _hoisted(args, self._shared(ctx))
        _check_not_empty(self, ctx, hoisted)
        rest: list[str] = super().parse_args(ctx, hoisted)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            Exit: with the status of the error, if it fails with one of ours.
        """
        try:
            with told_warnings():
                return super().invoke(ctx)
        except AtlassianAuthError as error:
            report(error, ctx.meta.get(PROFILE))
            status = status_of(error)
        except KeyboardInterrupt:
            status = _INTERRUPTED
        except typer.Abort:  # a prompt that was left, by Ctrl-C or by Ctrl-D
            say("")
            status = _INTERRUPTED
        raise typer.Exit(status)

    def _shared(self, ctx: Any) -> frozenset[str]:
        options = (param for param in self.get_params(ctx) if not getattr(param, "is_flag", True))
        return frozenset(name for option in options for name in option.opts)


class Command(TyperCommand):
    """A command whose arguments are not empty: a shell's variable that is not set would mean the default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            BadParameter: if one is empty.
        """
        _check_not_empty(self, ctx, args)
        rest: list[str] = super().parse_args(ctx, args)
        return rest


def _check_not_empty(command: Any, ctx: Any, args: list[str]) -> None:
    # As they were typed: once it is a path, an empty one is the current folder.
    typed = command.make_parser(ctx).parse_args(args=list(args))[0]
    for param in command.get_params(ctx):
        text = typed.get(param.name)
        if isinstance(text, str) and not text.strip() and param.name not in _MAY_BE_EMPTY:
            message = "it is empty: give it a value."
            raise typer.BadParameter(message, ctx=ctx, param=param)


def _hoisted(args: list[str], shared: frozenset[str]) -> list[str]:
    """Return the arguments with the shared options, and their values, in front."""
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
