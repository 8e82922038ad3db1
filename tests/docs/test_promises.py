"""The promises in the documentation are held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text("utf-8")
PROMISES = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE)))


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
