"""The promises in the documentation, and its answers to RFC 9700, are held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text("utf-8")
RFC_9700 = (ROOT / "docs" / "rfc9700.md").read_text("utf-8")
PROMISES = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE + RFC_9700)))

# The table of contents of RFC 9700, https://www.rfc-editor.org/rfc/rfc9700.html, as of 2025-01.
SECTIONS = ["2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"]
ATTACKS = [f"4.{number}" for number in range(1, 18)]
POINTS = re.findall(
    r"^\*\*([\d.]+) [^*]+\*\* (.*?)(?=^\*\*|^## |\Z)", RFC_9700, re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize(("number", "text"), PROMISES, ids=[number for number, _ in PROMISES])
def test_each_promise_names_its_tests(number, text):
    """A promise without a test is a wish."""
    assert re.search(r"`tests/[\w/]+\.py::\w+`", text), f"promise {number} names no test"


@pytest.mark.parametrize("name", NAMED_TESTS)
def test_named_tests_exist(name):
    """Each test that the page names exists."""
    path, _, function = name.partition("::")

    tree = ast.parse((ROOT / path).read_text("utf-8"))

    assert function in {getattr(node, "name", None) for node in ast.walk(tree)}


def test_promises_are_numbered_without_gaps():
    """Promises are referred to by number, so none is skipped or used twice."""
    numbers = [int(number) for number, _ in PROMISES]

    assert numbers == list(range(1, len(numbers) + 1))


def test_no_section_is_left_out():
    """The page answers each section of RFC 9700 with advice or an attack, in its order."""
    assert [number for number, _ in POINTS] == SECTIONS + ATTACKS


@pytest.mark.parametrize(("number", "text"), POINTS, ids=[number for number, _ in POINTS])
def test_what_is_held_names_its_tests(number, text):
    """A point that is held names a test; another says that it is the server's, or does not apply."""
    no_duty = re.match(r"\*(Not applicable|Not offered|The server's part)", text)

    assert no_duty or "`tests/" in text, f"{number} names no test"
