"""Fuzz each harness for some minutes, guided by coverage: ``python -m tests.fuzz --minutes 10``.

An input that breaks a promise, takes longer than ten seconds or more memory than a gigabyte ends the run of
its harness, and is kept in ``build/fuzz``.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.catalog import HARNESSES
from tests.fuzz.engine import log_of, run


def fuzz(name, seconds):
    """Fuzz one harness, say how it went, and return whether nothing was found."""
    seen = run(name, seconds)
    verdict = f"an input breaks a promise, see {log_of(name)}" if seen["broken"] else "no bug"
    print(f"{name}: {seen['inputs']:,} inputs, {verdict}", flush=True)
    return not seen["broken"]


def main():
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="harness", help="default: all")
    arguments.add_argument("--minutes", type=float, default=10.0, help="for each harness")
    given = arguments.parse_args()
    names = given.names or HARNESSES
    if unknown := {*names} - {*HARNESSES}:
        arguments.error(f"no harness {', '.join(unknown)}: choose from {', '.join(HARNESSES)}")
    print(f"{len(names)} harnesses, {given.minutes:g} minutes each", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        well = list(workers.map(lambda name: fuzz(name, round(given.minutes * 60)), names))
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
