"""What a test arranges: apps, sites, grants; nothing needs to be there for a test to begin."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import FakeAtlassian, Rules


def test_one_app_of_every_kind_is_there(fake):
    """A test registers nothing, and the client ids differ."""
    apps = [
        fake.cloud_app,
        fake.data_center_app,
        fake.jira_software_app,
        fake.service_account_app,
        fake.data_center_service_account_app,
    ]

    assert [app.product for app in apps] == [
        "cloud",
        "data_center",
        "jira_software",
        "service_account",
        "data_center_service_account",
    ]
    assert len({app.client_id for app in apps}) == 5


@pytest.mark.parametrize("kind", ["at", "rt", "code", "cs"])
def test_every_secret_can_be_searched_for(fake, kind):
    """Access tokens, refresh tokens, codes and client secrets start alike."""
    issued = fake.issue_grant()
    callback = fake.browse(
        f"{fake.urls.dc_authorize_url}?client_id=data-center-app&scope=READ&response_type=code"
        f"&redirect_uri={fake.data_center_app.redirect_uri}"
    )

    secrets = [issued.access_token, issued.refresh_token, fake.cloud_app.client_secret, callback]

    assert any(f"secret-{kind}-" in secret for secret in secrets)


def test_an_app_can_be_given_its_secret(fake):
    """A client under test may have its own configuration."""
    app = fake.register_cloud_app("mine", client_secret="s3cret", redirect_uri="https://a/b")

    assert (app.client_id, app.client_secret, app.redirect_uri) == ("mine", "s3cret", "https://a/b")


def test_a_grant_can_be_issued_for_any_app(fake):
    """`issue_grant` accepts any app, which then owns the family."""
    app = fake.register_cloud_app("mine")

    issued = fake.issue_grant(app)

    assert fake.family_of(issued.refresh_token).app is app


@pytest.mark.parametrize(
    "scopes", ["read:me read:jira-work", ["read:me", "read:jira-work"]], ids=str
)
def test_a_grant_of_cloud_always_has_a_refresh_token(fake, scopes):
    """offline_access is added if the scopes lack it."""
    issued = fake.issue_grant(scopes=scopes)

    family = fake.family_of(issued.refresh_token)
    assert family.scopes == ("read:me", "read:jira-work", "offline_access")


def test_offline_access_is_not_added_twice(fake):
    """Scopes that have it stay as they are."""
    issued = fake.issue_grant(scopes="offline_access read:me")

    assert fake.family_of(issued.refresh_token).scopes == ("offline_access", "read:me")


def test_a_grant_of_data_center_is_for_an_admin(fake):
    """An issued Data Center grant has the scope ADMIN by default."""
    issued = fake.issue_grant(fake.data_center_app)

    assert fake.family_of(issued.access_token).scopes == ("ADMIN",)


def test_a_family_is_found_by_any_of_its_tokens(fake):
    """`family_of` finds a family by any of its tokens, and its error shows no token."""
    issued = fake.issue_grant()

    assert fake.family_of(issued.access_token) is fake.family_of(issued.refresh_token)
    with pytest.raises(KeyError, match="no family"):
        fake.family_of("unknown")


def test_every_consent_starts_a_family(fake):
    """In the order of consent."""
    fake.issue_grant()
    fake.issue_grant()

    assert [family.id for family in fake.families] == ["family-1", "family-2"]
    assert all(family.alive for family in fake.families)


def test_a_site_gets_a_cloud_id(fake):
    """A new site gets its own cloud id, unless the test gives one."""
    site = fake.add_site("globex")

    assert site.cloud_id != fake.cloud_id
    assert fake.add_site("initech", cloud_id="c-3").cloud_id == "c-3"


def test_rules_and_data_center_can_be_chosen():
    """Rules and the base URL of Data Center are arguments."""
    rules = Rules(code_lifetime_seconds=5)

    fake = FakeAtlassian(rules=rules, data_center_url="https://confluence.example.com/wiki")

    assert fake.rules is rules
    assert fake.urls.dc_token_url == (
        "https://confluence.example.com/wiki/rest/oauth2/latest/token"
    )
