"""Fuzzes a harness with Atheris, in a process of its own, and reads what came of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.catalog import CORPUS

BUILD = Path("build/fuzz")
LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=1")

# Only what is imported under `instrument_imports` guides the fuzzer.
HARNESS = """
import sys, atheris
name, *arguments = sys.argv[1:]
with atheris.instrument_imports(include=["atlassian_auth"]):
    from tests.fuzz.catalog import load
    fuzz = load(name)
atheris.Setup(["fuzz", *arguments], fuzz)
atheris.Fuzz()
"""

_STATISTIC = re.compile(r"^stat::(\w+): +(\d+)$", re.MULTILINE)
_FEATURES = re.compile(r"ft: (\d+)")
_SECONDS = re.compile(r"-max_total_time=(\d+)")


def run(name, seconds):
    """Fuzz a harness for so long, beginning with its corpus and what earlier runs found worth keeping."""
    kept = BUILD / name
    kept.mkdir(parents=True, exist_ok=True)
    options = (*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={kept}/broken-")
    command = [sys.executable, "-c", HARNESS, name, *options, str(kept), str(CORPUS / name)]
    with log_of(name).open("w") as log:
        print(*options, file=log, flush=True)
        subprocess.run(command, stdout=log, stderr=log, check=False)
    return results(name)


def results(name):
    """Return what the last run of a harness has counted."""
    said = log_of(name).read_text(errors="replace")
    counted = {key: int(value) for key, value in _STATISTIC.findall(said)}
    return {
        "seconds": int(_SECONDS.search(said)[1]),
        "inputs": counted.get("number_of_executed_units", 0),
        "features": max(map(int, _FEATURES.findall(said)), default=0),
        "slowest": counted.get("slowest_unit_time_sec", 0),
        "memory": counted.get("peak_rss_mb", 0),
        "broken": "ERROR: libFuzzer" in said or not counted,
    }


def log_of(name):
    return BUILD / f"{name}.log"
