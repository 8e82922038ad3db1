"""The examples are loaded from their files, as they are for a user who copies them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def quickstart():
    return load("quickstart")


@pytest.fixture(scope="session")
def collector():
    return load("audit_log_collector")


@pytest.fixture(scope="session")
def sender():
    return load("send_build_info")


@pytest.fixture(scope="session")
def own_store():
    return load("own_store")
