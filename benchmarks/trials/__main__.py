"""The command: puts clients through the trials and prints the score sheet.

Without modules every library is tried, each in an environment of its own, and ``docs/comparison.md``
gets the results.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from benchmarks.trials import page
from benchmarks.trials.bench import Effort
from benchmarks.trials.environments import CONTESTANTS, run_trials
from benchmarks.trials.sheet import Score, score


def main() -> None:
    options = _parser().parse_args()
    effort = Effort(crowd=options.crowd, rounds=options.rounds)
    scores = [score(module, effort) for module in options.module] or _all(effort)
    if options.json:
        print(*(json.dumps(asdict(score)) for score in scores), sep="\n")
        return
    results = page.results(scores, rounds=effort.rounds)
    print(results)
    if not options.module:
        written = page.PAGE.read_text("utf-8")
        written = page.replaced(written, "results", results)
        page.PAGE.write_text(page.replaced(written, "trials", page.described()), "utf-8")


def _parser() -> argparse.ArgumentParser:
    effort = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__)
    parser.add_argument("module", nargs="*", help="puts a client to work, see client.py")
    parser.add_argument(
        "--rounds", type=int, default=effort.rounds, help="times that a trial is run"
    )
    parser.add_argument(
        "--crowd", type=int, default=effort.crowd, help="requests at once in a storm"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document for each module"
    )
    return parser


def _all(effort: Effort) -> list[Score]:
    scores = []
    for contestant in CONTESTANTS:
        packages = ", ".join(contestant.packages) or "this library"
        print(f"trying {packages} …", file=sys.stderr, flush=True)
        scores.append(run_trials(contestant, effort))
    return scores


if __name__ == "__main__":
    main()
