"""What the page about quality is made of is there: the explained survivors, and its parts."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path

from tests.fuzz.catalog import HARNESSES

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "quality.md").read_text("utf-8")
SURVIVORS = tomllib.loads((HERE / "survivors.toml").read_text("utf-8"))["survivor"]


def test_each_explanation_is_of_a_function():
    """A survivor is explained with a reason, and its function still exists."""
    for survivor in SURVIVORS:
        assert callable(pkgutil.resolve_name(f"atlassian_auth.{survivor['function']}"))
        assert survivor["became"]
        assert survivor["why"].endswith(".")


def test_the_page_has_a_part_for_each_run():
    """The command that writes the figures finds their places, and each harness is described."""
    for part in ("mutation", "fuzz", "soak"):
        assert f"<!-- {part} -->" in PAGE
        assert f"<!-- end of {part} -->" in PAGE
    assert [name for name in HARNESSES if f"*{name.replace('_', ' ')}*:" not in PAGE] == []
