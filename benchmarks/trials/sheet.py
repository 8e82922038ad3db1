"""The score sheet: which trial a library passed, and what was seen where it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal, Self

from benchmarks.trials.bench import Effort, Failed, prepared
from benchmarks.trials.client import Library
from benchmarks.trials.processes import Silent, Starter
from benchmarks.trials.trials import TRIALS, Trial

__all__ = ["Result", "Score", "judge", "score", "worst"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one trial.

    Args:
        verdict: In a word or two.
        seen: Why, where it was not passed.
    """

    verdict: Literal["passed", "failed", "not offered"]
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What came of all trials of one library.

    Args:
        name: The library's.
        manual: The page by which it was used.
        versions: Of the packages that were tried.
        results: By the name of the trial.
    """

    name: str
    manual: str
    versions: Mapping[str, str]
    results: Mapping[str, Result]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the score that `dataclasses.asdict` made a document of."""
        results = {name: Result(**result) for name, result in document["results"].items()}
        return cls(**{**document, "results": results})


def score(module: str, effort: Effort) -> Score:
    """Put a library through all trials.

    Args:
        module: The name of the module that puts it to work.
        effort: How much is asked of it.
    """
    library: Any = import_module(module)
    with Starter(module) as starter:
        results = {
            trial.name: worst(
                [judge(trial, library, starter, effort) for _ in range(effort.rounds)]
            )
            for trial in TRIALS
        }
    versions = {package: version(package) for package in library.PACKAGES}
    return Score(library.NAME, library.MANUAL, versions, results)


def judge(trial: Trial, library: Library, starter: Starter, effort: Effort) -> Result:
    """Put a library through one trial, once."""
    if reason := library.NOT_OFFERED.get(trial.name):
        return Result("not offered", reason)
    try:
        with prepared(starter, effort) as bench:
            trial.run(bench)
    except (Failed, Silent) as failure:
        return Result("failed", str(failure))
    return Result("passed")


def worst(results: list[Result]) -> Result:
    """Return what counts of several rounds: a trial is passed if it is passed each time."""
    return next((result for result in results if result.verdict != "passed"), results[0])
