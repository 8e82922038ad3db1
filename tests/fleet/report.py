"""What was measured, as tables for the documentation."""

from __future__ import annotations

import statistics

from tests.fleet.campaign import ANYWHERE, AT_POINTS

_FLEETS = ("store", "processes × tasks × expiries", "requests", "failed", "refreshes", "seconds")
_TOLLS = ("store", "product", "kills", "in the window", "consents lost", "window", "next refresh")


def report(passages, tolls):
    """Return all tables.

    Args:
        passages: The name of the store, the numbers of the fleet, and what came of it.
        tolls: What campaigns saw, by store and product.
    """
    tables = []
    if passages:
        tables.append(_table(_FLEETS, map(_fleet_row, passages)))
    if tolls:
        tables.append(_table(_TOLLS, map(_toll_row, tolls.items())))
    for product in dict.fromkeys(product for _, product in tolls):
        mine = {store: toll for (store, its), toll in tolls.items() if its == product}
        tables.append(_deaths(product, mine))
    return "\n\n".join(tables)


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _fleet_row(row):
    store, numbers, passage = row
    asked, refreshes = sum(passage.answers.values()), len(passage.presented)
    seconds = f"{passage.seconds:.0f}"
    return [store, " × ".join(map(str, numbers)), asked, passage.failed, refreshes, seconds]


def _toll_row(item):
    (store, product), toll = item
    behind = sum(death.behind for death in toll.deaths)
    lost = sum(bool(death.lost) for death in toll.deaths)
    spreads = [_spread(toll.windows), _spread(toll.successions)]
    return [store, product, len(toll.deaths), behind, lost, *spreads]


def _spread(seconds):
    half, most = statistics.median(seconds), statistics.quantiles(seconds, n=100)[-1]
    return f"{1000 * half:.1f} ms, {1000 * most:.1f} ms"


def _deaths(product, tolls):
    """Return the kills by place: how many, and how many of them in the window."""
    rows = [
        [_place(*kind), *(_count(toll, kind) for toll in tolls.values())]
        for kind in (*AT_POINTS, *ANYWHERE)
    ]
    return _table([f"killed ({product})", *tolls], rows)


def _place(how, where):
    return where if how == "point" else f"anywhere in the {where}, by {how}"


def _count(toll, kind):
    deaths = [death for death in toll.deaths if death.kind == kind]
    return f"{len(deaths)} / {sum(death.behind for death in deaths)}"
