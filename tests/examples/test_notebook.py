"""The notebook runs from its first cell to its last, as Jupyter runs it."""

from __future__ import annotations

import ast
import inspect
import json

from tests.examples.conftest import EXAMPLES

NOTEBOOK = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


async def execute(cell, names):
    """Run a cell, in which ``await`` works, and return the value of its last line."""
    tree = ast.parse(cell)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    value = None
    for part, mode in ((tree, "exec"), (last, "eval")):
        if part:
            value = eval(compile(part, "cell", mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            value = await value if inspect.iscoroutine(value) else value
    return value


async def run_notebook():
    names = {"__name__": "__main__"}
    return [await execute(cell, names) for cell in CELLS]


async def test_each_cell_runs(person):
    """It logs in, shows the account and closes; a second run finds the consent in its store."""
    first, second = await run_notebook(), await run_notebook()

    assert first == second == [None, "ready", "Ada Admin", None]
    assert len(person) == 1


def test_no_output_is_kept():
    """The file has no output of a run, which could hold what only its owner may read."""
    assert [cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"] == [
        []
    ] * 4
