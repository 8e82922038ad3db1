"""The documents that are read before the first API call: metadata, sites, the account, a site's id."""

from __future__ import annotations

from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import DiscoveryError, SiteNotFound, TransientError
from atlassian_auth.protocol._metadata import MetadataLocation, read_metadata
from atlassian_auth.protocol.sites import read_cloud_id, read_identity, read_sites
from tests.fuzz.http import response_of

ISSUER = "https://login.example.com"
LOCATION = MetadataLocation(f"{ISSUER}/.well-known/openid-configuration", (ISSUER,))
TEMPLATE = Endpoints.data_center(ISSUER)


def read(reader, response, **options):
    """Return what a reader makes of the response; None if it raises an error that it may raise."""
    try:
        return reader(response, **options)
    except (DiscoveryError, SiteNotFound, TransientError) as error:
        assert str(error).isprintable()


def fuzz(data):
    """Each document is read or refused with our errors, and each URL that is read is https."""
    response = response_of(data)

    found = read(read_metadata, response, location=LOCATION, template=TEMPLATE)
    sites = read(read_sites, response) or ()
    read(read_identity, response)
    read(read_cloud_id, response, site="https://acme.atlassian.net")

    urls = [found.authorize_url, found.token_url] if found else []
    assert all(url.lower().startswith("https://") for url in urls)
    assert all(site.url.lower().startswith("https://") for site in sites)
