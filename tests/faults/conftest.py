"""Servers that a trouble has started end with the last of these tests."""

from __future__ import annotations

import pytest

from tests.faults.servers import RUNNING


@pytest.fixture(scope="session", autouse=True)
def servers():
    with RUNNING:
        yield
