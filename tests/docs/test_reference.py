"""The reference shows every public name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
SHOWN = re.findall(r"automodule:: (\S+)", REFERENCE.read_text("utf-8"))
NAMED = re.findall(r"auto\w+:: (\S+)", REFERENCE.read_text("utf-8"))


@pytest.mark.parametrize(
    "name", ["atlassian_auth", "atlassian_auth.stores", "atlassian_auth.testing"]
)
def test_public_names_are_in_the_reference(name):
    """The page shows each name that users may import, or the module that defines it."""
    package = importlib.import_module(name)
    modules = [importlib.import_module(module) for module in SHOWN]
    defined = [
        shown for module in modules if not hasattr(module, "__path__") for shown in module.__all__
    ]

    missing = {
        public
        for public in package.__all__
        if not {public, f"{name}.{public}"} & {*NAMED, *defined}
    }

    assert missing == set()


def test_the_reference_shows_no_private_name():
    """Each name on the page is API: no part of its path begins with an underscore."""
    assert [name for name in NAMED if "._" in name] == []
