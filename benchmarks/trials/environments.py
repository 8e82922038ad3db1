"""An environment for each library, with its newest release: some of them cannot be installed together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trials.bench import Effort
from benchmarks.trials.sheet import Score

__all__ = ["CONTESTANTS", "Contestant", "run_trials"]

_CHECKOUT = Path(__file__).parents[2]
_UV = (sys.executable, "-m", "uv", "-q")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A library to be tried.

    Args:
        module: Puts it to work.
        packages: What to install for it.
    """

    module: str
    packages: tuple[str, ...] = ()


CONTESTANTS = (
    Contestant("ours"),
    Contestant("authlib", ("authlib", "httpx2")),
    Contestant("authlib", ("authlib",)),  # httpx is there: this library needs it
    Contestant("httpx_auth", ("httpx-auth",)),
    Contestant("requests_oauthlib", ("requests-oauthlib",)),
    Contestant("mcp", ("mcp",)),
)


def run_trials(contestant: Contestant, effort: Effort) -> Score:
    """Install a library, put it through the trials, and return its score."""
    module = f"benchmarks.trials.libraries.{contestant.module}"
    options = ("--json", f"--rounds={effort.rounds}", f"--crowd={effort.crowd}")
    with TemporaryDirectory() as folder:
        python = str(Path(folder, "bin", "python"))
        _run(*_UV, "venv", "--python", sys.executable, folder)
        _run(*_UV, "pip", "install", "--python", python, "-e", ".[testing]", *contestant.packages)
        document = _run(python, "-m", "benchmarks.trials", *options, module)
    return Score.read(json.loads(document))


def _run(*command: str) -> bytes:
    return subprocess.run(command, cwd=_CHECKOUT, check=True, stdout=subprocess.PIPE).stdout
