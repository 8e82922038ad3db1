"""Prints results: text for people, or JSON whose keys do not change."""

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

# Without a terminal no line is wrapped: another program reads it.
_ENDLESS = 10_000


def show(document: Mapping[str, object], *, as_json: bool) -> None:
    """Print a document: as JSON, or as one line for each member that has a value."""
    if as_json:
        _print_json(document)
        return
    for name, value in document.items():
        if value not in (None, []):
            print(f"{name.replace('_', ' ')}: {_printable(value)}")


def show_table(
    documents: Iterable[Mapping[str, object]], *, columns: Sequence[str], as_json: bool
) -> None:
    """Print documents: as JSON, or as a table.

    Args:
        documents: The documents; JSON has all their members.
        columns: The members that the table shows.
        as_json: Whether to print JSON.
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
    """Print documents as JSON."""
    _print_json(list(documents))


def show_line(text: str) -> None:
    """Print one line of a result."""
    print(_printable(text))


def say(text: str) -> None:
    """Print to standard error: progress, advice and errors."""
    print("\n".join(map(_printable, text.split("\n"))), file=sys.stderr, flush=True)


def distance(away: timedelta) -> str:
    """Return a time span in words, in the largest unit of which it has at least two."""
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
    # Servers choose names, and a terminal executes escape sequences in them.
    return "".join(letter if letter.isprintable() else "?" for letter in text)
