"""Pages for readers who come from a search engine: what they see is enough, and assumptions are named.

The unit is a section with a heading of the second level, and the sections below it: its visible blocks, one
after the other, need nothing that the reader does not see there.
"""

from __future__ import annotations

import ast
import builtins
import codeop
import dataclasses
import inspect
import re
import symtable
from pathlib import Path

import pytest

from atlassian_auth import scopes
from atlassian_auth.status import CredentialState, TokenStatus
from atlassian_auth.testing import Rules

DOCS = Path(__file__).parents[2] / "docs"
# These are read from top to bottom.
ELSEWHERE = {"index", "tutorial"}
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text("utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts and path.stem not in ELSEWHERE
}
FIGURES = {"benchmarks", "capacity", "comparison", "kills", "model", "quality", "world"}
HIDDEN = re.compile(r"<!---.*?-->", re.DOTALL)
PARTS = re.compile(
    r"^## (?P<title>[^\n]+)|^```(?P<kind>.*?)\n(?P<block>.*?)^```$", re.DOTALL | re.MULTILINE
)
KNOWN = {*dir(builtins), "__class__"}
PASTE = (
    "You can paste the examples into `python -m asyncio`. In a program, put them into an `async def`, "
    "and start it with `asyncio.run`."
)
AT_TOP_LEVEL = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def sections(page):
    """Return the visible blocks of Python by the title of the section that they are in."""
    found, title = {}, "the top"
    for part in PARTS.finditer(HIDDEN.sub("", PAGES[page])):
        title = part["title"] or title
        if part["kind"] == "python":
            found.setdefault(title, []).append(part["block"])
    return found


def hidden(page):
    """Return the hidden blocks of Python."""
    return re.findall(r"<!--- invisible-code-block: python\n(.*?)--->", PAGES[page], re.DOTALL)


SECTIONS = [
    pytest.param(blocks, id=f"{page}: {title}")
    for page in PAGES
    for title, blocks in sections(page).items()
]
WITH_CODE = [page for page in PAGES if sections(page)]


def table_of(source):
    """Return the names of a block."""
    return symtable.symtable(source, "block", "exec")


def unknown(table, known):
    """Return the names that a block uses and neither defines nor imports."""
    symbols = table.get_symbols()
    own = {one.get_name() for one in symbols if one.is_local() or one.is_parameter()}
    used = {one.get_name() for one in symbols if one.is_referenced()}
    defined = known | own
    return (used - defined).union(*(unknown(child, defined) for child in table.get_children()))


@pytest.mark.parametrize("blocks", SECTIONS)
def test_a_section_stands_alone(blocks):
    """A section needs no name that is not in it: no earlier section, and nothing that readers do not see."""
    assert unknown(table_of("\n".join(blocks)), KNOWN) == set()


@pytest.mark.parametrize("page", WITH_CODE)
def test_nothing_hidden_changes_what_readers_see(page):
    """Hidden blocks prepare the emulator and check results; they assign to no name that is visible."""
    shown = table_of("\n".join(block for blocks in sections(page).values() for block in blocks))
    secret = table_of("\n".join(hidden(page)))
    names = secret.get_symbols()
    assigned = {one.get_name() for one in names if one.is_assigned() and not one.is_imported()}

    assert assigned & ({*shown.get_identifiers()} | unknown(shown, KNOWN)) == set()


def awaits(block):
    """Return whether a block awaits outside a function."""
    code = compile(block, "block", "exec", AT_TOP_LEVEL, dont_inherit=True)
    return bool(code.co_flags & inspect.CO_COROUTINE)


@pytest.mark.parametrize("page", WITH_CODE)
def test_a_page_says_where_its_awaits_run(page):
    """A page whose examples await at the top level says so once, at its head; no other page does."""
    blocks = [block for blocks in sections(page).values() for block in blocks]
    head = PAGES[page].partition("```python")[0]

    assert (PASTE in head) == any(map(awaits, blocks))
    assert PAGES[page].count(PASTE) <= 1


@pytest.mark.parametrize("page", WITH_CODE)
def test_an_example_can_be_pasted(page):
    """A console that reads line by line, as that of Python 3.11 does, accepts the examples that await."""
    for block in [block for blocks in sections(page).values() for block in blocks if awaits(block)]:
        compiler, pending = codeop.CommandCompiler(), []
        compiler.compiler.flags |= AT_TOP_LEVEL
        for line in [*block.splitlines(), ""]:
            pending.append(line)
            if compiler("\n".join(pending)):
                pending.clear()

        assert "".join(pending) == ""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FIGURES])
def test_tables_fit_a_phone(page):
    """A table of sentences has at most three columns; what needs more is a list."""
    heads = re.findall(r"^\|(?: ?-+ ?\|)+$", PAGES[page], re.MULTILINE)

    assert [head for head in heads if head.count("|") > 4] == []


@pytest.mark.parametrize("name", [name for name in scopes.__all__ if name.isupper()])
def test_each_preset_is_explained(name):
    """The page about scopes has a paragraph for each preset, with every scope in it."""
    preset = getattr(scopes, name)
    named = [preset] if isinstance(preset, str) else preset
    paragraphs = PAGES["how-to/scopes"].split("\n\n")

    [about] = [text for text in paragraphs if f"`{name}`" in text.partition("\n")[0]]

    assert [scope for scope in named if f"`{scope}`" not in about] == []


@pytest.mark.parametrize("word", [*CredentialState, *TokenStatus])
def test_each_state_is_explained(word):
    """The page about consents has each word of ``state`` and of ``refresh_status``."""
    assert f"`{word}`" in PAGES["how-to/consents"]


@pytest.mark.parametrize(
    "figure", ["993 B", "1,072 B", "1.02 ×", "1.03", "921", "783", "471", "351"]
)
def test_figures_are_those_of_the_benchmarks(figure):
    """The page about capacity quotes what was measured last, in every figure."""
    number = figure.split()[0]

    assert figure in PAGES["benchmarks"]
    assert number in PAGES["capacity"]


def test_each_rule_of_the_emulator_has_a_source():
    """The page about what was never tried names each limit of the emulated servers."""
    page = PAGES["untried"]

    assert [field.name for field in dataclasses.fields(Rules) if f"`{field.name}" not in page] == []
