"""An error becomes one line and an exit status; shared options may stand anywhere before ``--``."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from atlassian_auth import (
    AmbiguousSite,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    DiscoveryError,
    OriginNotAllowed,
    ScopeMismatch,
    SiteNotFound,
    StoreError,
    TokenResponseError,
    TransientError,
    VersionConflict,
)
from atlassian_auth._cli.group import Commands


def ending_with(error):
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.callback()
    def root(color: str = "", *, loud: bool = False):
        """Shared: one option with a value, and one without."""

    @app.command()
    def fail(words: list[str] = typer.Argument(default=None)):  # noqa: B008 -- Typer's way
        typer.echo(words)
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AtlassianAuthError("x"), 1),
        (TokenResponseError("x", status=200), 1),
        (DiscoveryError("x", status=200), 1),
        (ConfigurationError("x"), 2),
        (OriginNotAllowed("x", origin="", allowed=()), 2),
        (AmbiguousSite("x"), 2),
        (SiteNotFound("x"), 2),
        (ScopeMismatch("x"), 2),
        (AuthorizationRequired("x"), 3),
        (TransientError("x"), 4),
        (StoreError("x"), 5),
        (VersionConflict("x"), 5),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_each_error_has_a_status(error, status):
    """Each error has its documented exit status."""
    ended = CliRunner().invoke(ending_with(error), ["fail"])

    assert ended.exit_code == status
    assert ended.stderr.startswith("atlassian-auth: ")
    assert len(ended.stderr.splitlines()) == 1


def test_an_error_is_one_line():
    """An error is printed as one line, even if its message has line breaks."""
    ended = CliRunner().invoke(ending_with(StoreError("one\n  two")), ["fail"])

    assert ended.stderr == "atlassian-auth: one two\n"


def test_an_interrupt_has_the_status_of_shells():
    """Ctrl-C ends a command without a traceback."""
    ended = CliRunner().invoke(ending_with(KeyboardInterrupt()), ["fail"])

    assert (ended.exit_code, ended.stderr) == (130, "")


def test_others_errors_are_not_hidden():
    """An unexpected exception keeps its traceback."""
    ended = CliRunner().invoke(ending_with(ZeroDivisionError()), ["fail"])

    assert isinstance(ended.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--color", "red", "fail", "a"], ["a"]),
        (["fail", "a", "--color", "red", "b"], ["a", "b"]),
        (["fail", "a", "--color=red"], ["a"]),
        (["fail", "--", "--color", "red"], ["--color", "red"]),
    ],
    ids=["before", "after", "equals", "literal"],
)
def test_shared_options_may_stand_anywhere(arguments, words):
    """Shared options may stand before or after the command, but not after a double dash."""
    ended = CliRunner().invoke(ending_with(None), arguments)

    assert ended.output == f"{words}\n"


@pytest.mark.parametrize("arguments", [["fail", "--color"], ["fail", "--loud"]])
def test_other_misuse_is_refused(arguments):
    """A missing value is reported, and a shared switch is not moved."""
    assert CliRunner().invoke(ending_with(None), arguments).exit_code == 2


def test_an_error_gives_the_terminal_no_orders():
    """A message with text of a server is one printable line."""
    ended = CliRunner().invoke(ending_with(TransientError("bad\x1b]0;PWNED\x07\nminute")), ["fail"])

    assert ended.stderr == "atlassian-auth: bad?]0;PWNED? minute\n"


EMPTY = [
    ("status", "--store", ""),
    ("status", "--store="),
    ("--store", " ", "list"),
    ("status", "--config", ""),
    ("status", "--encryption-key-file", ""),
    ("status", "--key", ""),
    ("init", "--site", ""),
    ("add", "--refresh-token-file", ""),
    ("add", "--authorized-at", ""),
    ("migrate", "--to", ""),
    ("doctor", "--needs", ""),
    ("request", "GET", "/x", "--profile", ""),
]


@pytest.mark.parametrize("arguments", EMPTY, ids=" ".join)
def test_an_empty_flag_is_refused(command, arguments):
    """An empty option, such as an unset shell variable, is refused; the message names the flag."""
    ended = command(*arguments)

    flag = next(word.rstrip("=") for word in arguments if word.startswith("--"))
    assert (ended.status, ended.output) == (2, "")
    assert f"'{flag}': it is empty: give it a value." in ended.errors


def test_an_empty_name_is_refused(command):
    """An empty argument is refused; the message names it."""
    assert "'PROFILE': it is empty: give it a value." in command("status", "").errors


def test_a_body_may_be_empty(authorized, world):
    """The body of a request may be empty."""
    ended = authorized("request", "POST", "/x", "--profile", "acme", "--data", "")

    assert "it is empty" not in ended.errors
    assert world.count("api", method="POST") == 1
