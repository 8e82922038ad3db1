"""The table, by rich where it is installed, in plain text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from benchmarks.row import Row

HEADINGS = ("what", "measured", "budget", "verdict")


def show(rows: Sequence[Row], *, caption: str) -> None:
    if find_spec("rich"):
        _show_rich(rows, caption)
    else:
        print(plain(rows, caption=caption))


def plain(rows: Sequence[Row], *, caption: str) -> str:
    """Return the table as text, its columns aligned."""
    lines = [HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join([*(_align(line, widths) for line in lines), caption])


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def _show_rich(rows: Sequence[Row], caption: str) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*HEADINGS, box=SIMPLE)
    for row in rows:
        table.add_row(*_cells(row), style="bold red" if row.over else None)
    console = Console()
    console.print(table)
    console.print(caption, highlight=False)


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.what, row.measured, row.allowed, row.verdict
