"""A house that mounts the application, for each test."""

from __future__ import annotations

import anyio
import pytest

from atlassian_auth.stores import MemoryStore
from tests.web.house import House


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def house_of(atlassian, atlassian_clock, store):
    """Build houses on one store; close their connections at the end."""
    built = []

    def build(**options):
        built.append(House(atlassian, atlassian_clock, store, **options))
        return built[-1]

    yield build
    for house in built:
        anyio.run(house.connections.aclose)


@pytest.fixture
def house(house_of):
    return house_of()


@pytest.fixture
async def jira(house):
    """A client configuration for the emulated Cloud."""
    return await house.add()


@pytest.fixture
def anna(house):
    return house.browser("anna")


@pytest.fixture
def boss(house):
    return house.browser("boss")
