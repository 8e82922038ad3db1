"""Pytest fixtures: an emulated Atlassian, its clock, its server, and a credential that is authorized there.

They need ``pip install atlassian-auth[testing]`` and are there without any configuration. pytest imports
this module in each test run of an environment, so it imports nothing but pytest: the first test that requests
a fixture imports the rest. It is outside the package, because a module imports the package that it is in.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from atlassian_auth.auth import AtlassianAuth
    from atlassian_auth.testing import FakeAtlassian, LoopbackServer, ManualClock

__all__: list[str] = []

_MARKER = (
    'atlassian(product="cloud", scopes=None, lifetime_seconds=None): the product, the scopes and the '
    "lifetime of access tokens of the fixture atlassian_credential"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def atlassian_clock() -> ManualClock:
    """Return the clock of the emulator and the library: the test moves it, and a sleep moves it too."""
    from atlassian_auth.testing import ManualClock

    return ManualClock()


@pytest.fixture
def atlassian(
    request: pytest.FixtureRequest, atlassian_clock: ManualClock
) -> Generator[FakeAtlassian]:
    """Yield an emulated Atlassian that answers clients of httpx and httpx2 during the test.

    A fault that met fewer requests than its ``times`` fails the test, because the test checked too little.
    """
    from atlassian_auth.testing import FakeAtlassian, mock_router
    from atlassian_auth.testing._marker import Marked

    emulator = FakeAtlassian(atlassian_clock)
    Marked.of(request.node).apply(emulator.rules)
    with mock_router(emulator):
        yield emulator
    if unused := emulator.unused_faults:
        advice = "lower times, pass times=None for all requests, or call clear_faults()"
        pytest.fail(
            f"Unused faults: {', '.join(unused)}. Find out why they met too few requests, {advice}."
        )


@pytest.fixture
def atlassian_server(atlassian: FakeAtlassian) -> Generator[LoopbackServer]:
    """Yield a server on 127.0.0.1 for the same emulated Atlassian."""
    from atlassian_auth.testing import LoopbackServer

    with LoopbackServer(atlassian) as server:
        yield server


@pytest.fixture
def atlassian_credential(
    request: pytest.FixtureRequest, atlassian: FakeAtlassian
) -> Generator[AtlassianAuth]:
    """Yield an ``AtlassianAuth`` with a new consent: for Cloud, unless the marker names another product."""
    from atlassian_auth.testing._elsewhere import run_elsewhere
    from atlassian_auth.testing._marker import Marked, authorize

    auth = authorize(atlassian, Marked.of(request.node))
    yield auth
    run_elsewhere(auth.aclose)
