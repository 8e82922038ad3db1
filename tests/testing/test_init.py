"""The package: importable without the extra's packages, and independent of what it emulates for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlassian_auth import testing

SOURCES = sorted(Path(testing.__file__).parent.glob("*.py"))
# These may know the library: they connect the two, or test its stores.
BRIDGES = {"_marker.py", "store_contract.py", "wiring.py"}
# Time is a port, a future is no protocol, and of `sites` the router only clears the cache.
ALLOWED = (
    "atlassian_auth.testing",
    "atlassian_auth.ports",
    "atlassian_auth.sites",
    "atlassian_auth.ports._runtime.future",
)


def run(code):
    command = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": str(Path(testing.__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("name", testing.__all__)
def test_every_exported_name_is_there(name):
    """Also those that are imported only when they are asked for."""
    assert getattr(testing, name) is not None


def test_exports_are_sorted():
    """The exported names are sorted."""
    assert sorted(testing.__all__) == testing.__all__


def test_an_unknown_name_is_an_attribute_error():
    """An unknown name is an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.nothing  # noqa: B018


def test_it_imports_without_the_extra():
    """Model, clock and ASGI application need neither respx nor pytest nor uvicorn."""
    code = (
        "import sys\n"
        "sys.modules.update({name: None for name in ('respx', 'pytest', 'uvicorn')})\n"
        "from atlassian_auth.testing import FakeAtlassian, ManualClock\n"
        "import atlassian_auth.testing._asgi\n"
        "assert FakeAtlassian(ManualClock()).issue_grant().refresh_token\n"
    )

    outcome = run(code)

    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("name", ["LoopbackServer", "mock_router"])
def test_a_skin_without_its_package_names_the_extra(name):
    """If a package is missing, the error names the extra to install."""
    code = (
        "import sys\n"
        "sys.modules.update({name: None for name in ('respx', 'uvicorn')})\n"
        f"from atlassian_auth.testing import {name}\n"
    )

    outcome = run(code)

    assert f"{name} needs" in outcome.stderr
    assert "pip install 'atlassian-auth[testing]'" in outcome.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_emulator_shares_no_protocol_with_the_library(source):
    """The emulator has its own protocol code, so it does not repeat a bug of the library."""
    tree = ast.parse(source.read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    foreign = [m for m in modules if m.startswith("atlassian_auth") and not m.startswith(ALLOWED)]

    assert foreign == [] or source.name in BRIDGES
