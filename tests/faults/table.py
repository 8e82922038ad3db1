"""The page that tells what goes wrong and what happens then, written from what the tests see.

``python -m tests.faults.table`` plays all troubles and writes it again.
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.catalog import CHAPTERS
from tests.faults.play import play
from tests.faults.servers import RUNNING
from tests.faults.trouble import FLEET, LOADS, STORM

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

_PRODUCTS = {"cloud": "Cloud", "data_center": "Data Center"}
_HEAD = f"""# What can go wrong, and what happens then

The tests play each line of these tables, and this page is written from what they see. Each is played with
one caller, with a storm ({STORM.tasks} tasks of one process at once), and with a fleet ({FLEET.managers}
managers that share a store, {FLEET.tasks} tasks each). A cell says what the callers get, what `status()`
says meanwhile, how many requests reach the token endpoint, and what the next call brings when the trouble
is over.

This is not in the tables, because it holds for each line:

- As long as the access token lives, nobody notices: trouble with refreshing it is an event, and a line in the
  log.
- In a storm there is one exchange's worth of requests, and each caller gets an exception object of its own.
  In a fleet that cannot agree each manager makes its own exchange.
- After a failure nobody asks before the pause is over; then the next call does.
- No lock stays behind, and nothing is deleted. In the end the store and the server agree: a process that
  starts an hour later refreshes the credential.
- No refresh token is presented again outside Cloud's leeway of 10 minutes, but where its successor was lost
  or could not be saved, and there is no other way to learn what became of it.
- No message holds a secret.

When a trouble begins, the access token has just ended. Where Cloud and Data Center differ, each has a line.
"""


def rows():
    """Return each chapter's troubles, each with what was seen by load; None where it could not be."""
    return {
        chapter: [(trouble, _play(trouble)) for trouble in troubles]
        for chapter, troubles in CHAPTERS.items()
    }


def _play(trouble):
    products = [[play(trouble, product, load)[0] for load in LOADS] for product in trouble.products]
    assert all(product == products[0] for product in products), "a line for each product is needed"
    return None if None in products[0] else products[0]


def line(trouble, seen):
    """Return a trouble's line in its table."""
    [first, *others] = trouble.products
    name = trouble.name if others else f"{trouble.name} ({_PRODUCTS[first]})"
    cells = [
        "the same" if load and other == seen[0] else str(other) for load, other in enumerate(seen)
    ]
    return f"| {' | '.join([name, trouble.promise, *cells])} |"


def page(chapters):
    """Return the page as Markdown; everything must have been played."""
    parts = [_HEAD]
    for chapter, troubles in chapters.items():
        lines = [line(trouble, seen) for trouble, seen in troubles]
        head = "| what goes wrong | what is promised | one caller | a storm | a fleet |"
        parts.append("\n".join([f"\n## {chapter}\n", head, "|---|---|---|---|---|", *lines, ""]))
    return "".join(parts)


if __name__ == "__main__":
    with RUNNING:
        PAGE.write_text(page(rows()), encoding="utf-8")
