"""Reads secrets: from a file, standard input, the environment or a hidden prompt, never from flags."""

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
        name: The setting, such as ``client_secret``.
        file: The file with the secret; ``-`` is standard input. Takes precedence over ``given``.
        given: The value from the environment.
        piped: Whether to read standard input if it is not a terminal.

    Raises:
        ConfigurationError: if there is no secret, or the file cannot be read.
    """
    if file is not None:
        return _read_file(name, file)
    if given is not None:
        return given.get_secret_value()
    if piped or sys.stdin.isatty():
        return ask(name.replace("_", " ").capitalize())
    message = (
        f"{name} is missing, and there is no terminal for a prompt. Set ATLASSIAN_AUTH_{name.upper()}, "
        f"or pass --{name.replace('_', '-')}-file FILE, where - is standard input."
    )
    raise ConfigurationError(message, argument=name)


def ask(what: str) -> str:
    """Return what a person types at a hidden prompt; without a terminal, one line of standard input."""
    if not sys.stdin.isatty():
        return _read_line()
    with _default_sigint():
        text: str = typer.prompt(what, hide_input=True, err=True)
    return text.strip()


def _read_line() -> str:
    with _default_sigint():
        return sys.stdin.readline().strip()


@contextmanager
def _default_sigint() -> Generator[None]:
    # On the first Ctrl-C asyncio only cancels the main task, which cannot end while a prompt blocks it.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _read_file(name: str, file: Path) -> str:
    if file == _STDIN:
        return _read_line()
    try:
        return file.expanduser().read_text("utf-8").strip()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    except ValueError:
        wrong = "it is not UTF-8 text"
    raise ConfigurationError(f"{file}, which should contain {name}, cannot be read: {wrong}.")
