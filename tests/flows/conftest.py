"""Managers and flows before an emulated Atlassian."""

from __future__ import annotations

import os
from contextlib import contextmanager

import anyio
import pytest

from atlassian_auth import TokenManager
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import cloud_grant


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def flow_of(atlassian, atlassian_clock, store):
    """Build flows, each with a manager of its own, on one store; close them at the end."""
    opened = []

    def build(grant=None, *, store=store, **options):
        manager = TokenManager(
            grant or cloud_grant(atlassian), store=store, clock=atlassian_clock, jitter=lambda: 0.0
        )
        opened.append(manager)
        return AuthorizationFlow(manager, **options)

    yield build
    atlassian_clock.advance(3600)  # whatever still hangs runs out of time
    for manager in opened:
        anyio.run(manager.aclose)


@pytest.fixture
def flow(flow_of):
    """A flow for the emulator's Cloud app."""
    return flow_of()


@pytest.fixture
def no_more_files():
    """As long as this context lasts, the process has used up its file descriptors."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def shortage():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return shortage
