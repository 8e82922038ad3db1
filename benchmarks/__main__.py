"""The command: measures everything, prints one table, and with ``--check`` fails if it is over budget."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks import (
    failing_storm,
    import_time,
    many,
    peers,
    processes,
    refresh,
    stores,
    storm,
    valid_token,
)
from benchmarks.machine import described
from benchmarks.row import Row, exit_status
from benchmarks.table import show

BENCHMARKS = (
    valid_token,
    peers,
    storm,
    failing_storm,
    refresh,
    import_time,
    many,
    processes,
    stores,
)


def main() -> int:
    options = _parser().parse_args()
    rows = list(_measure_all(quick=options.quick))
    show(rows, caption=described())
    return exit_status(rows, check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, numbers of no worth")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a budget is exceeded")
    return parser


def _measure_all(*, quick: bool) -> Iterator[Row]:
    for benchmark in BENCHMARKS:
        name = benchmark.__name__.rpartition(".")[2]
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        yield from benchmark.measure(quick=quick)


if __name__ == "__main__":
    sys.exit(main())
