"""What a command says: readable for people, or JSON whose keys do not change."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["distance", "say", "show", "show_line", "show_list", "show_table"]

_UNITS = (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1))

# No line is broken where no terminal is: the next program wants it whole.
_ENDLESS = 10_000


def show(document: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing: a line for each of its members that has a value."""
    if as_json:
        _print_json(document)
        return
    for name, value in document.items():
        if value not in (None, []):
            print(f"{name.replace('_', ' ')}: {_printable(value)}")


def show_table(
    documents: Iterable[Mapping[str, object]], *, columns: Sequence[str], as_json: bool
) -> None:
    """Print several things of the same kind.

    Args:
        documents: What JSON shows.
        columns: The members that people see.
        as_json: For programs.
    """
    if as_json:
        show_list(documents)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for document in documents:
        table.add_row(*(Text(_printable(document[column])) for column in columns))
    Console(width=None if sys.stdout.isatty() else _ENDLESS, highlight=False).print(table)


def show_list(documents: Iterable[Mapping[str, object]]) -> None:
    """Print several things as JSON."""
    _print_json(list(documents))


def show_line(text: str) -> None:
    """Print one line of a result that has a form of its own."""
    print(_printable(text))


def say(text: str) -> None:
    """Print what is not the result: progress, and what to do."""
    print("\n".join(map(_printable, text.split("\n"))), file=sys.stderr, flush=True)


def distance(away: timedelta) -> str:
    """Return how far away a moment is, in the largest unit of which there are two at least."""
    seconds = abs(away.total_seconds())
    unit, length = next(((unit, long) for unit, long in _UNITS if seconds >= 2 * long), _UNITS[-1])
    count = f"{seconds // length:.0f} {unit}"
    return f"{count} ago" if away < timedelta() else f"in {count}"


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))


def _printable(value: object) -> str:
    if value is None:
        return "-"
    text = " ".join(cast("list[str]", value)) if isinstance(value, list) else str(value)
    # Names come from servers, and a terminal obeys what it is sent.
    return "".join(letter if letter.isprintable() else "?" for letter in text)
