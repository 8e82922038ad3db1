"""The floors of the house, and the picture of them, drawn from what the modules really import.

``python docs/architecture.py`` draws it again. The tests hold the floors and compare the picture.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType

import atlassian_auth

PACKAGE = Path(atlassian_auth.__path__[0])
PICTURE = Path(__file__).with_name("architecture.svg")

FLOORS = (
    ("arguments", "exceptions", "endpoints", "scopes", "traces"),
    ("protocol",),
    ("grants",),
    ("ports", "settings", "events", "forks", "latch", "steady_loop"),
    ("stores", "descent", "pending", "records"),
    (
        *("backoff", "cache", "enrolment", "flights", "keeper", "locks", "manager"),
        *("lookup", "origins", "outcome", "own_client", "refresher", "refusal", "renewal"),
        *(
            "event_stream",
            "lifetimes",
            "pasted",
            "sender",
            "service",
            "status",
            "transfer",
            "upkeep",
        ),
    ),
    ("auth", "credentials", "discovery", "flows", "sites", "static"),
    ("__main__", "cli", "client", "testing"),
)
ROOF = len(FLOORS)  # the package's own ``__init__``, which shows what is inside

# The manager's door to httpx: ``TokenManager.auth(key)`` imports it when it is opened.
DOOR = ("atlassian_auth.manager", "atlassian_auth.auth")


def _module_name(path: Path) -> str:
    parts = ("atlassian_auth", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


SOURCES = MappingProxyType(
    {_module_name(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
)


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the module each import statement reaches, as precisely as its text tells."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in SOURCES else str(node.module) for name in inside)


def dependencies(name: str) -> set[str]:
    """Return the modules of ours that one imports anywhere in its text, the door left out."""
    found = {target for target in imported(ast.walk(SOURCES[name])) if target in SOURCES}
    return {target for target in found if (name, target) != DOOR}


def wing(name: str) -> str:
    """Return the module or folder directly below the package that a module belongs to."""
    return name.split(".")[1] if "." in name else ""


def floor(name: str) -> int | None:
    """Return the number of a module's floor, or None if it has been given none."""
    if not wing(name):
        return ROOF
    return next((number for number, wings in enumerate(FLOORS) if wing(name) in wings), None)


ACROSS, UP, WIDTH, HEIGHT = 116, 78, 100, 34


def _edges() -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {wing(name): set() for name in SOURCES if wing(name)}
    for name in filter(wing, SOURCES):
        edges[wing(name)] |= {wing(target) for target in dependencies(name)} - {wing(name), ""}
    return edges


def _storey(name: str, edges: dict[str, set[str]]) -> tuple[int, int]:
    """Return the floor of a wing, and how many wings of the same floor it stands on."""
    number = floor(f"atlassian_auth.{name}") or 0
    below = [target for target in edges[name] if (floor(f"atlassian_auth.{target}") or 0) == number]
    return number, 1 + max((_storey(target, edges)[1] for target in below), default=-1)


def _places() -> dict[str, tuple[int, int]]:
    rows: dict[tuple[int, int], list[str]] = {}
    edges = _edges()
    for name in sorted(edges):
        rows.setdefault(_storey(name, edges), []).append(name)
    longest = max(len(row) for row in rows.values())
    return {
        name: (10 + (longest - len(row)) * ACROSS // 2 + column * ACROSS, 10 + line * UP)
        for line, (_, row) in enumerate(sorted(rows.items(), reverse=True))
        for column, name in enumerate(row)
    }


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    return set().union(*({step} | _reachable(step, edges) for step in edges[start]))


def _direct(edges: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield the imports that no chain of others implies: few enough to be drawn and read."""
    for start in sorted(edges):
        implied = set().union(*(_reachable(step, edges) for step in edges[start]))
        yield from ((start, target) for target in sorted(edges[start] - implied))


def draw() -> str:
    """Return the picture as SVG."""
    places = _places()
    lines, boxes = [], []
    for start, target in _direct(_edges()):
        (x1, y1), (x2, y2) = places[start], places[target]
        ends = f'x1="{x1 + WIDTH // 2}" y1="{y1 + HEIGHT}" x2="{x2 + WIDTH // 2}" y2="{y2}"'
        lines.append(f'<line {ends} stroke="#8a94a6" marker-end="url(#arrow)"/>')
    for name, (x, y) in places.items():
        frame = f'x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"'
        boxes.append(f'<rect {frame} fill="#eef3fb" stroke="#3b5b92"/>')
        boxes.append(f'<text x="{x + WIDTH // 2}" y="{y + 22}" text-anchor="middle">{name}</text>')
    width = max(x for x, _ in places.values()) + WIDTH + 10
    height = max(y for _, y in places.values()) + HEIGHT + 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13" fill="#1c2b45">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a94a6"/></marker></defs>'
    )
    return "\n".join([head, *lines, *boxes, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
