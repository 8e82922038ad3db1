"""The words of the project: sentences name the actor, and use the ordinary word."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("atlassian_auth", "benchmarks", "docs", "examples", "tests")

# Words that hide the actor, and idioms that a reader may not know. A user or a client may be named so.
VAGUE = re.compile(
    r"(?<![/`])\b(somebody|nobody|whoever|anybody|at hand|bad minute|was had)\b(?![\"'])",
    re.IGNORECASE,
)


def texts():
    """Return the paths of the code, the pages and the templates, without this file."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    kinds = {".html", ".md", ".py"}
    return [path for path in found if path.suffix in kinds and "_build" not in path.parts]


def test_sentences_name_the_actor():
    """No sentence leaves it to the reader which person, process or server acts."""
    found = {
        path.relative_to(ROOT).as_posix(): VAGUE.findall(path.read_text("utf-8"))
        for path in texts()
    }
    found.pop("tests/docs/test_prose.py")

    assert {path: words for path, words in found.items() if words} == {}
