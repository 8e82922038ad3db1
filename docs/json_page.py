"""The page of what ``--json`` prints, made from the documents of the command line.

``python docs/json_page.py`` writes it anew. A test compares it.
"""

from __future__ import annotations

import types
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from atlassian_auth._cli.documents import DOCUMENTS

PAGE = Path(__file__).with_name("json.md")

HEAD = """\
# JSON of the command line

With `--json` a command prints one JSON document to standard output. Members are not renamed or removed, and
keep their types; new ones may be added. All other text goes to standard error. If a command fails, its
[exit status](command-line.md#exit-status) says why, and there may be no document. Times are ISO 8601 with a
time zone. `completion` and `git-credential` have no `--json`, because another program determines what they
print.
"""

TYPES = {str: "text", int: "number", bool: "true or false", type(None): "null", Any: "any JSON"}


def name_of(hint: Any) -> str:
    """Return the type of a member in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return name_of(arguments[0])
    if origin is types.UnionType:
        return " or ".join(map(name_of, arguments))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is list:
        inner = "objects, see below" if is_typeddict(arguments[0]) else f"{name_of(arguments[0])}s"
        return f"list of {inner}"
    if origin is dict:
        return f"object with a {name_of(arguments[1])} for each name"
    is_enum = isinstance(hint, type) and issubclass(hint, Enum)
    return " or ".join(f"`{member.value}`" for member in hint) if is_enum else TYPES[hint]


def table_of(document: Any) -> list[str]:
    """Return the members of a document, as a table; then those of the documents in it."""
    hints = get_type_hints(document, include_extras=True)
    rows = [
        f"| `{name}` | {name_of(hint)} | {hint.__metadata__[0]} |" for name, hint in hints.items()
    ]
    lines = ["| member | type | meaning |", "|---|---|---|", *rows, ""]
    for name, hint in hints.items():
        inner = get_args(get_args(hint)[0])
        if inner and is_typeddict(inner[0]):
            lines += [f"Each of `{name}`: {_summary(inner[0])}", "", *table_of(inner[0])]
    return lines


def _summary(document: Any) -> str:
    text: str = document.__doc__
    return text[0].lower() + text[1:]


def page() -> str:
    """Return the page."""
    commands: dict[tuple[bool, Any], list[str]] = {}
    for command, shape in DOCUMENTS.items():
        is_list = get_origin(shape) is list
        document = get_args(shape)[0] if is_list else shape
        commands.setdefault((is_list, document), []).append(f"`{command}`")
    lines = [HEAD]
    for (is_list, document), names in commands.items():
        opening = "A list. Each element: " + _summary(document) if is_list else document.__doc__
        lines += [f"## {', '.join(names)}", "", opening, "", *table_of(document)]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
