"""The page of what ``--json`` prints, and its JSON Schema, made from the documents of the command line.

``python docs/json_page.py`` writes both anew. A test compares them.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from atlassian_auth._cli.documents import DOCUMENTS

PAGE = Path(__file__).with_name("json.md")
SCHEMA = PAGE.with_name("command-line.schema.json")

HEAD = """\
# JSON of the command line

With `--json` a command prints one JSON document to standard output. Members are not renamed or removed, and
keep their types; new ones may be added. All other text goes to standard error. If a command fails, its
[exit status](command-line.md#exit-status) says why, and there may be no document. Times are ISO 8601 with a
time zone. `completion` and `git-credential` have no `--json`, because another program determines what they
print.

[command-line.schema.json](command-line.schema.json) has the same as [JSON Schema](https://json-schema.org),
for programs: a command's document is below `$defs` by the name of the command, such as `#/$defs/status`.
"""

TYPES = {str: "text", int: "number", bool: "true or false", type(None): "null", Any: "any JSON"}


_PLAIN = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_COMPOSED: dict[Any, Callable[[Any], dict[str, Any]]] = {
    types.UnionType: lambda inner: {"anyOf": [schema_of(one) for one in inner]},
    Literal: lambda inner: {"enum": [*inner]},
    list: lambda inner: {"type": "array", "items": schema_of(inner[0])},
    dict: lambda inner: {"type": "object", "additionalProperties": schema_of(inner[1])},
    Annotated: lambda inner: {"description": inner[1], **schema_of(inner[0])},
}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a member or a document; members that it does not name are allowed."""
    if compose := _COMPOSED.get(get_origin(hint)):
        return compose(get_args(hint))
    if is_typeddict(hint):
        members = get_type_hints(hint, include_extras=True)
        properties = {name: schema_of(member) for name, member in members.items()}
        return {"type": "object", "properties": properties, "required": [*members]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return {} if hint is Any else {"type": _PLAIN[hint]}


def schema() -> str:
    """Return the schema of all documents."""
    documents = {
        command: {"description": (get_args(shape) or [shape])[0].__doc__, **schema_of(shape)}
        for command, shape in DOCUMENTS.items()
    }
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": documents}
    return f"{json.dumps(whole, indent=2)}\n"


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
    SCHEMA.write_text(schema(), encoding="utf-8")
