"""What ``docs/comparison.md`` says of a run: the table, the versions, what was seen, what the trials are."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.trials.sheet import Score
from benchmarks.trials.trials import TRIALS, Trial

__all__ = ["PAGE", "described", "replaced", "results"]

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"

_CELLS = {"passed": "passed", "failed": "**failed**", "not offered": "not offered"}


def results(scores: Sequence[Score], *, rounds: int) -> str:
    """Return the results as Markdown."""
    times = "once" if rounds == 1 else f"{rounds} times"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    head = f"Run on {datetime.now(UTC):%Y-%m-%d} with {python} on {platform.system()}, each trial {times}."
    return "\n".join(
        [head, "", *_table(scores), "", *_versions(scores), "", *_seen(scores)]
    ).rstrip()


def described() -> str:
    """Return what the trials are, as Markdown."""
    return "\n\n".join(f"### {trial.title}\n\n{trial.text}\n\n{_source(trial)}" for trial in TRIALS)


def replaced(page: str, part: str, text: str) -> str:
    """Return the page with another text in one of its parts, which stand between comments."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page, count=1)


def _table(scores: Sequence[Score]) -> Iterator[str]:
    yield _row("trial", *(score.name for score in scores))
    yield "|---" * (len(scores) + 1) + "|"
    for trial in TRIALS:
        cells = (_CELLS[score.results[trial.name].verdict] for score in scores)
        yield _row(f"[{trial.title}](#{_anchor(trial)})", *cells)
    yield _row("**passed**", *map(_passed, scores))


def _passed(score: Score) -> str:
    verdicts = [score.results[trial.name].verdict for trial in TRIALS]
    return f"{verdicts.count('passed')} of {len(TRIALS)}"


def _versions(scores: Sequence[Score]) -> Iterator[str]:
    yield from ("| library | versions | used as shown in |", "|---|---|---|")
    for score in scores:
        versions = ", ".join(f"{package} {version}" for package, version in score.versions.items())
        yield _row(score.name, versions, f"[its manual]({score.manual})")


def _seen(scores: Sequence[Score]) -> Iterator[str]:
    titles = {trial.name: trial.title for trial in TRIALS}
    for score in scores:
        lines = [f"- {titles[name]}: {r.seen}." for name, r in score.results.items() if r.seen]
        if lines:
            yield from (f"**{score.name}**, where it did not pass:", "", *lines, "")


def _source(trial: Trial) -> str:
    repository, number = trial.source.split("#")
    return f"The bug is described in [{trial.source}](https://github.com/{repository}/issues/{number})."


def _anchor(trial: Trial) -> str:
    # As MyST makes them of headings.
    return re.sub(r"[^\w -]", "", trial.title.lower()).replace(" ", "-")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
