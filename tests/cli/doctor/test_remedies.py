"""The remedy for each kind of error and product."""

from __future__ import annotations

import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    DiscoveryError,
    ScopeMismatch,
    SiteNotFound,
    StoreError,
    TransientError,
)
from atlassian_auth._cli.doctor.remedies import remedy_for
from atlassian_auth._cli.profile import PRODUCTS, Flags

LOGIN = "atlassian-auth login acme"


@pytest.fixture
def remedy(home):
    """Return the remedy for an error of a product at a link."""

    def remedy(error, *, product="cloud", link="token"):
        return remedy_for(link, error, Flags(values={"product": product}).profile("acme"))

    return remedy


@pytest.mark.parametrize(
    ("error", "link", "words"),
    [
        (AuthorizationRequired("x"), "token", f"Run: {LOGIN}"),
        (TransientError("x"), "network", "HTTPS_PROXY"),
        (ConfigurationError("x"), "clock", "NTP"),
        (DiscoveryError("x", status=403), "call", "permissions of the person"),
    ],
)
def test_by_error_and_link(remedy, error, link, words):
    """A remedy is a command to run, or a page to look at."""
    assert words in remedy(error, link=link)


@pytest.mark.parametrize("error", [StoreError("x"), ConfigurationError("x")])
def test_errors_that_say_it_all(remedy, error):
    """An error that says what to do gets no remedy."""
    assert remedy(error) == ""


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_wrong_secret(remedy, product):
    """The remedy for a wrong secret names the page of the product."""
    assert (
        "secret" in remedy(ConfigurationError("x", error="invalid_client"), product=product).lower()
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_missing_scope(remedy, product):
    """The remedy for scopes includes a new login where a person consents."""
    consented = product in {"cloud", "government", "data-center"}

    assert (LOGIN in remedy(ScopeMismatch("x"), product=product)) == consented


@pytest.mark.parametrize(("product", "words"), [("cloud", LOGIN), ("service-account", "access")])
def test_a_missing_site(remedy, product, words):
    """The remedy for a site depends on the product."""
    assert words in remedy(SiteNotFound("x"), product=product)
