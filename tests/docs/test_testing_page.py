"""The page about testing: its examples run as a reader pastes them, each in a file of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytest_atlassian_auth

pytest_plugins = ["pytester"]

ROOT = Path(pytest_atlassian_auth.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCKS = re.findall(
    r"^## ([^\n]+)\n|^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
)


def examples():
    heading = "Five lines"
    for title, block in BLOCKS:
        heading = title or heading
        if block:
            yield pytest.param(block, id=heading)


@pytest.mark.parametrize("example", [*examples()])
def test_an_example_runs_as_pasted(pytester, monkeypatch, example):
    """Each example passes in an empty folder, with pytest, anyio and the library."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.syspathinsert(str(ROOT))
    pytester.makepyfile(example)

    run = pytester.runpytest_inprocess(
        "-p", "anyio.pytest_plugin", "-p", "pytest_atlassian_auth", "-W", "error"
    )

    run.assert_outcomes(passed=example.count("def test_"))


def test_five_lines_are_five():
    """The first example has the five lines that the title promises."""
    first = next(block for _, block in BLOCKS if block)

    assert len(first.partition("):\n")[2].splitlines()) == 5
