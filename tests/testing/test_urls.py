"""The services are at Atlassian's own addresses, or all below one origin, distinguished by path."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Urls

DC = "https://jira.example.com/jira"
REAL = Urls.atlassian(DC)
LOOPBACK = Urls.below("http://127.0.0.1:8080", DC)


def test_the_addresses_are_atlassians():
    """The addresses are those of Atlassian's pages."""
    assert REAL.authorize_url == "https://auth.atlassian.com/authorize"
    assert REAL.token_url == "https://auth.atlassian.com/oauth/token"
    assert REAL.revoke_url == "https://auth.atlassian.com/oauth/revoke"
    assert REAL.jira_software_token_url == "https://api.atlassian.com/oauth/token"
    assert REAL.resources_url == "https://api.atlassian.com/oauth/token/accessible-resources"
    assert REAL.identity_url == "https://api.atlassian.com/me"
    assert REAL.site("acme") == "https://acme.atlassian.net"
    assert REAL.jira("c1") == "https://api.atlassian.com/ex/jira/c1/"
    assert REAL.confluence("c1") == "https://api.atlassian.com/ex/confluence/c1/wiki/"
    assert REAL.dc_authorize_url == f"{DC}/rest/oauth2/latest/authorize"
    assert REAL.dc_token_url == f"{DC}/rest/oauth2/latest/token"
    assert REAL.dc_revoke_url == f"{DC}/rest/oauth2/latest/revoke"


def test_below_one_origin_data_center_keeps_its_context_path():
    """A client that loses the context path fails there as it would at the real one."""
    assert LOOPBACK.dc_base_url == "http://127.0.0.1:8080/dc/jira"
    assert LOOPBACK.site("acme") == "http://127.0.0.1:8080/site/acme"


@pytest.mark.parametrize(
    ("urls", "url", "place"),
    [
        (REAL, "https://auth.atlassian.com/authorize?a=b", ("auth", "/authorize")),
        (REAL, "https://api.atlassian.com/me#top", ("api", "/me")),
        (REAL, "https://api.atlassian.com", ("api", "")),
        (REAL, "https://api.atlassian.com?a=b", ("api", "")),
        (REAL, "https://acme.atlassian.net/_edge/x", ("site", "/acme/_edge/x")),
        (REAL, f"{DC}/rest/api/2/myself", ("dc", "/rest/api/2/myself")),
        (LOOPBACK, "http://127.0.0.1:8080/site/acme/_edge/x", ("site", "/acme/_edge/x")),
        (LOOPBACK, "http://127.0.0.1:8080/dc/jira/rest", ("dc", "/rest")),
        (LOOPBACK, "http://127.0.0.1:8080/dc/rest", None),
        (REAL, "https://auth.atlassian.com.evil.example.com/authorize", None),
        (REAL, "https://a.b.atlassian.net/", None),
        (REAL, "http://auth.atlassian.com/authorize", None),
        (REAL, "https://jira.example.com/rest/api/2/myself", None),
    ],
)
def test_a_url_is_located(urls, url, place):
    """A URL is located in its service; an unknown URL belongs to none."""
    assert urls.locate(url) == place
