"""Consent by hand: the code is redeemed if the callback is ours."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import CloudGrant, DataCenterGrant, TokenManager
from atlassian_auth._cli.demo.consent import consent
from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.stores import MemoryStore


@pytest.fixture(params=["cloud", "data center"])
def manager(request, emulator, transport):
    app = emulator.cloud_app if request.param == "cloud" else emulator.data_center_app
    registered = {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
    }
    grant = (
        CloudGrant(**registered, scopes=["read:jira-work"])
        if request.param == "cloud"
        else DataCenterGrant(emulator.urls.dc_base_url, **registered, scopes=["READ"])
    )
    return TokenManager(grant, store=MemoryStore(), clock=emulator.clock, transport=transport)


async def test_consent_is_redeemed(manager, transport):
    """After it the key has a token that can be refreshed, with PKCE and without."""
    async with httpx.AsyncClient(transport=transport) as browser:
        await consent(manager, "acme", browser)

    assert manager.peek("acme") is not None
    assert (await manager.status("acme")).refreshable


@pytest.mark.parametrize("state", ["?code=c&state=guessed", "?code=c", ""])
async def test_a_foreign_callback_is_refused(manager, emulator, state):
    """A callback without our state redeems nothing."""
    mislead = httpx.MockTransport(
        lambda _request: httpx.Response(302, headers={"location": f"http://127.0.0.1/{state}"})
    )

    async with httpx.AsyncClient(transport=mislead) as browser:
        with pytest.raises(AtlassianAuthError, match="state"):
            await consent(manager, "acme", browser)

    assert emulator.token_requests == ()


async def test_no_callback_is_no_consent(manager, emulator):
    """A page where a redirect was expected is an error, too."""
    page = httpx.MockTransport(lambda _request: httpx.Response(400, text="Something went wrong"))

    async with httpx.AsyncClient(transport=page) as browser:
        with pytest.raises(AtlassianAuthError, match="state"):
            await consent(manager, "acme", browser)

    assert emulator.token_requests == ()
