"""What all commands share: one line for each of our errors, and a status that scripts can act on."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

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

__all__ = ["FAILURE", "PROFILE", "TRANSIENT", "Commands", "report", "status_of"]

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
        """Read the arguments, with shared options moved to where they belong."""
        rest: list[str] = super().parse_args(ctx, _hoisted(args, self._shared(ctx)))
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
        raise typer.Exit(status)

    def _shared(self, ctx: Any) -> frozenset[str]:
        options = (param for param in self.get_params(ctx) if not getattr(param, "is_flag", True))
        return frozenset(name for option in options for name in option.opts)


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
