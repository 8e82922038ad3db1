"""``python -m tests.world`` plays all scenes, shows how far it is, and writes ``docs/world.md``."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.world.catalog import SCENES
from tests.world.play import Servers, play, runs_of
from tests.world.table import PAGE, page

_AT_ONCE = 100
_SEED = "world"


def main():
    console = Console()
    began = time.monotonic()
    wanted = runs_of(SCENES, _SEED)
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress, Servers() as servers:
        task = progress.add_task("", total=len(wanted))

        def told(run, seen):
            progress.update(task, advance=1, description=run.scene.chapter)
            for fault in (*seen.faults(run.scene), *(f"skipped: {why}" for why in seen.skipped)):
                progress.console.print(f"{run}: {fault}", markup=False, highlight=False)

        seen = play(servers, wanted, hurried=False, at_once=_AT_ONCE, told=told)
    PAGE.write_text(page(SCENES, seen, time.monotonic() - began), encoding="utf-8")
    faulty = [scene.conditions for scene in SCENES if seen[scene].faults(scene)]
    for conditions in faulty:
        console.print(f"More was seen than is allowed: {conditions}", markup=False)
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
