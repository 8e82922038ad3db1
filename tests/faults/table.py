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

The tests run each fault, and this page is generated from the results. Each entry has what goes wrong, what
is promised, and what was seen: with one caller, with a storm ({STORM.tasks} tasks of one process at once),
and with a fleet ({FLEET.managers} managers that share a store, {FLEET.tasks} tasks each). A result has what
the callers get, the state in `status()`, the number of requests at the token endpoint, and how the next call
ends after the fault.

The following is true for each entry:

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
    assert all(product == products[0] for product in products), "a line for each product is needed"
    return None if None in products[0] else products[0]


def title(trouble):
    """Return a trouble's name, with its product if the other one differs."""
    [first, *others] = trouble.products
    return trouble.name if others else f"{trouble.name} ({_PRODUCTS[first]})"


def entry(trouble, seen):
    """Return a trouble's entry in its list."""
    one, *others = [str(result) for result in seen]
    storm, fleet = ("the same" if other == one else other for other in others)
    results = f"One caller: {one}. A storm: {storm}. A fleet: {fleet}."
    return f"{title(trouble)}\n: {trouble.promise}\n: {results}"


def page(chapters):
    """Return the page as Markdown; everything must have been played."""
    parts = [_HEAD]
    for chapter, troubles in chapters.items():
        parts += [f"## {chapter}\n", *(f"{entry(*trouble)}\n" for trouble in troubles)]
    return "\n".join(parts)


if __name__ == "__main__":
    with RUNNING:
        PAGE.write_text(page(rows()), encoding="utf-8")
