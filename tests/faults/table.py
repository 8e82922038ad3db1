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
_LOADS = ("one caller", "a storm", "a fleet")
_HEAD = f"""# What can go wrong, and what happens then

The tests bring about each fault, and this page is generated from the results. Each fault meets
one caller, a storm ({STORM.tasks} tasks of one process at once), and a fleet ({FLEET.managers}
managers that share a store, {FLEET.tasks} tasks each). A result has what the callers get, the state in
`status()`, the number of requests at the token endpoint, and the result of the next call after the fault
has ended.

The following is true for each fault:

- While the access token is valid, callers get it: an error of a refresh is an event, and a line in the log.
- A storm makes one exchange, and each caller gets its own exception object. In a fleet each
  manager makes its own exchange, because managers do not share temporary failures.
- After a failure no request is sent before the pause ends; then the next call sends one.
- No lock remains, and nothing is deleted. At the end the store and the server agree: a process that starts an
  hour later refreshes the credential.
- A refresh token is presented again outside Cloud's leeway of 10 minutes only if its successor was lost or
  could not be saved.
- No message holds a secret.

When a fault begins, the access token has just expired. If Cloud and Data Center differ, each has an entry.
"""


def rows():
    """Return each chapter's troubles, each with what was seen by load; None where it could not be."""
    return {
        chapter: [(trouble, _play(trouble)) for trouble in troubles]
        for chapter, troubles in CHAPTERS.items()
    }


def _play(trouble):
    products = [[play(trouble, product, load)[0] for load in LOADS] for product in trouble.products]
    assert all(product == products[0] for product in products), (
        "an entry for each product is needed"
    )
    return None if None in products[0] else products[0]


def term(trouble):
    """Return what a trouble is called on the page."""
    [first, *others] = trouble.products
    return trouble.name if others else f"{trouble.name} ({_PRODUCTS[first]})"


def entry(trouble, seen):
    """Return what the page says of a trouble; loads with the same result share a line."""
    loads = {}
    for load, result in zip(_LOADS, seen, strict=True):
        loads.setdefault(str(result), []).append(load)
    lines = [f"  - *{', '.join(names)}*: {result}" for result, names in loads.items()]
    return "\n".join([term(trouble), f": {trouble.promise}", "", *lines, ""])


def page(chapters):
    """Return the page as Markdown; everything must have been played."""
    parts = [_HEAD]
    for chapter, troubles in chapters.items():
        parts.append(f"\n## {chapter}\n")
        parts += [f"\n{entry(trouble, seen)}" for trouble, seen in troubles]
    return "".join(parts)


if __name__ == "__main__":
    with RUNNING:
        PAGE.write_text(page(rows()), encoding="utf-8")
