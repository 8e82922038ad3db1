"""The eight boxes of the package, and the picture of them, drawn from what the modules really import.

``python docs/architecture.py`` draws it again. The tests hold the order and compare the picture.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import atlassian_auth
from docs.drawing import LINE, WIDTH, box, folded, line, lines, picture, text

PACKAGE = Path(atlassian_auth.__path__[0])
PICTURE = Path(__file__).with_name("architecture.svg")


@dataclass(frozen=True)
class Box:
    """One box of the picture, and the rooms in it: modules and folders directly below the package.

    Args:
        title: Its name.
        purpose: What the rooms are for.
        rooms: What is in it.
        row: Its row, counted from the bottom.
        side: Where it is in its row: -1 is the left half, 1 the right half.
    """

    title: str
    purpose: str
    rooms: tuple[str, ...]
    row: int
    side: int = 0


# From the bottom to the top: a box imports only from the boxes before it.
BOXES = (
    Box(
        "Vocabulary",
        "errors, settings, events, states, hosts",
        ("exceptions", "settings", "events", "status", "endpoints", "scopes"),
        0,
    ),
    Box("Protocol", "what the wire says; pure functions", ("protocol",), 1),
    Box("Grants", "how a token is obtained", ("grants",), 2, 1),
    Box("Where work runs", "clock, runner, threads", ("ports",), 2, -1),
    Box("Stores", "what is kept, and where", ("stores",), 3, -1),
    Box(
        "The token path",
        "cache, single flight, HTTP, refresh, save",
        ("_tokens", "manager"),
        4,
    ),
    Box(
        "What you import",
        "auth, login flows, sites, migration",
        ("auth", "httpx2", "requests", "api_tokens", "flows", "migration", "sites", "telemetry"),
        5,
    ),
    Box(
        "Products",
        "emulator, command line, demo, XSOAR names",
        ("client", "connections", "web", "testing", "_cli", "__main__"),
        6,
    ),
)
ROOF = len(BOXES)  # the package's own ``__init__``, which shows what is inside

# The manager's door to httpx: ``TokenManager.auth(key)`` imports it when it is called.
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


def room(name: str) -> str:
    """Return the module or folder directly below the package that a module belongs to."""
    return name.split(".")[1] if "." in name else ""


def floor(name: str) -> int | None:
    """Return the number of the box that a module is in, or None if it is in none."""
    if not room(name):
        return ROOF
    return next((number for number, box in enumerate(BOXES) if room(name) in box.rooms), None)


def rooms() -> dict[str, set[str]]:
    """Return the rooms, each with the rooms that it imports from."""
    found: dict[str, set[str]] = {room(name): set() for name in SOURCES if room(name)}
    for name in filter(room, SOURCES):
        found[room(name)] |= {room(target) for target in dependencies(name)}
    return {name: targets - {name, ""} for name, targets in found.items()}


HEIGHT, UP, MARGIN = 80, 106, 12


def _edges() -> dict[int, set[int]]:
    edges: dict[int, set[int]] = {number: set() for number in range(ROOF)}
    for name in filter(room, SOURCES):
        here = floor(name) or 0
        edges[here] |= {floor(target) or 0 for target in dependencies(name)} - {here, ROOF}
    return edges


def _reachable(start: int, edges: dict[int, set[int]]) -> set[int]:
    return set().union(*({step} | _reachable(step, edges) for step in edges[start]))


def _direct(edges: dict[int, set[int]]) -> Iterator[tuple[Box, Box]]:
    """Yield the imports that no chain of others implies: few enough to be drawn and read."""
    for start, targets in edges.items():
        implied = set().union(*(_reachable(step, edges) for step in targets))
        yield from ((BOXES[start], BOXES[target]) for target in sorted(targets - implied))


def _top(row: int) -> int:
    return MARGIN + (max(each.row for each in BOXES) - row) * UP


def _middle(each: Box) -> float:
    return WIDTH / 2 + each.side * (WIDTH / 4 - 2)


def _drawn(each: Box) -> Iterator[str]:
    width = (WIDTH / 2 if each.side else WIDTH - 60) - 2 * MARGIN
    middle, top = _middle(each), _top(each.row)
    purpose = folded(each.purpose, width)
    names = folded(", ".join(name for name in each.rooms if name != "__main__"), width)
    first = top + (HEIGHT - LINE * len(purpose + names)) / 2 + 4
    yield box(middle - width / 2, top, width, HEIGHT)
    yield text(middle, first, each.title, "title")
    yield from lines(middle, first + LINE + 1, purpose)
    yield from lines(middle, first + LINE * len(purpose) + LINE + 2, names, "small")


def draw() -> str:
    """Return the picture as SVG."""
    arrows = [
        line(
            _middle(start),
            _top(start.row) + HEIGHT,
            _middle(target),
            _top(target.row),
            "line arrow",
        )
        for start, target in _direct(_edges())
    ]
    boxes = [part for each in BOXES for part in _drawn(each)]
    return picture(_top(0) + HEIGHT + MARGIN, [*arrows, *boxes])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
