"""What mutation testing has found: the mutants of each module, and the survivors that are explained."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
from mutmut.stats import status_by_exit_code

MUTANTS = Path("mutants")
SURVIVORS = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed.

    Args:
        function: Its function, from the module on.
        became: The changed lines; what was left out, if nothing stands in its place.
    """

    function: str
    became: str


@dataclass(frozen=True)
class Module:
    """The mutants of one module.

    Those that ran out of time seem not to end. An explained survivor that did so was only slow.
    """

    name: str
    mutants: int
    out_of_time: int
    survivors: list[Survivor]


def explained():
    """Return the reviewed survivors, each with the reason why no test is missing."""
    entries = tomllib.loads(SURVIVORS.read_text("utf-8"))["survivor"]
    return {Survivor(e["function"], became): e["why"] for e in entries for became in e["became"]}


def modules(known):
    """Return the modules all of whose mutants were tried; some have none."""
    for file in sorted(MUTANTS.rglob("*.meta")):
        codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"]
        if None not in codes.values():
            left = [_survivor(name) for name, code in codes.items() if _is_alive(code)]
            slow = [_survivor(name) for name, code in codes.items() if _is_slow(code)]
            left += [survivor for survivor in slow if survivor in known]
            endless = len([survivor for survivor in slow if survivor not in known])
            name = str(file.relative_to(MUTANTS)).removesuffix(".meta")
            yield Module(name, len(codes), endless, left)


def forget_uncertain():
    """Let the next run try the survivors again, which a new test may kill, and those that ran out of time."""
    for file in MUTANTS.rglob("*.meta"):
        known = json.loads(file.read_text("utf-8"))
        codes = known["exit_code_by_key"]
        for name in codes:
            codes[name] = codes[name] if _is_killed(codes[name]) else None
        file.write_text(json.dumps(known), "utf-8")


def _is_killed(code):
    return status_by_exit_code[code] == "killed"


def _is_alive(code):
    return not _is_killed(code) and not _is_slow(code)


def _is_slow(code):
    return status_by_exit_code[code] == "timeout"


def _survivor(name):
    lines = get_diff_for_mutant(name, path=find_mutant(name).path).splitlines()[2:]
    became = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    left_out = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    function = name.removeprefix("atlassian_auth.").rpartition("__mutmut_")[0]
    plain = function.replace(".xǁ", ".").replace("ǁ", ".").replace(".x_", ".")
    return Survivor(plain, became or f"without {left_out}")
