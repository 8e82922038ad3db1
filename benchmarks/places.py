"""Every kind of store in a place of its own: files in a new folder, real servers as the tests start them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atlassian_auth import ConfigurationError
from atlassian_auth.stores import open_store


@dataclass(frozen=True, slots=True)
class Place:
    """One store.

    Args:
        name: Its kind.
        url: For `open_store`; None if there is none here.
        note: Why not.
    """

    name: str
    url: str | None
    note: str = ""


@contextmanager
def places() -> Iterator[list[Place]]:
    """Yield a place of each kind; they are gone when the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        yield [
            Place("memory", "memory:"),
            Place("SQLite", f"sqlite:///{(folder / 'tokens.db').as_posix()}"),
            Place("files", (folder / "tokens").as_uri()),
            _server("Redis", _redis, stack),
            _server("PostgreSQL", _postgres, stack),
        ]


def _server(name: str, start: Callable[[Any, ExitStack], str], stack: ExitStack) -> Place:
    try:
        tools, pytest = import_module("tests.servers"), import_module("pytest")
    except ImportError as error:
        return Place(name, None, f"{error.name} is not installed")
    given = os.environ.get(f"ATLASSIAN_AUTH_TEST_{start.__name__[1:].upper()}_URL")
    try:
        url = given or start(tools, stack)
        open_store(url)
    except (pytest.skip.Exception, ConfigurationError) as missing:
        return Place(name, None, str(missing))
    return Place(name, url)


def _redis(tools: Any, stack: ExitStack) -> str:
    folder = stack.enter_context(tools.short_folder())
    return str(stack.enter_context(tools.redis_on_socket(folder)))


def _postgres(tools: Any, stack: ExitStack) -> str:
    cluster = tools.PostgresCluster(stack.enter_context(tools.short_folder()))
    stack.enter_context(cluster.running())
    return str(cluster.url)
