"""The house stands: imports run downward, interfaces are true, nothing optional is imported."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest

import atlassian_auth
from docs.architecture import (
    DOOR,
    PACKAGE,
    PICTURE,
    SOURCES,
    dependencies,
    draw,
    floor,
    imported,
    room,
    rooms,
)

TESTS = Path(__file__).parent

OPTIONAL = {
    *(
        "aiosqlite",
        "authlib",
        "croniter",
        "cryptography",
        "keyring",
        "opentelemetry",
        "platformdirs",
        "pydantic_settings",
        "pytest",
    ),
    *(
        "httpx2",
        "jinja2",
        "redis",
        "requests",
        "respx",
        "rich",
        "sqlite3",
        "starlette",
        "trio",
        "typer",
        "uvicorn",
        "uvloop",
    ),
}
IMPURE = {
    *("anyio", "asyncio", "concurrent", "httpcore", "httpx", "logging", "os", "pathlib", "random"),
    *("secrets", "socket", "sqlite3", "ssl", "subprocess", "threading", "time", "urllib.request"),
}
LONGEST_BODY = 40
LONGEST_TOKEN_PATH = 2400
LONGEST_FACADE = 350


def assigned(node):
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.target.id] if isinstance(node, ast.AnnAssign) else []


def is_type_variable(node):
    value = getattr(node, "value", None)
    return isinstance(value, ast.Call) and ast.unparse(value.func) in {
        "ParamSpec",
        "TypeVar",
        "TypeVarTuple",
    }


def is_fixture(node):
    return any("pytest.fixture" in ast.unparse(mark) for mark in node.decorator_list)


def public_definitions(tree):
    """Classes, functions, constants and type aliases; fixtures and a ``logger`` are none of them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from () if is_fixture(node) else (node.name,)
        elif not is_type_variable(node):
            yield from (name for name in assigned(node) if not name.islower())


def functions(tree):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def test_each_module_has_a_floor():
    """A new module is given its box in docs/architecture.py."""
    assert [name for name in SOURCES if floor(name) is None] == []


def test_imports_run_downward():
    """A module imports from its own box and from lower ones, never from a higher one."""
    imports = [(name, target) for name in SOURCES for target in dependencies(name)]

    assert [(name, target) for name, target in imports if floor(target) > floor(name)] == []


def test_imports_have_no_cycles():
    """No module needs itself, not even through others on its floor."""
    TopologicalSorter({name: dependencies(name) for name in SOURCES}).prepare()


def test_rooms_have_no_cycles():
    """No folder needs itself through other rooms; at most 25 are drawn, on 12 floors."""
    edges = rooms()
    floors = {}
    for name in TopologicalSorter(edges).static_order():
        floors[name] = 1 + max((floors[target] for target in edges[name]), default=0)

    assert len(edges.keys() - {"__main__"}) <= 25
    assert max(floors.values()) <= 12


def test_one_name_is_one_class():
    """No two classes share a name, but those of `httpx2` and `requests`, and the emulator's `Site`."""
    twins = {"atlassian_auth.httpx2", "atlassian_auth.requests"}
    trees = [tree for name, tree in SOURCES.items() if name not in twins]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]

    assert [name for name, count in Counter(names).items() if count > 1] == ["Site"]


def test_the_picture_is_current():
    """The drawing in the documentation shows the imports as they are."""
    assert PICTURE.read_text("utf-8") == draw(), "run: python docs/architecture.py"


def test_the_door_opens_only_when_used():
    """The manager reaches the httpx side from within a function, not when it is imported."""
    name, target = DOOR

    assert target not in imported(SOURCES[name].body)


def test_interfaces_are_true():
    """Each `__all__` names existing names only, and everything public that the module defines."""
    modules = {name: importlib.import_module(name) for name in SOURCES}
    defined = [(name, public) for name in SOURCES for public in public_definitions(SOURCES[name])]
    named = [(name, public) for name, module in modules.items() for public in module.__all__]

    assert [(name, public) for name, public in named if not hasattr(modules[name], public)] == []
    assert {both for both in defined if both[1][0] != "_"} - {*named} == set()


def test_the_version_is_the_packages():
    """`__version__` is that of the package's metadata; any other unknown name is an AttributeError."""
    assert atlassian_auth.__version__ == metadata.version("atlassian-auth")
    with pytest.raises(
        AttributeError, match=r"^module 'atlassian_auth' has no attribute 'version'$"
    ):
        _ = atlassian_auth.version


def test_the_version_costs_no_import():
    """Importing the package reads no metadata: the version is looked up when it is used."""
    assert "importlib.metadata" not in {*imported(SOURCES["atlassian_auth"].body)}


def test_importing_the_package_imports_nothing_optional():
    """`import atlassian_auth` costs httpx, anyio and pydantic, and nothing else that is big."""
    show = "import sys, anyio, httpx, pydantic; before = {*sys.modules}; import atlassian_auth; "
    script = show + "print(*sys.modules.keys() - before)"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert OPTIONAL.intersection(loaded.stdout.split()) == set()


@pytest.mark.parametrize("name", [name for name in SOURCES if room(name) in {"protocol", "grants"}])
def test_protocol_and_grants_are_pure(name):
    """Protocol and grants use no clock, randomness, network or event loop."""
    nodes = list(ast.walk(SOURCES[name]))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    assert [to for to in imported(nodes) if {to, to.split(".")[0]} & IMPURE] == []
    assert attributes & {"now", "today", "utcnow"} == set()
    assert not any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in nodes)


def test_functions_are_short():
    """No function has a body longer than a screen."""
    bodies = [(name, function) for name in SOURCES for function in functions(SOURCES[name])]

    assert [(name, long.name) for name, long in bodies if body_lines(long) > LONGEST_BODY] == []


@pytest.mark.campaign
def test_tests_state_their_promise():
    """Each test has a docstring."""
    tests = [
        (str(path.relative_to(TESTS)), test)
        for path in TESTS.rglob("test_*.py")
        for test in functions(ast.parse(path.read_text("utf-8")))
    ]

    assert [
        (name, test.name)
        for name, test in tests
        if test.name.startswith("test_") and not ast.get_docstring(test)
    ] == []


def test_the_token_path_is_short():
    """The code from a request to a saved token is short enough to read in an hour."""
    folder = PACKAGE / "_tokens" / "refresh"
    path = [PACKAGE / "auth.py", PACKAGE / "manager.py", *folder.glob("*.py")]

    assert sum(len(file.read_text("utf-8").splitlines()) for file in path) <= LONGEST_TOKEN_PATH


def test_the_manager_is_a_facade():
    """The manager passes work on; what it does itself fits into a few screens."""
    lines = (PACKAGE / "manager.py").read_text("utf-8").splitlines()

    assert len(lines) <= LONGEST_FACADE
