"""``python -m tests.quality`` writes the figures of the last runs into ``docs/quality.md``.

It ends with 1 if a mutant has survived that ``survivors.toml`` does not explain. A part of the page whose run
was not complete stays as it is.
"""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.trials.page import replaced
from tests.fuzz.catalog import HARNESSES
from tests.fuzz.engine import log_of, results
from tests.quality.mutation import MUTANTS, explained, modules
from tests.soak.test_soak import BUILD, PRODUCTS, STORES

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"


def mutation(tried, known):
    head = ("module", "mutants", "killed", "seem not to end")
    yield (*head, "survived, explained", "survived, not explained")
    total = [0] * 5
    for module in filter(lambda module: module.mutants, tried):
        left = [one for one in module.survivors if one not in known]
        killed = module.mutants - module.out_of_time - len(module.survivors)
        survived = (len(module.survivors) - len(left), len(left))
        counts = (module.mutants, killed, module.out_of_time, *survived)
        total = [one + other for one, other in zip(total, counts, strict=True)]
        yield (f"`{module.name}`", *counts)
    yield ("all", total[0], f"{total[1]} ({100 * total[1] / total[0]:.1f} %)", *total[2:])


def fuzz():
    yield ("harness", "minutes", "inputs", "features", "slowest input", "memory", "bugs")
    for name in HARNESSES:
        seen = results(name)
        counts = (f"{seen['seconds'] / 60:g}", f"{seen['inputs']:,}", f"{seen['features']:,}")
        limits = (f"{seen['slowest']} s", f"{seen['memory']} MiB")
        yield (name.replace("_", " "), *counts, *limits, "1" if seen["broken"] else "0")


def soak():
    held = ("objects", "threads", "descriptors", "records", "files", "kilobytes")
    yield ("store, product", "refreshes", "calls that failed", *held)
    for file in sorted(BUILD.glob("*.json")):
        seen = json.loads(file.read_text("utf-8"))
        grown = (f"{seen['first'][name]} → {seen['last'][name]}" for name in held)
        name = file.stem.replace("-", ", ").replace("_", " ")
        yield (name, f"{seen['refreshes']:,}", f"{seen['failed']:,}", *grown)


def table(rows):
    head, *body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *body])


def dated(command, files):
    """Return when a command has left its files, with which Python, above a table."""
    when = datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"From `{command}` on {when:%Y-%m-%d}, with {python} on {platform.system()}."


def main():
    known = explained()
    tried = list(modules(known))
    parts = {
        "mutation": (MUTANTS.rglob("*.meta"), len(tried), mutation(tried, known)),
        "fuzz": (map(log_of, HARNESSES), len(HARNESSES), fuzz()),
        "soak": (BUILD.glob("*.json"), len(STORES) * len(PRODUCTS), soak()),
    }
    page = PAGE.read_text("utf-8")
    for part, (files, wanted, rows) in parts.items():
        left = [file for file in files if file.exists()]
        if left and len(left) == wanted:
            page = replaced(page, part, f"{dated(f'nox -s {part}', left)}\n\n{table(rows)}")
    PAGE.write_text(page, "utf-8")
    unexplained = [one for module in tried for one in module.survivors if one not in known]
    for one in unexplained:
        print(f"survived: {one.function}: {one.became}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
