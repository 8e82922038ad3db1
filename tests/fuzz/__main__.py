"""Fuzz each harness for some minutes, guided by coverage: ``python -m tests.fuzz --minutes 10``.

Each harness runs in a process of its own. An input that breaks a promise, takes longer than ten seconds or
more memory than a gigabyte ends it, and is written to ``build/fuzz``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.catalog import CORPUS, HARNESSES

BUILD = Path("build/fuzz")
LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=1")
STATISTIC = re.compile(r"^stat::(\w+): +(\d+)$", re.MULTILINE)
FEATURES = re.compile(r"ft: (\d+)")

# In the process of a harness: only what is imported under `instrument_imports` guides the fuzzer.
HARNESS = """
import sys, atheris
name, *arguments = sys.argv[1:]
with atheris.instrument_imports(include=["atlassian_auth"]):
    from tests.fuzz.catalog import load
    fuzz = load(name)
atheris.Setup(["fuzz", *arguments], fuzz)
atheris.Fuzz()
"""


def run(name, seconds):
    """Fuzz one harness; return whether it ended well, and a line that says how it went."""
    found = BUILD / name
    found.mkdir(parents=True, exist_ok=True)
    options = (*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={found}/broken-")
    command = [sys.executable, "-c", HARNESS, name, *options, str(found), str(CORPUS / name)]
    log = BUILD / f"{name}.log"
    with log.open("w") as output:
        ended = subprocess.run(command, stdout=output, stderr=output, check=False)
    said = log.read_text(errors="replace")
    counted = {key: int(value) for key, value in STATISTIC.findall(said)}
    features = max(map(int, FEATURES.findall(said)), default=0)
    verdict = "no bug" if not ended.returncode else f"A BUG: see {log}"
    row = (
        f"{counted.get('number_of_executed_units', 0):,}",
        f"{features:,}",
        f"{counted.get('slowest_unit_time_sec', 0)} s",
        f"{counted.get('peak_rss_mb', 0)} MiB",
        verdict,
    )
    print(f"{name}:", *row, flush=True)
    return (name.replace("_", " "), *row)


def main():
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("names", nargs="*", help="default: all", metavar="harness")
    arguments.add_argument("--minutes", type=float, default=10.0, help="for each harness")
    given = arguments.parse_args()
    seconds = round(given.minutes * 60)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        rows = list(workers.map(lambda name: run(name, seconds), given.names or HARNESSES))
    return 0 if all(row[-1] == "no bug" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
