"""The public API changes on purpose only: its names and signatures stand in a file.

``python -m tests.docs.test_api`` writes the file anew.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from pathlib import Path

from docs.architecture import SOURCES
from tests.docs.test_reference import public_modules

FILE = Path(__file__).with_name("api.txt")


def signature(thing):
    """Return the parameters; memory addresses and the paths of annotations are left out."""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""
    return re.sub(r" at 0x[0-9a-f]+|(?<== \{)[^}]+(?=\})", "", text)


def own(thing):
    """Return what a class has, and what it has from bases that are no API themselves."""
    hidden = [base for base in thing.__bases__ if "._" in base.__module__]
    return {name: value for base in (*hidden, thing) for name, value in vars(base).items()}


def members(thing):
    """Return the lines of what a class has in public."""
    for name, field in getattr(thing, "model_fields", {}).items():  # of pydantic
        yield f"    {name} = {field.get_default()!r}"
    for name, value in sorted(own(thing).items()):
        function = getattr(value, "__func__", value)
        if name.startswith("_") and name != "__init__":
            continue
        if inspect.isfunction(function):
            yield f"    {name}{signature(function)}"
        elif isinstance(value, property | enum.Enum) or type(value).__name__ == "member_descriptor":
            yield f"    {name}"


def described(name, thing):
    """Return the lines of one public name."""
    if inspect.isclass(thing):
        yield f"class {name}({', '.join(base.__name__ for base in thing.__bases__)})"
        yield from members(thing)
    elif inspect.isfunction(thing):
        yield f"{name}{signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def api():
    """Return the public API as text."""
    lines = []
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        lines.append(f"\n# {module_name}")
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", module_name)
            if home in SOURCES and home != module_name and "._" not in home:
                lines.append(f"{name} is {home}.{thing.__qualname__}")
            else:
                lines += described(name, thing)
    return "\n".join(lines).lstrip() + "\n"


def test_the_api_is_the_one_in_the_file():
    """A change of a public name or signature needs a change of the file, and so is made on purpose."""
    assert api() == FILE.read_text("utf-8"), "on purpose? python -m tests.docs.test_api"


if __name__ == "__main__":
    FILE.write_text(api(), encoding="utf-8")
