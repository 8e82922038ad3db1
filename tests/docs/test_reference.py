"""The reference shows every public name, each once, as users import it."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

from docs.architecture import SOURCES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "reference.md", *sorted((DOCS / "reference").glob("*.md"))]
DIRECTIVES = [
    directive
    for page in PAGES
    for directive in re.findall(
        r"^\.\. (?:auto|py:)(\w+):: (\S+)", page.read_text("utf-8"), re.MULTILINE
    )
]
MODULES = [name for kind, name in DIRECTIVES if kind == "module"]
NAMES = [name for kind, name in DIRECTIVES if kind != "module"]


def public_modules():
    """Return the modules without an underscore anywhere in their path: what they name is API."""
    return sorted(name for name in SOURCES if not re.search(r"(^|\.)_", name))


def imported_names():
    """Return each public name once: with the shortest path to import it by."""
    shortest = {}
    for path in sorted(public_modules(), key=lambda name: name.count(".")):
        module = importlib.import_module(path)
        for name in module.__all__:
            shortest.setdefault((name, id(getattr(module, name))), f"{path}.{name}")
    return sorted(shortest.values())


def test_each_public_name_is_shown_once():
    """Each name is on one page, under the path that users import it by; private names are on none."""
    assert Counter(NAMES) == Counter(set(imported_names()) - set(public_modules()))


def test_modules_of_public_names_are_shown():
    """Each module that users import a name from is shown, once, with what it is for; no private one is."""
    homes = {name.rpartition(".")[0] for name in NAMES}

    assert homes <= {*MODULES} <= {*public_modules()}
    assert len(MODULES) == len({*MODULES})


def test_each_page_is_listed():
    """The overview names each page."""
    overview = PAGES[0].read_text("utf-8")

    assert [page.stem for page in PAGES[1:] if f"(reference/{page.name})" not in overview] == []
