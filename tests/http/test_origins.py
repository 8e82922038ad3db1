"""Origins are compared whole, and the refusal says what to do."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import ConfigurationError, OriginNotAllowed
from atlassian_auth._tokens.http.origins import Origins, read_origins, target_of

GATEWAYS = ["https://api.atlassian.com", "https://api.atlassian-us-gov-mod.com"]
ORIGINS = Origins(["https://a.example", "http://127.0.0.1:8080", "https://[::1]:8443"])


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x?y#z",
        "https://A.EXAMPLE:443",
        "http://127.0.0.1:8080/",
        "https://[::1]:8443/a",
    ],
)
def test_the_same_origin_passes(url):
    """Case, default port, path and query make no difference."""
    ORIGINS.check(httpx.URL(url))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example/", "http://a.example"),
        ("https://a.example:444/x?token=1", "https://a.example:444"),
        ("https://a.example.evil.example/", "https://a.example.evil.example"),
        ("https://a.example@evil.example/", "https://evil.example"),
        ("http://127.0.0.1/", "http://127.0.0.1"),
    ],
)
def test_another_origin_is_refused(url, origin):
    """The error names both sides and the remedy, and neither path nor query."""
    with pytest.raises(OriginNotAllowed, match="allowed_origins=") as caught:
        ORIGINS.check(httpx.URL(url))

    assert (caught.value.origin, caught.value.allowed) == (origin, ORIGINS.names)
    assert "token" not in str(caught.value)


def test_the_remedy_is_the_owners():
    """The error says what to do in the words of the auth that has the origins."""
    with pytest.raises(OriginNotAllowed, match="or ask Ada"):
        Origins(["https://api.atlassian.com"], remedy="ask Ada").check(
            httpx.URL("https://acme.atlassian.net")
        )


@pytest.mark.parametrize(
    ("gateway", "site"),
    [
        ("https://api.atlassian.com", "https://acme.atlassian.net/rest/api/3/myself"),
        ("https://api.atlassian-us-gov-mod.com", "https://acme.atlassian-us-gov-mod.net/"),
    ],
)
def test_a_sites_own_address(gateway, site):
    """For a site's own address the error names the gateway, and no option to allow the address."""
    with pytest.raises(OriginNotAllowed, match=r"use Endpoints\.jira_url\(cloud_id\)") as caught:
        Origins([gateway]).check(httpx.URL(site))

    assert "allowed_origins" not in str(caught.value)


@pytest.mark.parametrize("clouds", [GATEWAYS, GATEWAYS[::-1]], ids=["government", "public"])
def test_the_gateway_of_another_cloud(clouds):
    """The error for another cloud's gateway does not advise to allow it."""
    own, other = clouds

    with pytest.raises(OriginNotAllowed, match="another Atlassian cloud") as caught:
        Origins([own]).check(httpx.URL(f"{other}/oauth/token/accessible-resources"))

    assert "allowed_origins" not in str(caught.value)


def test_a_relative_url():
    """The error for a path without a host says what is missing."""
    with pytest.raises(OriginNotAllowed, match=r"names no host.*base_url=") as caught:
        Origins(["https://a.example"]).check(httpx.URL("/rest/api/3/myself"))

    assert caught.value.origin == ""


def test_names_are_sorted_and_shown():
    """Each once, in an order that does not depend on how they were given."""
    origins = Origins(["https://b.example", "https://a.example", "https://b.example"])

    assert origins.names == ("https://a.example", "https://b.example")
    assert repr(origins) == "Origins(['https://a.example', 'https://b.example'])"


def test_targets_are_equal_where_origins_are():
    """Case and default port were normalized by httpx."""
    one, other = httpx.URL("https://A.example:443/x"), httpx.URL("https://a.example")

    assert target_of(one) == target_of(other)


def test_origins_are_read():
    """Of a URL only its origin counts; on loopback it may be plain http."""
    urls = ["https://A.example/x", "http://localhost:80/"]

    assert read_origins(urls, argument="where") == {"https://a.example", "http://localhost"}


@pytest.mark.parametrize(
    "urls", [["http://a.example"], ["a.example"], [""], [None], "https://a.example"]
)
def test_malformed_origins_are_refused(urls):
    """Plain http, no URL, or one text where a list belongs: the argument is named."""
    with pytest.raises(ConfigurationError, match="where") as caught:
        read_origins(urls, argument="where")

    assert caught.value.argument == "where"
