"""How long the import takes, beside the imports of what it stands on, in fresh interpreters.

``import pydantic`` alone loads next to nothing: the rest comes with the first model. So there are two
baselines, the packages' names and what their use costs.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.rounds import paired
from benchmarks.row import Row

# httpx imports its command line, and with it rich and pygments, where click is installed. Most services
# lack it; with it the ratios would look better than they are.
_PROGRAM = """
import sys
from time import process_time
sys.modules["click"] = None
start = process_time()
{}
print(process_time() - start)
"""

_NAMES = "import httpx, pydantic"
_USE = """
import httpx, pydantic
class Model(pydantic.BaseModel):
    member: int
"""


def measure(*, quick: bool) -> list[Row]:
    rounds = 1 if quick else 40
    return [
        Row(what="import / httpx, pydantic", values=_ratios(_NAMES, rounds), budget=1.25),
        Row(what="import / httpx, a pydantic model", values=_ratios(_USE, rounds)),
    ]


def _ratios(baseline: str, rounds: int) -> tuple[float, ...]:
    return paired(
        lambda: _seconds_of(baseline), lambda: _seconds_of("import atlassian_auth"), rounds=rounds
    )


def _seconds_of(imports: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(imports)]
    # Without bytecode files our modules would be compiled with each import, and the installed ones not.
    others = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, capture_output=True, check=True, env=others, text=True)
    return float(run.stdout)
