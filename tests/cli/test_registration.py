"""The grant of each product, from the settings of a profile."""

from __future__ import annotations

import pytest

from atlassian_auth import ClientCredentialsGrant, CloudGrant, ConfigurationError, DataCenterGrant
from atlassian_auth._cli.profile import Flags
from atlassian_auth._cli.registration import grant_of

BASE = "https://jira.example.com/jira"
CUSTOM = "https://proxy.example.com/x"


def grant(**values):
    return grant_of(Flags(values={"client_id": "id", **values}).profile("acme"), "secret")


pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("product", "values", "kind", "token_url"),
    [
        ("cloud", {"scopes": "a:b"}, CloudGrant, "https://auth.atlassian.com/oauth/token"),
        (
            "government",
            {"scopes": "a:b"},
            CloudGrant,
            "https://auth.atlassian-us-gov-mod.com/oauth/token",
        ),
        (
            "data-center",
            {"scopes": "READ", "base_url": BASE},
            DataCenterGrant,
            f"{BASE}/rest/oauth2/latest/token",
        ),
        ("jira-software", {}, ClientCredentialsGrant, "https://api.atlassian.com/oauth/token"),
        ("service-account", {}, ClientCredentialsGrant, "https://auth.atlassian.com/oauth/token"),
        (
            "data-center-service-account",
            {"scopes": "READ", "base_url": BASE},
            ClientCredentialsGrant,
            f"{BASE}/rest/oauth2/latest/token",
        ),
    ],
)
def test_products(product, values, kind, token_url):
    """Each product has its own kind of grant and server."""
    built = grant(product=product, **values)

    assert type(built) is kind
    assert (built.client_id, built.endpoints.token_url) == ("id", token_url)


@pytest.mark.parametrize("product", ["cloud", "government", "jira-software", "service-account"])
def test_custom_addresses(product):
    """An endpoint in the profile replaces Atlassian's; the others are kept."""
    usual = grant(product=product, scopes="a:b").endpoints

    changed = grant(product=product, scopes="a:b", token_url=CUSTOM, api_url=CUSTOM).endpoints

    assert (changed.token_url, changed.api_url) == (CUSTOM, CUSTOM)
    assert changed.resources_url == usual.resources_url


def test_custom_addresses_are_https():
    """An endpoint must be https, or on this computer."""
    grant(product="service-account", token_url="http://127.0.0.1:1/token")

    with pytest.raises(ConfigurationError, match="token_url must be https"):
        grant(product="service-account", token_url="http://proxy.example.com/token")


@pytest.mark.parametrize("product", ["data-center", "data-center-service-account"])
def test_data_center_has_one_address(product):
    """On Data Center an endpoint other than base_url is refused."""
    with pytest.raises(
        ConfigurationError, match="token_url is not a setting of data-center"
    ) as caught:
        grant(product=product, base_url=BASE, scopes="READ", token_url=CUSTOM)

    assert caught.value.argument == "token_url"


@pytest.mark.parametrize(
    ("product", "values", "missing"),
    [
        ("cloud", {"client_id": None}, ["client_id", "scopes"]),
        ("cloud", {}, ["scopes"]),
        ("data-center", {"scopes": "READ"}, ["base_url"]),
        ("data-center-service-account", {"base_url": BASE}, ["scopes"]),
    ],
)
def test_what_is_missing_is_said(product, values, missing):
    """The error names all missing settings, how to set them, and the command that creates a file."""
    with pytest.raises(ConfigurationError, match=f"no {' and no '.join(missing)}, which") as caught:
        grant(product=product, **values)

    message = str(caught.value)
    assert caught.value.argument == missing[0]
    for name in missing:
        assert f"ATLASSIAN_AUTH_{name.upper()}" in message
        assert f"--{name.replace('_', '-')}" in message
    assert f"{' and '.join(missing)} into [profiles.acme] of {Flags().file}." in message
    assert message.endswith("That file does not exist. To create it, run: atlassian-auth init acme")


def test_no_profile_was_named(home):
    """If no profile is named, the error lists the profiles of the file."""
    Flags().file.parent.mkdir(parents=True)
    Flags().file.write_text("[profiles.b]\n[profiles.a]", "utf-8")

    with pytest.raises(
        ConfigurationError, match=r" Or name one of the profiles in that file: a, b\.$"
    ) as caught:
        grant_of(Flags().profile("default"), "secret")

    assert "Profile default, which is used if no profile is named, has no client_id" in str(
        caught.value
    )


def test_a_file_that_is_there_is_not_made(home):
    """If the file exists, the error does not advise init."""
    Flags().file.parent.mkdir(parents=True)
    Flags().file.write_text("[profiles.acme]", "utf-8")

    with pytest.raises(ConfigurationError, match=r"no scopes, .* of .*config\.toml\.$"):
        grant()
