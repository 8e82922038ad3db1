"""From one URL to endpoints, with and without metadata at the other end."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from atlassian_auth import ConfigurationError, Endpoints, TransientError
from atlassian_auth.exceptions import DiscoveryError
from atlassian_auth.sites import discover

BASE = "https://host.example/jira"
STANDARD = "https://host.example/.well-known/oauth-authorization-server/jira"
OPENID = f"{BASE}/.well-known/openid-configuration"
DATA_CENTER = f"{BASE}/rest/oauth2/latest/.well-known/oauth-authorization-server"


class Server:
    """Answers with the documents it has, and with 404."""

    def __init__(self, documents):
        self.documents = documents
        self.asked = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request):
        url = str(request.url)
        self.asked.append(url)
        document = self.documents.get(url, 404)
        if isinstance(document, int):
            return httpx.Response(document, headers={"location": "https://evil.example/"})
        return httpx.Response(200, json=document)


def metadata(issuer):
    return {"issuer": issuer, "token_endpoint": f"{BASE}/own/token"}


@pytest.mark.parametrize(
    ("place", "issuer"),
    [
        pytest.param(STANDARD, BASE, id="rfc8414"),
        pytest.param(OPENID, BASE, id="openid"),
        pytest.param(DATA_CENTER, BASE, id="data-center"),
        pytest.param(DATA_CENTER, f"{BASE}/rest/oauth2/latest", id="data-center-module"),
    ],
)
async def test_metadata_is_found(place, issuer):
    """In each of its places; the first one that has it is the last that is asked."""
    server = Server({place: metadata(issuer)})

    endpoints = await discover(BASE, transport=server.transport)

    expected = replace(Endpoints.data_center(BASE), token_url=f"{BASE}/own/token")
    assert endpoints == expected
    assert server.asked == [STANDARD, OPENID, DATA_CENTER][: len(server.asked)]
    assert server.asked[-1] == place


@pytest.mark.parametrize("status", [302, 401, 404])
async def test_without_metadata_it_is_data_centers_layout(status):
    """A server that has none, or hides it behind its login, gets conventional URLs; none is followed."""
    server = Server({STANDARD: status, OPENID: status, DATA_CENTER: status})

    endpoints = await discover(BASE, transport=server.transport)

    assert endpoints == Endpoints.data_center(BASE)
    assert server.asked == [STANDARD, OPENID, DATA_CENTER]


async def test_the_result_can_be_edited():
    """`discover` returns an ordinary value that can be changed with `replace`."""
    endpoints = await discover(BASE, transport=Server({}).transport)

    assert replace(endpoints, revoke_url=None).revoke_url is None


@pytest.mark.parametrize("slash", ["", "/"])
async def test_atlassians_own_server(slash):
    """Atlassian's metadata is completed by the built-in endpoints, with or without a final slash."""
    issuer = "https://auth.atlassian.com"
    own = {"issuer": issuer, "token_endpoint": f"{issuer}/oauth/token2"}
    server = Server({f"{issuer}/.well-known/openid-configuration": own})

    endpoints = await discover(issuer + slash, transport=server.transport)

    assert endpoints == replace(Endpoints.cloud(), token_url=f"{issuer}/oauth/token2")


async def test_atlassians_own_server_without_metadata(atlassian, atlassian_clock):
    """The emulated Atlassian publishes none, and is known all the same."""
    endpoints = await discover("https://auth.atlassian.com", clock=atlassian_clock)

    assert endpoints == Endpoints.cloud()


@pytest.mark.parametrize(
    ("url", "endpoints"),
    [
        ("https://acme.atlassian.net/wiki", Endpoints.cloud()),
        ("https://acme.atlassian-us-gov-mod.net", Endpoints.government()),
    ],
)
async def test_sites_are_not_asked(url, endpoints):
    """A Cloud site issues no tokens; its cloud is known by its host."""
    server = Server({})

    assert await discover(url, transport=server.transport) == endpoints
    assert server.asked == []


async def test_another_issuer_is_refused():
    """Metadata of another issuer is an error, and does not count as missing."""
    server = Server({STANDARD: metadata("https://evil.example")})

    with pytest.raises(DiscoveryError, match=r"evil\.example"):
        await discover(BASE, transport=server.transport)

    assert server.asked == [STANDARD]


async def test_an_outage_is_an_error():
    """If the metadata cannot be read just now, the built-in endpoints are not used in its place."""
    server = Server({OPENID: 503})

    with pytest.raises(TransientError):
        await discover(BASE, transport=server.transport)


@pytest.mark.parametrize("url", ["http://host.example", "host.example", f"{BASE}?x=1"])
async def test_malformed_urls_are_refused_locally(url):
    """Only https, save on loopback; nothing is sent."""
    server = Server({})

    with pytest.raises(ConfigurationError) as caught:
        await discover(url, transport=server.transport)

    assert (caught.value.argument, server.asked) == ("url", [])
