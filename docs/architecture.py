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

PACKAGE = Path(atlassian_auth.__path__[0])
PICTURE = Path(__file__).with_name("architecture.svg")


@dataclass(frozen=True)
class Box:
    """One box of the picture, and the rooms in it: modules and folders directly below the package.

    Args:
        title: Its name.
        purpose: What the rooms are for.
        rooms: What is in it.
        left: Where its left edge is, in pixels.
        row: Its row, counted from the bottom.
    """

    title: str
    purpose: str
    rooms: tuple[str, ...]
    left: int
    row: int


# From the bottom to the top: a box imports only from the boxes before it.
BOXES = (
    Box(
        "Vocabulary",
        "errors, settings, events, states, hosts",
        ("exceptions", "settings", "events", "status", "_hosts", "endpoints", "scopes"),
        *(190, 0),
    ),
    Box(
        "Protocol and grants",
        "what the wire says; pure functions",
        ("protocol", "grants"),
        *(190, 1),
    ),
    Box("Where work runs", "clock, sender, runner, threads", ("ports", "_runtime"), 190, 2),
    Box("Stores", "what is kept, and where", ("stores",), 20, 3),
    Box("HTTP", "our own requests; allowed origins", ("_http",), 360, 3),
    Box(
        "The token path",
        "cache, single flight, refresh, save",
        ("_tokens", "manager"),
        *(190, 4),
    ),
    Box(
        "What you import",
        "auth, login flows, sites, migration",
        ("auth", "httpx2", "requests", "api_tokens", "flows", "migration", "sites", "telemetry"),
        *(190, 5),
    ),
    Box(
        "Products",
        "emulator, command line, demo, XSOAR names",
        ("client", "connections", "web", "testing", "_cli", "__main__"),
        *(190, 6),
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


WIDTH, HEIGHT, UP, MARGIN = 320, 84, 116, 12


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


def _top(box: Box) -> int:
    return MARGIN + (max(each.row for each in BOXES) - box.row) * UP


def _text(x: int, y: int, words: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle"{style}>{words}</text>'


def _drawn(box: Box) -> Iterator[str]:
    middle, top = box.left + WIDTH // 2, _top(box)
    frame = f'x="{box.left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="8"'
    yield f'<rect {frame} fill="#eef3fb" stroke="#3b5b92"/>'
    yield _text(middle, top + 24, box.title, ' font-weight="bold"')
    yield _text(middle, top + 46, box.purpose)
    names = [name for name in box.rooms if name != "__main__"]
    yield _text(middle, top + 68, " · ".join(names), ' font-size="11" fill="#44546a"')


def draw() -> str:
    """Return the picture as SVG."""
    width = max(box.left for box in BOXES) + WIDTH + 20
    height = max(_top(box) for box in BOXES) + HEIGHT + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="14" fill="#1c2b45">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#5a6880"/></marker></defs>'
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>'
    )
    lines = []
    for start, target in _direct(_edges()):
        x1, x2 = start.left + WIDTH // 2, target.left + WIDTH // 2
        ends = f'x1="{x1}" y1="{_top(start) + HEIGHT}" x2="{x2}" y2="{_top(target)}"'
        lines.append(f'<line {ends} stroke="#5a6880" marker-end="url(#arrow)"/>')
    boxes = [part for box in BOXES for part in _drawn(box)]
    return "\n".join([head, *lines, *boxes, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
