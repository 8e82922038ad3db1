"""Pages for readers who come from a search engine: each block can be copied, and assumptions are named."""

from __future__ import annotations

import builtins
import dataclasses
import re
import symtable
from pathlib import Path

import pytest

from atlassian_auth.testing import Rules

DOCS = Path(__file__).parents[2] / "docs"
ALONE = ("capacity", "deployment", "faq", "runbook")
HIDDEN = re.compile(r"<!---.*?--->", re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ALONE
    for number, block in enumerate(
        re.findall(
            r"^```python\n(.*?)^```",
            HIDDEN.sub("", (DOCS / f"{page}.md").read_text("utf-8")),
            re.DOTALL | re.MULTILINE,
        )
    )
]


def unknown(table, known):
    """Return the names that a block uses and neither defines nor imports."""
    symbols = table.get_symbols()
    own = {one.get_name() for one in symbols if one.is_local() or one.is_parameter()}
    used = {one.get_name() for one in symbols if one.is_referenced()}
    defined = known | own
    return (used - defined).union(*(unknown(child, defined) for child in table.get_children()))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_stands_alone(block):
    """A block needs no name that is not in it: no earlier block, and nothing that readers do not see."""
    table = symtable.symtable(block, "block", "exec")

    assert unknown(table, set(dir(builtins))) == set()


@pytest.mark.parametrize(
    "figure", ["805 B", "937 B", "1.02 ×", "1.03", "1,384", "899", "478", "342"]
)
def test_figures_are_those_of_the_benchmarks(figure):
    """The page about capacity quotes what was measured last, in every figure."""
    number = figure.split()[0]

    assert figure in (DOCS / "benchmarks.md").read_text("utf-8")
    assert number in (DOCS / "capacity.md").read_text("utf-8")


def test_each_rule_of_the_emulator_has_a_source():
    """The page about what was never tried names each limit of the emulated servers."""
    page = (DOCS / "untried.md").read_text("utf-8")

    assert [field.name for field in dataclasses.fields(Rules) if f"`{field.name}" not in page] == []
