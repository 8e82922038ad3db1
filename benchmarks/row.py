"""One line of the table: what was measured, in each round, and what it may be."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Ratios (``×``), counts or bytes, one value for each round.

    Args:
        what: What was measured.
        values: One for each round; none if the benchmark was skipped.
        unit: Written behind the number.
        budget: What the median may be at the most; None where there is nothing to hold.
        note: Why it was skipped.
    """

    what: str
    values: tuple[float, ...]
    unit: str = "×"
    budget: float | None = None
    note: str = ""

    @property
    def over(self) -> bool:
        return self.budget is not None and self._median > self.budget

    @property
    def verdict(self) -> str:
        if self.budget is None or not self.values:
            return ""
        return "over" if self.over else "ok"

    @property
    def measured(self) -> str:
        if not self.values:
            return f"skipped: {self.note}"
        return f"{self._format(self._median)}{self._spread}"

    @property
    def allowed(self) -> str:
        return "" if self.budget is None else f"≤ {self._format(self.budget)}"

    @property
    def _median(self) -> float:
        return statistics.median(self.values) if self.values else 0.0

    @property
    def _spread(self) -> str:
        low, high = min(self.values), max(self.values)
        return "" if low == high else f" ({self._number(low)} – {self._number(high)})"

    def _format(self, value: float) -> str:
        return f"{self._number(value)} {self.unit}".rstrip()

    def _number(self, value: float) -> str:
        return f"{value:.2f}" if self.unit == "×" else f"{value:,.0f}"


def exit_status(rows: Sequence[Row], *, check: bool) -> int:
    """Return 1 if budgets are to be checked and one is exceeded."""
    return int(check and any(row.over for row in rows))
