"""Pytest fixtures: an emulated Atlassian, its clock, its server, and an auth that is authorized.

They need ``pip install atlassian-auth[testing]`` and are there without any configuration.
"""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import parse_qs, urlsplit

import pytest

from atlassian_auth import testing
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing._elsewhere import run_elsewhere
from atlassian_auth.testing.clock import ManualClock
from atlassian_auth.testing.model import FakeAtlassian

__all__: list[str] = []


@pytest.fixture
def atlassian_clock() -> ManualClock:
    """Return the clock of the emulator and the library: the test moves it, and a sleep moves it too."""
    return ManualClock()


@pytest.fixture
def atlassian(atlassian_clock: ManualClock) -> Generator[FakeAtlassian]:
    """Yield an emulated Atlassian that answers clients of httpx and httpx2 during the test.

    A fault that met fewer requests than its ``times`` fails the test, because the test checked too little.
    """
    emulator = FakeAtlassian(atlassian_clock)
    with testing.mock_router(emulator):
        yield emulator
    if unused := emulator.unused_faults:
        advice = "lower times, pass times=None for all requests, or call clear_faults()"
        pytest.fail(
            f"Unused faults: {', '.join(unused)}. Find out why they met too few requests, {advice}."
        )


@pytest.fixture
def atlassian_server(atlassian: FakeAtlassian) -> Generator[testing.LoopbackServer]:
    """Yield a server on 127.0.0.1 for the same emulated Atlassian."""
    with testing.LoopbackServer(atlassian) as server:
        yield server


@pytest.fixture(name="atlassian_auth")
def authorized(atlassian: FakeAtlassian, atlassian_clock: ManualClock) -> Generator[AtlassianAuth]:
    """Yield an ``AtlassianAuth`` for Cloud with a new consent."""
    grant = testing.cloud_grant(atlassian)
    store = MemoryStore(clock=atlassian_clock)
    auth = AtlassianAuth(grant, store=store, clock=atlassian_clock)
    callback = atlassian.browse(grant.authorization_url(state="fixture"))
    code = parse_qs(urlsplit(callback).query)["code"][0]
    run_elsewhere(lambda: auth.manager.authorize(auth.key, code))
    yield auth
    run_elsewhere(auth.aclose)
