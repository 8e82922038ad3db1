"""What these tests share: the scenes need a Linux with its signals and its ``/proc``."""

from __future__ import annotations

import os
import secrets
import sys

import pytest

SEED = os.environ.get("ATLASSIAN_AUTH_TEST_WORLD") or secrets.token_hex(4)

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def seed():
    return SEED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"hostile world: ATLASSIAN_AUTH_TEST_WORLD={SEED}")


@pytest.fixture(scope="session")
def servers():
    from tests.world.play import Servers

    with Servers() as servers:
        yield servers
