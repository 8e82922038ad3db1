"""Metadata counts if it is the asked server's own; what it does not say is known or conventional."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import ConfigurationError, DiscoveryError, TransientError
from atlassian_auth.protocol._metadata import (
    MetadataLocation,
    built_in_endpoints,
    metadata_locations,
    read_metadata,
)
from atlassian_auth.protocol.messages import HTTPResponse

ISSUER = "https://login.example.com"
LOCATION = MetadataLocation(f"{ISSUER}/.well-known/openid-configuration", (ISSUER,))
TEMPLATE = Endpoints.data_center(ISSUER)


def read(document, status=200, *, truncated=False):
    response = HTTPResponse(status, {}, json.dumps(document).encode(), truncated=truncated)
    return read_metadata(response, location=LOCATION, template=TEMPLATE)


# -- what is built in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "endpoints"),
    [
        ("https://auth.atlassian.com", Endpoints.cloud()),
        ("https://AUTH.atlassian.com/", Endpoints.cloud()),
        ("https://api.atlassian.com", Endpoints.cloud()),
        ("https://acme.atlassian.net/wiki", Endpoints.cloud()),
        ("https://auth.atlassian-us-gov-mod.com", Endpoints.government()),
        ("https://api.atlassian-us-gov-mod.com", Endpoints.government()),
        ("https://acme.atlassian-us-gov-mod.net", Endpoints.government()),
        ("https://host.example/jira", Endpoints.data_center("https://host.example/jira")),
        ("http://127.0.0.1:8080/jira/", Endpoints.data_center("http://127.0.0.1:8080/jira")),
        ("https://jira.atlassian.com", Endpoints.data_center("https://jira.atlassian.com")),
        ("https://evil-atlassian.net", Endpoints.data_center("https://evil-atlassian.net")),
    ],
)
def test_each_kind_of_host_has_its_endpoints(url, endpoints):
    """Atlassian's own hosts are known; any other is laid out as a Data Center."""
    assert built_in_endpoints(url) == endpoints


@pytest.mark.parametrize(
    "url", ["", "login.example.com", "http://login.example.com", f"{ISSUER}?a=b", f"{ISSUER}#a"]
)
def test_malformed_urls_are_refused(url):
    """An issuer is an https URL without query and fragment (RFC 8414 section 2)."""
    with pytest.raises(ConfigurationError) as caught:
        built_in_endpoints(url)

    assert caught.value.argument == "url"


def test_a_query_belongs_to_no_issuer():
    """The error names the argument, and says what to remove."""
    with pytest.raises(ConfigurationError, match=r"^url must not contain a query: remove the '\?'"):
        built_in_endpoints("https://host.example/jira?os_authType=basic")


# -- where it is ----------------------------------------------------------------------------------


def test_places_of_an_issuer():
    """RFC 8414 puts its part between host and path, OpenID at the end, Data Center in its module."""
    url = "https://host.example/jira"

    found = metadata_locations(url)

    assert [location.url for location in found] == [
        "https://host.example/.well-known/oauth-authorization-server/jira",
        "https://host.example/jira/.well-known/openid-configuration",
        "https://host.example/jira/rest/oauth2/latest/.well-known/oauth-authorization-server",
    ]
    assert [location.issuers for location in found[:2]] == [(url,), (url,)]
    assert set(found[2].issuers) == {url, f"{url}/rest/oauth2/latest"}


def test_a_slash_at_the_end_is_left_out_of_addresses_but_not_of_the_issuer():
    """RFC 8414 section 3.1 removes it before the path is built; section 3.3 compares exactly."""
    for path in ("jira", "X"):
        first = metadata_locations(f"https://host.example/{path}/")[0]

        assert first.url == f"https://host.example/.well-known/oauth-authorization-server/{path}"
        assert first.issuers == (f"https://host.example/{path}/",)


def test_atlassians_own_servers_are_no_data_center():
    """Atlassian's authorization server has two metadata URLs; its sites and gateway have none."""
    own = [location.url for location in metadata_locations("https://auth.atlassian.com")]

    assert own == [
        "https://auth.atlassian.com/.well-known/oauth-authorization-server",
        "https://auth.atlassian.com/.well-known/openid-configuration",
    ]
    assert (
        metadata_locations("https://acme.atlassian.net")
        == metadata_locations("https://api.atlassian.com")
        == ()
    )


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("https://auth.atlassian.com/", "https://auth.atlassian.com"),
        ("https://AUTH.atlassian.com:443", "https://auth.atlassian.com"),
        ("https://auth.atlassian.com/mcp", "https://auth.atlassian.com/mcp"),
        ("https://auth.atlassian.com/mcp/", "https://auth.atlassian.com/mcp/"),
    ],
)
def test_the_issuer_of_atlassians_own_servers(url, issuer):
    """The server's own is known; another one on the same host is compared exactly, like everybody's."""
    assert {location.issuers for location in metadata_locations(url)} == {(issuer,)}


# -- what it says ---------------------------------------------------------------------------------


def test_metadata_is_read():
    """The three endpoints of the metadata replace the built-in ones; the API's URL stays."""
    endpoints = read(
        {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/a",
            "token_endpoint": f"{ISSUER}/t",
            "revocation_endpoint": f"{ISSUER}/r",
            "scopes_supported": ["READ"],
        }
    )

    assert endpoints == Endpoints(
        authorize_url=f"{ISSUER}/a",
        token_url=f"{ISSUER}/t",
        revoke_url=f"{ISSUER}/r",
        api_url=ISSUER,
    )


def test_what_metadata_does_not_name_stays():
    """A server that only refreshes may name nothing but its token endpoint."""
    endpoints = read({"issuer": ISSUER, "token_endpoint": f"{ISSUER}/t"})

    assert endpoints.token_url == f"{ISSUER}/t"
    assert endpoints.authorize_url == TEMPLATE.authorize_url


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param(f"{ISSUER}/", id="slash"),
        pytest.param(ISSUER.upper(), id="case"),
        pytest.param("https://evil.example", id="another"),
        pytest.param(None, id="null"),
        pytest.param([ISSUER], id="list"),
        pytest.param("x" * 10_000, id="long"),
    ],
)
def test_the_issuer_must_be_identical(issuer):
    """Metadata of another issuer is refused, and the error shows both, shortened."""
    with pytest.raises(DiscoveryError, match="another issuer") as caught:
        read({"issuer": issuer, "token_endpoint": f"{ISSUER}/t"})

    assert ISSUER in str(caught.value)
    assert len(str(caught.value)) < 700
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({}, "names no token_endpoint", id="missing"),
        pytest.param({"token_endpoint": None}, "token_url must be", id="null"),
        pytest.param({"token_endpoint": 7}, "token_url must be", id="number"),
        pytest.param({"token_endpoint": "http://login.example.com/t"}, "must be https", id="http"),
        pytest.param({"token_endpoint": "/t"}, "token_url must be", id="relative"),
        pytest.param(
            {"token_endpoint": f"{ISSUER}/t", "authorization_endpoint": "javascript:1"},
            "authorize_url must be",
            id="other-endpoint",
        ),
    ],
)
def test_unusable_metadata_is_an_error(document, expected):
    """Unusable metadata is a DiscoveryError, and no secret goes to an insecure URL."""
    with pytest.raises(DiscoveryError, match=expected) as caught:
        read({"issuer": ISSUER, **document})

    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("document", "status"),
    [
        pytest.param({"issuer": ISSUER}, 404, id="not-found"),
        pytest.param({"issuer": ISSUER}, 302, id="redirect"),
        pytest.param({"issuer": ISSUER}, 401, id="login"),
        pytest.param("<html>", 200, id="page"),
        pytest.param([], 200, id="list"),
        pytest.param({"errorMessages": []}, 200, id="something-else"),
    ],
)
def test_no_metadata_is_none(document, status):
    """A page, a redirect or an error says that there is no metadata here."""
    assert read(document, status) is None


def test_half_metadata_is_none():
    """An endless document is not metadata."""
    assert read({"issuer": ISSUER, "token_endpoint": f"{ISSUER}/t"}, truncated=True) is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_is_not_the_absence_of_metadata(status):
    """While the server is unavailable, conventional URLs do not take the place of the real ones."""
    with pytest.raises(TransientError, match="metadata"):
        read({}, status)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "issuer": st.just(ISSUER) | st.text(),
            "token_endpoint": st.none() | st.text() | st.integers(),
            "authorization_endpoint": st.none() | st.text() | st.lists(st.none()),
        },
    )
)
def test_any_document_is_read_or_is_an_error_of_ours(document):
    """No metadata makes the reader fail in another way."""
    try:
        endpoints = read(document)
    except DiscoveryError:
        return
    assert endpoints is None or isinstance(endpoints, Endpoints)


@pytest.mark.parametrize(
    "member", ["token_endpoint", "authorization_endpoint", "revocation_endpoint"]
)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:22/t",
        "https://127.0.0.1/t",
        "https://localhost/t",
        "https://localhost./t",
        "https://api.localhost/t",
        "https://[::1]/t",
        "https://[::ffff:127.0.0.1]/t",
        "https://0.0.0.0/t",
        "http://10.0.0.1/t",
        "http://login.example.com/t",
    ],
)
def test_metadata_from_afar_names_no_local_service(url, member):
    """Metadata of another computer cannot name a loopback or plain http endpoint."""
    document = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/t", member: url}

    with pytest.raises(
        DiscoveryError, match=r"is unusable: [a-z_]+ (is on this machine|must be https)"
    ):
        read(document)


def test_metadata_of_this_machine_may():
    """Metadata of a server on loopback may name loopback endpoints."""
    base = "http://127.0.0.1:8080"
    location = MetadataLocation(f"{base}/.well-known/openid-configuration", (base,))
    document = {"issuer": base, "token_endpoint": f"{base}/t"}
    response = HTTPResponse(200, {}, json.dumps(document).encode())

    found = read_metadata(response, location=location, template=Endpoints.data_center(base))

    assert found.token_url == f"{base}/t"


def test_what_metadata_says_is_quoted_in_short():
    """A long or hostile value does not make a long or hostile error."""
    document = {"issuer": ISSUER, "token_endpoint": f"http://{'a' * 100_000}.example/"}

    with pytest.raises(DiscoveryError) as caught:
        read(document)

    complaint = str(caught.value).partition(" is unusable: ")[2]
    assert len(complaint) == 300 + len(".")
