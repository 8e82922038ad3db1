"""Readiness probes."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    StoreError,
)

pytestmark = pytest.mark.every_loop


async def test_a_ping_asks_the_store_alone(acme, watched, atlassian):
    """A readiness probe succeeds if the store can be read, whatever Atlassian and the credentials do."""
    atlassian.revoke_grant(atlassian.families[0].refresh_token)
    with pytest.raises(AuthorizationRequired):
        await acme.token("acme")
    requests = len(atlassian.token_requests)

    await acme.ping()
    await acme.auth("acme").ping()

    assert len(atlassian.token_requests) == requests
    assert await watched.keys("ping") == []


@pytest.mark.parametrize("kind", [OSError, ConfigurationError, StoreError])
async def test_a_ping_without_a_store(acme, watched, kind):
    """If the store cannot be read, or cannot work, the probe fails with the reason."""
    watched.failures["get"], watched.raises = 99, kind

    with pytest.raises(ConfigurationError if kind is ConfigurationError else StoreError):
        await acme.ping()
    with pytest.raises((ConfigurationError, StoreError)):
        await anyio.to_thread.run_sync(acme.ping_sync)
