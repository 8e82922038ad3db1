"""Finds the site of a credential, and the URL of its API."""

from __future__ import annotations

from atlassian_auth._cli.profile import Profile
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.manager import TokenManager
from atlassian_auth.sites import accessible_resources, cloud_id_for_site, select_site

__all__ = ["base_url_of", "cloud_id_of", "has_sites", "target_of"]

_JIRA_SOFTWARE = "jira-software"
_DATA_CENTER = ("data-center", "data-center-service-account")


def has_sites(profile: Profile) -> bool:
    """Return whether the product is on Cloud, where a token may be valid for several sites."""
    return profile.product not in _DATA_CENTER


async def cloud_id_of(profile: Profile, manager: TokenManager) -> str:
    """Return the cloud id of the profile's site; of the only site, if the profile names none.

    Raises:
        AmbiguousSite: if there are several sites and the profile names none.
        AtlassianAuthError: if the site cannot be found.
    """
    if profile.cloud_id is not None:
        return profile.cloud_id
    if profile.product != _JIRA_SOFTWARE:
        auth = manager.auth(profile.store_key)
        sites = await accessible_resources(auth, endpoints=manager.grant.endpoints)
        return select_site(sites, profile.site).cloud_id
    if profile.site is None:
        message = (
            f"Profile {profile.name} needs a site or a cloud_id: its credential cannot list sites."
        )
        raise ConfigurationError(message, argument="site")
    return await cloud_id_for_site(profile.site)


async def base_url_of(profile: Profile, manager: TokenManager, *, confluence: bool = False) -> str:
    """Return the base URL of the API of the credential's site, with a trailing slash.

    Raises:
        AtlassianAuthError: if the site cannot be found.
    """
    endpoints = manager.grant.endpoints
    if not has_sites(profile):
        return f"{endpoints.api_url}/"
    cloud_id = await cloud_id_of(profile, manager)
    return endpoints.confluence_url(cloud_id) if confluence else endpoints.jira_url(cloud_id)


async def target_of(
    url: str, profile: Profile, manager: TokenManager, *, confluence: bool = False
) -> str:
    """Return the absolute URL: a whole URL unchanged, a path appended to the API's base URL.

    Raises:
        AtlassianAuthError: if the site cannot be found, or has no such API.
    """
    if "://" in url:
        _check_web(url)
        return url
    path = url.lstrip("/")
    if profile.product == _JIRA_SOFTWARE:
        cloud_id = await cloud_id_of(profile, manager)
        return manager.grant.endpoints.translate_url(path, cloud_id)
    # urljoin would drop the path of the base URL.
    return await base_url_of(profile, manager, confluence=confluence) + path


def _check_web(url: str) -> None:
    if not url.lower().startswith(("http://", "https://")):
        message = (
            f"URL is {url!a:.200}, but must be a path such as /rest/api/3/myself, or begin with https://. "
            "Nothing was sent."
        )
        raise ConfigurationError(message, argument="url")
