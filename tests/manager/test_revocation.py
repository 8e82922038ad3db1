"""Revoking a credential."""

from __future__ import annotations

import pytest

from atlassian_auth import (
    CloudGrant,
    ConfigurationError,
    CredentialState,
    TransientError,
)
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.events import ConsentRevoked
from atlassian_auth.testing import (
    Fault,
    jira_software_grant,
)
from tests.manager.scene import (
    nothing_was_revoked,
)


@pytest.mark.parametrize("key", ["acme", "on-premise"])
async def test_revoking_ends_the_grant_there_and_here(key, cloud, data_center, atlassian, told):
    """After it the server takes neither token any more, and nothing is stored; again, it is nothing."""
    manager = cloud if key == "acme" else data_center
    token = await manager.token(key)

    assert await manager.revoke(key) is True
    atlassian.fault("revoke", Fault.status(400))
    assert await manager.revoke(key) is False

    assert not atlassian.family_of(token.access_token).alive
    assert manager.peek(key) is None
    assert key not in await manager.keys()
    assert told.count(ConsentRevoked(key=key, at=atlassian.clock.now())) == 1
    assert nothing_was_revoked(atlassian)


async def test_revoking_what_was_never_used(cloud, atlassian):
    """A pasted refresh token is revoked as it is, without being refreshed first."""
    assert await cloud.revoke("acme") is True

    assert not atlassian.families[0].alive
    assert atlassian.token_requests == ()


async def test_a_credential_that_was_not_revoked_is_kept(cloud, atlassian):
    """If the server cannot answer a revocation, the credential is kept and works."""
    await cloud.token("acme")
    atlassian.fault("revoke", Fault.status(503), times=3)

    with pytest.raises(TransientError, match="503"):
        await cloud.revoke("acme")

    assert (await cloud.status("acme")).state is CredentialState.READY
    assert await cloud.revoke("acme") is True


async def test_a_revocation_with_the_wrong_secret(manager_of, cloud, atlassian):
    """If a revocation is refused, the error says what is wrong, and the credential is kept."""
    app = atlassian.cloud_app
    wrong = manager_of(
        CloudGrant(
            client_id=app.client_id,
            client_secret="secret-wrong",
            redirect_uri=app.redirect_uri,
            scopes="read:me",
        )
    )

    with pytest.raises(ConfigurationError, match="client secret") as caught:
        await wrong.revoke("acme")

    assert "secret-wrong" not in f"{caught.value!r} {caught.value}"
    assert (await cloud.status("acme")).refreshable


async def test_another_apps_credential_is_not_revoked(cloud, data_center, atlassian):
    """A key of another app is refused without a request."""
    atlassian.fault("revoke", Fault.status(400))

    with pytest.raises(ConfigurationError, match="another key"):
        await data_center.revoke("acme")

    assert atlassian.families[0].alive
    assert nothing_was_revoked(atlassian)


async def test_client_credentials_have_nothing_to_revoke(manager_of, atlassian):
    """The error says where they are deleted instead."""
    manager = manager_of(jira_software_grant(atlassian))
    await manager.token()

    with pytest.raises(ConfigurationError, match="delete it where it was created"):
        await manager.revoke()


async def test_revoking_an_empty_record(manager_of, store, atlassian, atlassian_clock):
    """A record that has no token has nothing to revoke, and is deleted."""
    manager = manager_of()
    empty = TokenRecord.begin(manager.grant.configuration, atlassian_clock.now())
    await Records(store, "tokens", TokenRecord).put("acme", empty)
    atlassian.fault("revoke", Fault.status(400))

    assert await manager.revoke("acme") is True

    assert await manager.keys() == []
    assert nothing_was_revoked(atlassian)
