"""How a secret gets in: from a file, standard input, the environment or a hidden prompt, never from flags."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import typer
from pydantic import SecretStr

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["ask", "read_secret"]

_STDIN = Path("-")


def read_secret(name: str, *, file: Path | None, given: SecretStr | None, piped: bool) -> str:
    """Return a secret.

    Args:
        name: Of the setting, such as ``client_secret``.
        file: Where it is; ``-`` is standard input. Stronger than ``given``.
        given: From the environment.
        piped: Whether standard input may bring it unasked, if it is no terminal.

    Raises:
        ConfigurationError: if it is nowhere, or the file cannot be read.
    """
    if file is not None:
        return _first_line(name, file)
    if given is not None:
        return given.get_secret_value()
    if piped or sys.stdin.isatty():
        return ask(name.replace("_", " ").capitalize())
    message = (
        f"{name} is missing, and there is no terminal to ask at: set ATLASSIAN_AUTH_{name.upper()}, "
        f"or pass --{name.replace('_', '-')}-file FILE, where - is standard input."
    )
    raise ConfigurationError(message, argument=name)


def ask(what: str) -> str:
    """Return what a person types unseen at the terminal, or else the first line of standard input."""
    if not sys.stdin.isatty():
        return _piped()
    with _interruptible():
        text: str = typer.prompt(what, hide_input=True, err=True)
    return text.strip()


def _piped() -> str:
    with _interruptible():
        return sys.stdin.readline().strip()


@contextmanager
def _interruptible() -> Generator[None]:
    # On the first Ctrl-C asyncio cancels its task, and no task ends while it waits for a person.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _first_line(name: str, file: Path) -> str:
    if file == _STDIN:
        return _piped()
    try:
        return file.expanduser().read_text("utf-8").strip()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    except ValueError:
        wrong = "it is not UTF-8 text"
    raise ConfigurationError(f"{file}, which should hold {name}, cannot be read: {wrong}.")
