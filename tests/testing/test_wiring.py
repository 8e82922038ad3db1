"""The library's own grants, pointed at the emulator, get their tokens there: both agree on the protocol."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import AtlassianAuth, Endpoints
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    LoopbackServer,
    cloud_grant,
    data_center_grant,
    data_center_service_account_grant,
    jira_software_grant,
    mock_router,
    service_account_grant,
)

GRANTS = [
    cloud_grant,
    data_center_grant,
    data_center_service_account_grant,
    jira_software_grant,
    service_account_grant,
]


def test_endpoints_below_one_origin():
    """`Endpoints.below` names all endpoints of a LoopbackServer."""
    with LoopbackServer() as server:
        grant = cloud_grant(server.atlassian, server.urls)

        assert Endpoints.below(server.origin) == grant.endpoints
        assert Endpoints.below(f"{server.origin}/") == grant.endpoints


@pytest.fixture(params=["mock", "server"])
def urls(request, fake):
    if request.param == "mock":
        with mock_router(fake):
            yield fake.urls
    else:
        with LoopbackServer(fake) as server:
            yield server.urls


@pytest.mark.parametrize("make", GRANTS, ids=lambda make: make.__name__)
async def test_every_grant_gets_a_token(fake, urls, make):
    """A refresh for those with a refresh token, client credentials for the others."""
    grant = make(fake, urls)
    auth = AtlassianAuth(grant, store=MemoryStore(clock=fake.clock), clock=fake.clock)
    if grant.rotates:
        app = fake.cloud_app if make is cloud_grant else fake.data_center_app
        await auth.manager.add(auth.key, refresh_token=fake.issue_grant(app).refresh_token)

    token = await auth.token()

    await auth.aclose()
    assert token.lifetime.total_seconds() in {900, 3600}
    assert fake.count("token", outcome="ok") == 1


def test_an_app_and_scopes_of_ones_own_can_be_given(fake):
    """A grant for the emulator may have any registered app and any scopes."""
    app = fake.register_cloud_app("mine", redirect_uri="https://app.example.com/cb")

    grant = cloud_grant(fake, app=app, scopes="read:me")

    assert (grant.client_id, grant.redirect_uri) == ("mine", "https://app.example.com/cb")
    assert "read:me" in grant.scopes


@pytest.mark.parametrize("make", GRANTS, ids=lambda make: make.__name__)
def test_the_default_addresses_are_atlassians(fake, make):
    """Without `urls` a grant has Atlassian's own addresses."""
    assert make(fake).endpoints == make(fake, fake.urls).endpoints


async def test_every_api_of_cloud_opens(fake, urls):
    """The default scopes are enough for all of them."""
    grant = cloud_grant(fake, urls)
    auth = AtlassianAuth(grant, store=MemoryStore(clock=fake.clock), clock=fake.clock)
    await auth.manager.add(auth.key, refresh_token=fake.issue_grant().refresh_token)

    async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=300) as http:
        responses = [
            await http.get(urls.identity_url),
            await http.get(urls.resources_url),
            await http.get(f"{urls.jira(fake.cloud_id)}rest/api/3/auditing/record"),
            await http.get(f"{urls.jira(fake.cloud_id)}rest/api/3/myself"),
            await http.get(f"{urls.confluence(fake.cloud_id)}rest/api/audit"),
        ]

    await auth.aclose()
    assert [response.status_code for response in responses] == [200] * 5
