"""What was measured, as tables for the documentation."""

from __future__ import annotations

import statistics

from tests.fleet.campaign import ANYWHERE, AT_POINTS

_FLEETS = ("store", "processes × tasks × expiries", "requests", "failed", "refreshes", "seconds")
_CAMPAIGNS = (
    "store",
    "product",
    "kills",
    "in the window",
    "consents lost",
    "window",
    "next refresh",
)


def report(fleets, campaigns):
    """Return all tables.

    Args:
        fleets: The name of the store, the numbers of the fleet, and what came of it.
        campaigns: What campaigns saw, by store and product.
    """
    tables = []
    if fleets:
        tables.append(_table(_FLEETS, map(_fleet_row, fleets)))
    if campaigns:
        tables.append(_table(_CAMPAIGNS, map(_campaign_row, campaigns.items())))
    for product in dict.fromkeys(product for _, product in campaigns):
        mine = {store: result for (store, its), result in campaigns.items() if its == product}
        tables.append(_deaths(product, mine))
    return "\n\n".join(tables)


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _fleet_row(row):
    store, numbers, result = row
    asked, refreshes = sum(result.answers.values()), len(result.presented)
    seconds = f"{result.seconds:.0f}"
    return [store, " × ".join(map(str, numbers)), asked, result.failed, refreshes, seconds]


def _campaign_row(item):
    (store, product), result = item
    behind = sum(death.behind for death in result.deaths)
    lost = sum(bool(death.lost) for death in result.deaths)
    spreads = [_spread(result.windows), _spread(result.successions)]
    return [store, product, len(result.deaths), behind, lost, *spreads]


def _spread(seconds):
    half, most = statistics.median(seconds), statistics.quantiles(seconds, n=100)[-1]
    return f"{1000 * half:.1f} ms, {1000 * most:.1f} ms"


def _deaths(product, campaigns):
    """Return the kills by place: how many, and how many of them in the window."""
    rows = [
        [_place(*kind), *(_count(result, kind) for result in campaigns.values())]
        for kind in (*AT_POINTS, *ANYWHERE)
    ]
    return _table([f"killed ({product})", *campaigns], rows)


def _place(how, where):
    return where if how == "point" else f"anywhere in the {where}, by {how}"


def _count(result, kind):
    deaths = [death for death in result.deaths if death.kind == kind]
    return f"{len(deaths)} / {sum(death.behind for death in deaths)}"
