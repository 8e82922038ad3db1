"""The command ``python -m benchmarks.simulation``: a million credentials that began within one minute.

With the library's defaults, and without the spread of its refreshes. ``--picture`` draws the load of the
token endpoint as ``docs/herd.svg``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean

from atlassian_auth import Settings
from benchmarks.chart import Line, drawn
from benchmarks.herd import Herd, Load, Scenario
from benchmarks.machine import described
from benchmarks.row import Row, exit_status
from benchmarks.table import show

PICTURE = Path(__file__).parents[1] / "docs" / "herd.svg"
PEAK_BUDGET = 1.5

_PARTS = 50


def main() -> int:
    options = _parser().parse_args()
    scenario = Scenario(credentials=10_000 if options.quick else 1_000_000)
    unspread = replace(scenario, settings=Settings(refresh_spread_seconds=0))
    with ProcessPoolExecutor() as pool:
        load, bare = follow(pool, scenario), follow(pool, unspread)
    rows = [*_rows(scenario, load), _peak("without spread", bare)]
    show(rows, caption=described())
    if options.picture:
        lines = [_line("without the spread", "red", bare), _line("with the spread", "blue", load)]
        PICTURE.write_text(drawn(lines), encoding="utf-8")
    return exit_status(rows, check=options.check)


def follow(pool: ProcessPoolExecutor, scenario: Scenario) -> Load:
    """Return what a scenario does to the token endpoint; it is followed in parts, on all cores."""
    total = Load(scenario.hours * 60)
    for load in pool.map(_part, [scenario] * _PARTS, range(_PARTS)):
        total.add(load)
    return total


def _part(scenario: Scenario, part: int) -> Load:
    numbers = range(part, scenario.credentials, _PARTS)
    return Herd(scenario, seed=part).follow(f"tenant-{number:07}" for number in numbers)


def _rows(scenario: Scenario, load: Load) -> Iterator[Row]:
    size = f"{scenario.credentials:,} credentials, {scenario.workers} workers"
    hourly = sum(load.requests[-60:]) / scenario.credentials
    yield Row(
        what=f"{size}: refresh tokens presented twice", values=(load.reused,), unit="", budget=0
    )
    yield Row(what="requests that waited", values=(sum(load.waits),), unit="", budget=0)
    yield Row(what="token requests of a credential in the last hour", values=(hourly,))
    yield Row(
        what="hours until the budget of the next line is kept", values=(_calm(load),), unit="h"
    )
    yield _peak("with the defaults", load, budget=PEAK_BUDGET)


def _peak(name: str, load: Load, *, budget: float | None = None) -> Row:
    what = f"busiest / mean minute of the last hour, {name}"
    return Row(what=what, values=(_peaks(load)[-1],), budget=budget)


def _peaks(load: Load) -> list[float]:
    """Return busiest / mean minute of each hour."""
    hours = [load.requests[start : start + 60] for start in range(0, len(load.requests), 60)]
    return [max(hour) / mean(hour) for hour in hours]


def _calm(load: Load) -> int:
    return max((hour for hour, peak in enumerate(_peaks(load), 1) if peak > PEAK_BUDGET), default=0)


def _line(name: str, color: str, load: Load) -> Line:
    usual = mean(load.requests)
    return Line(name, color, [count / usual for count in load.requests])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten thousand credentials: seconds")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is exceeded")
    parser.add_argument("--picture", action="store_true", help=f"draw docs/{PICTURE.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
