"""Managers for the tests: one app of each kind, on one store."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    TokenManager,
)
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    cloud_grant,
    data_center_grant,
)
from tests.manager.scene import (
    HOUR,
    WatchedStore,
)


@pytest.fixture
def told():
    return []


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def manager_of(atlassian, atlassian_clock, store, told):
    """Build managers of one service, on one store, and close them at the end."""
    opened = []

    def build(grant=None, **options):
        options = {
            "store": store,
            "clock": atlassian_clock,
            "on_event": told.append,
            "jitter": lambda: 0.0,
        } | options
        opened.append(TokenManager(grant or cloud_grant(atlassian), **options))
        return opened[-1]

    yield build
    atlassian_clock.advance(HOUR)  # whatever still hangs runs out of time
    for manager in opened:
        anyio.run(manager.aclose)


@pytest.fixture
def cloud(manager_of, atlassian):
    """A manager that has been given a refresh token for the key ``acme``."""
    manager = manager_of()
    anyio.run(lambda: manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token))
    return manager


@pytest.fixture
def data_center(manager_of, atlassian):
    """The same for Data Center."""
    manager = manager_of(data_center_grant(atlassian))
    issued = atlassian.issue_grant(atlassian.data_center_app)
    anyio.run(lambda: manager.add("on-premise", refresh_token=issued.refresh_token))
    return manager


@pytest.fixture
def watched(atlassian_clock):
    return WatchedStore(atlassian_clock)


@pytest.fixture
def acme(manager_of, watched, atlassian):
    manager = manager_of(store=watched)
    anyio.run(lambda: manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token))
    return manager
